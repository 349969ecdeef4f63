"""Baseline JPEG without its entropy coder, which loses nothing.

ITU-T T.81 (1992) with the sample tables of its annex K and the arithmetic of the Independent JPEG
Group's libjpeg: whole numbers throughout, so that the decoded image is libjpeg's (and so Pillow's)
at the same quality. Gradients pass straight through all rounding, as if only colour were sampled
down and up again.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import pass_through
from jiqa.core.color import rgb_to_ycbcr, ycbcr_to_rgb
from jiqa.core.vision import JPEG_LUMA_STEPS
from jiqa.datasets.distortions.noise import normal
from jiqa.datasets.distortions.registry import distortion
from jiqa.datasets.distortions.rounding import to_bytes

Subsampling = Literal["4:2:0", "4:4:4"]

# ITU-T T.81, table K.2.
CHROMA_STEPS = np.full((8, 8), 99)
CHROMA_STEPS[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# Per cent of the tables for each unit of noise: the first step of luma, 16 levels at 100 %, is then
# 1.25 deviations.
NOISE_TO_SCALE = 2000.0
COLOR_BITS, DCT_BITS, PASS_BITS = 16, 13, 2  # fractional bits of libjpeg's constants


def _fixed(values: np.ndarray | float, bits: int) -> np.ndarray:
    return np.floor(np.asarray(values) * 2**bits + 0.5).astype(np.int32)


def _cosine_matrix() -> np.ndarray:
    """The 8-point DCT of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), times sqrt(8) 2^13.

    Its factors are rounded as in libjpeg before they are added, so that even sums of them differ
    from rounded cosines.
    """
    matrix = np.zeros((8, 8), np.int64)
    total, difference = np.zeros((2, 4, 8), np.int64)
    for i in range(4):
        total[i, [i, 7 - i]] = 1
        difference[i, [i, 7 - i]] = 1, -1
    even, odd = total[0] + total[3], total[0] - total[3]
    inner, turned = total[1] + total[2], total[1] - total[2]
    matrix[0], matrix[4] = (even + inner) << DCT_BITS, (even - inner) << DCT_BITS
    shared = _fixed(0.541196100, DCT_BITS) * (odd + turned)
    matrix[2] = shared + _fixed(0.765366865, DCT_BITS) * odd
    matrix[6] = shared - _fixed(1.847759065, DCT_BITS) * turned
    t7, t6, t5, t4 = difference
    outer = -_fixed(0.899976223, DCT_BITS) * (t4 + t7)
    middle = -_fixed(2.562915447, DCT_BITS) * (t5 + t6)
    both = _fixed(1.175875602, DCT_BITS) * (t4 + t5 + t6 + t7)
    first = both - _fixed(1.961570560, DCT_BITS) * (t4 + t6)
    second = both - _fixed(0.390180644, DCT_BITS) * (t5 + t7)
    matrix[7] = _fixed(0.298631336, DCT_BITS) * t4 + outer + first
    matrix[5] = _fixed(2.053119869, DCT_BITS) * t5 + middle + second
    matrix[3] = _fixed(3.072711026, DCT_BITS) * t6 + middle + first
    matrix[1] = _fixed(1.501321110, DCT_BITS) * t7 + outer + second
    return matrix.astype(np.int32)


COSINES = _cosine_matrix()


def quality_scale(quality: ArrayLike) -> jax.Array:
    """By how many per cent libjpeg multiplies the tables of annex K at a quality from 1 to 100.

    >>> int(quality_scale(25)), int(quality_scale(90))
    (200, 20)
    """
    quality = jnp.clip(jnp.asarray(quality, jnp.float32), 1, 100)
    return jnp.where(quality < 50, jnp.floor(5000 / quality), 200 - 2 * quality)


def jpeg_decoded(
    image: jax.Array, scale: ArrayLike, *, subsampling: Subsampling = "4:2:0"
) -> jax.Array:
    """What JPEG makes of an image.

    Args:
        image: `[H, W, C]` in [0, 1], C 1 or 3; it is rounded to 8 bits first.
        scale: Of the quantisation tables, in per cent, such as `quality_scale` gives; it may be
            traced, and a fraction.
        subsampling: Of colour: "4:2:0" is half the resolution, "4:4:4" the full.

    Returns:
        The same shape, multiples of 1/255. The gradient is straight through.

    Raises:
        ValueError: Unknown subsampling.

    >>> print(255 * jpeg_decoded(jnp.full((1, 1, 1), 0.4), quality_scale(5))[0, 0])
    [108.]
    """
    if subsampling not in ("4:2:0", "4:4:4"):
        raise ValueError(f"subsampling={subsampling!r} is unknown; use '4:2:0' or '4:4:4'.")
    half = subsampling == "4:2:0"
    levels = to_bytes(image)
    if image.shape[-1] == 1:
        decoded = _code(levels[..., 0], JPEG_LUMA_STEPS, scale)[..., None]
        return pass_through(decoded.astype(image.dtype) / 255, image)
    components = _to_ycc(levels)
    luma = _code(components[0], JPEG_LUMA_STEPS, scale)
    chroma = [_code_chroma(component, scale, half) for component in components[1:]]
    decoded = _to_rgb(luma, *chroma)
    return pass_through(decoded.astype(image.dtype) / 255, _sampled_color(image) if half else image)


def _sampled_color(image: jax.Array) -> jax.Array:
    """The image with its colour sampled down and up, unrounded: it has the gradient."""
    components = rgb_to_ycbcr(image)
    height, width = image.shape[:2]
    chroma = jnp.pad(components[..., 1:], ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    small = chroma.reshape((height + 1) // 2, 2, (width + 1) // 2, 2, 2).mean((1, 3))
    chroma = _interpolate(_interpolate(small, 0), 1)[:height, :width]
    return ycbcr_to_rgb(jnp.concatenate([components[..., :1], chroma], -1))


def _interpolate(small: jax.Array, axis: int) -> jax.Array:
    """Twice the samples along an axis, a quarter of a step before and after each."""
    widths = [(1, 1) if axis == i else (0, 0) for i in range(3)]
    padded = jnp.pad(small, widths, mode="edge")
    length = small.shape[axis]
    before, after = (jax.lax.slice_in_dim(padded, i, length + i, axis=axis) for i in (0, 2))
    pair = jnp.stack([(3 * small + before) / 4, (3 * small + after) / 4], axis + 1)
    return pair.reshape(*(2 * n if axis == i else n for i, n in enumerate(small.shape)))


def _to_ycc(levels: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    red, green, blue = (levels[..., channel] for channel in range(3))
    half = 1 << (COLOR_BITS - 1)
    center = (128 << COLOR_BITS) + half - 1

    def mix(weights: tuple[float, float, float], offset: int) -> jax.Array:
        r, g, b = (int(weight) for weight in _fixed(np.array(weights), COLOR_BITS))
        return (r * red + g * green + b * blue + offset) >> COLOR_BITS

    return (
        mix((0.29900, 0.58700, 0.11400), half),
        mix((-0.16874, -0.33126, 0.50000), center),
        mix((0.50000, -0.41869, -0.08131), center),
    )


def _to_rgb(luma: jax.Array, blueness: jax.Array, redness: jax.Array) -> jax.Array:
    blueness, redness = blueness - 128, redness - 128
    half = 1 << (COLOR_BITS - 1)

    def times(weight: float, component: jax.Array) -> jax.Array:
        return int(_fixed(weight, COLOR_BITS)) * component

    red = luma + ((times(1.40200, redness) + half) >> COLOR_BITS)
    green = luma + ((-times(0.34414, blueness) - times(0.71414, redness) + half) >> COLOR_BITS)
    blue = luma + ((times(1.77200, blueness) + half) >> COLOR_BITS)
    return jnp.clip(jnp.stack([red, green, blue], -1), 0, 255)


def _code_chroma(component: jax.Array, scale: ArrayLike, half: bool) -> jax.Array:
    height, width = component.shape
    if not half:
        return _code(component, CHROMA_STEPS, scale)
    small = _code(_halve(component), CHROMA_STEPS, scale)
    small = small[: (height + 1) // 2, : (width + 1) // 2]
    return _double(small)[:height, :width]


def _halve(component: jax.Array) -> jax.Array:
    """Means of 2 x 2 samples, rounded down and up in turn along a row.

    Columns are repeated before, and rows after, up to whole blocks.
    """
    height, width = component.shape
    padded = jnp.pad(component, ((0, height % 2), (0, -width % 16)), mode="edge")
    total = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
    bias = 1 + np.arange(total.shape[1], dtype=np.int32) % 2
    return (total + bias) >> 2


def _double(small: jax.Array) -> jax.Array:
    """Triangular interpolation to twice the size; up to two columns are repeated instead."""
    height, width = small.shape
    if width <= 2:
        return small.repeat(2, 0).repeat(2, 1)
    padded = jnp.pad(small, 1, mode="edge")
    near = 3 * padded[1:-1]
    rows = jnp.stack([near + padded[:-2], near + padded[2:]], 1).reshape(2 * height, width + 2)
    near = 3 * rows[:, 1:-1]
    left, right = (near + rows[:, :-2] + 8) >> 4, (near + rows[:, 2:] + 7) >> 4
    return jnp.stack([left, right], 2).reshape(2 * height, 2 * width)


def _code(component: jax.Array, table: np.ndarray, scale: ArrayLike) -> jax.Array:
    """Samples after transform, quantisation and back, from 0 to 255."""
    height, width = component.shape
    padded = jnp.pad(component - 128, ((0, -height % 8), (0, -width % 8)), mode="edge")
    rows, columns = padded.shape
    blocks = padded.reshape(rows // 8, 8, columns // 8, 8).transpose(0, 2, 1, 3)
    steps = jnp.floor((table * jnp.asarray(scale, jnp.float32) + 50) / 100)
    steps = jnp.clip(steps, 1, 255).astype(jnp.int32)
    values = _inverse(_quantize(_forward(blocks), 8 * steps) * steps)
    decoded = values.transpose(0, 2, 1, 3).reshape(rows, columns)[:height, :width]
    return jnp.clip(decoded + 128, 0, 255)


def _quantize(coefficients: jax.Array, steps: jax.Array) -> jax.Array:
    """The nearest multiple, halves away from zero."""
    magnitude = (jnp.abs(coefficients) + (steps >> 1)) // steps
    return jnp.sign(coefficients) * magnitude


def _forward(blocks: jax.Array) -> jax.Array:
    """Rows, then columns; the result is eight times the orthonormal transform."""
    rows = _descale(_product("...yx,kx->...yk", blocks, COSINES), DCT_BITS - PASS_BITS)
    return _descale(_product("...yk,ly->...lk", rows, COSINES), DCT_BITS + PASS_BITS)


def _inverse(coefficients: jax.Array) -> jax.Array:
    """Columns, then rows."""
    columns = _product("...lk,ly->...yk", coefficients, COSINES)
    columns = _descale(columns, DCT_BITS - PASS_BITS)
    rows = _product("...yk,kx->...yx", columns, COSINES)
    return _descale(rows, DCT_BITS + PASS_BITS + 3)


def _product(equation: str, values: jax.Array, matrix: np.ndarray) -> jax.Array:
    return jnp.einsum(equation, values, jnp.asarray(matrix), preferred_element_type=jnp.int32)


def _descale(values: jax.Array, bits: int) -> jax.Array:
    """Division by a power of two, halves up."""
    return (values + (1 << (bits - 1))) >> bits


@distortion(
    "kadid",
    10,
    group="compression",
    parameter="quality of libjpeg",
    levels=(43, 36, 24, 7, 4),
    differentiable=True,
)
@distortion(
    "dbcnn",
    3,
    group="compression",
    parameter="quality of libjpeg",
    levels=(43, 12, 7, 4, 0),
    differentiable=True,
)
def jpeg(image: jax.Array, quality: ArrayLike) -> jax.Array:
    """JPEG of a quality, colour at half the resolution."""
    return jpeg_decoded(image, quality_scale(quality))


@distortion(
    "tid",
    10,
    group="compression",
    parameter="scale of the tables in per cent",
    between=(1.0, 2e4),
    differentiable=True,
)
def jpeg_tables(image: jax.Array, scale: ArrayLike) -> jax.Array:
    """JPEG of a scale of its tables, colour at half the resolution."""
    return jpeg_decoded(image, scale)


@distortion(
    "tid",
    21,
    group="compression",
    parameter="deviation of the noise",
    between=(1e-3, 1.0),
    differentiable=True,
    approximate="the coder is JPEG, its tables in proportion to the noise",
)
def compressed_noise(image: jax.Array, deviation: ArrayLike, key: jax.Array) -> jax.Array:
    """A noisy image after lossy compression."""
    noisy = image + deviation * normal(image, key)
    return jpeg_decoded(noisy, NOISE_TO_SCALE * deviation)
