"""Additive distortion metric: the detail that a distortion leaves, the DLM of VMAF.

Li, Zhang, Ma and Ngan, "Image quality assessment by separately evaluating detail losses and
additive impairments", IEEE Transactions on Multimedia 13(5), 2011, in the convention of the
floating-point `float_adm` of libvmaf, whose `adm2` this is: four levels of the Daubechies wavelet
with four taps, borders mirrored without the first and with the last sample, a tenth of the image
ignored on each side, bands weighted by the visibility thresholds of Watson, Yang, Solomon and
Villasenor, "Visibility of wavelet quantization noise", IEEE TIP 6(8), 1997. What the distorted
image has of the reference's coefficients is its detail, the rest an additive impairment, which
masks detail. The order of the images matters.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_power
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable
from jiqa.core.registry import image_function, metric

PAPER = 'Li, Zhang, Ma and Ngan, "Image quality assessment by separately evaluating detail losses '
PAPER += 'and additive impairments", IEEE Transactions on Multimedia 13(5), 2011'

SCALES = 4
LEAST_SIDE = 32  # pixels that leave 2 x 2 coefficients at the coarsest scale
LOW_PASS = np.array([0.482962913144690, 0.836516303737469, 0.224143868041857, -0.129409522550921])
HIGH_PASS = np.array(
    [-0.129409522550921, -0.224143868041857, 0.836516303737469, -0.482962913144690]
)
BORDER = 0.1  # share of a band that is ignored on each side
SAME_ANGLE = math.cos(math.radians(1)) ** 2
NOISE = 1 / 32  # added to the mean cube of a band
MASKING = 1 / 30  # of a neighbour; the place itself counts twice

# Watson and others, 1997, equation 7 and table IV for luma, and table V by scale. The orientations
# are horizontal and vertical, which are alike, and diagonal.
THRESHOLD, STEEPNESS, FREQUENCY = 0.495, 0.466, 0.401
FREQUENCY_GAINS = (1.0, 0.534)
AMPLITUDES = ((0.67234, 0.72709), (0.41317, 0.49428), (0.22727, 0.28688), (0.11792, 0.15214))


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, math.inf),
    identical=1,
    paper=PAPER,
    color="luma of BT.709, 16 to 235; luma=None averages over channels",
)
def adm(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "bt709_limited",
    gain_limit: float = 100.0,
    view_distance: float = 3.0,
    display_height: int = 1080,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Share of the reference's visible detail that is left in the distorted image.

    There is no map: a share is that of sums of cubes over each band.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range]. The order matters.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels. VMAF
            reads luma planes of video: give such planes as images of one channel.
        gain_limit: How many times contrast may be enhanced to count as detail: 1 is the "no
            enhancement gain" mode of VMAF.
        view_distance: In heights of the display.
        display_height: Of the display, in pixels.
        weights: Weights `[..., H, W]` of the cubes of either image, halved with the images, or
            None.

    Returns:
        `[...]` from 0; 1 for equal images, above 1 where detail was enhanced.

    Raises:
        ValueError: A side is below 32 pixels.

    >>> image = jnp.sin(jnp.arange(32 * 32.0)).reshape(32, 32, 1) / 2 + 0.5
    >>> print(adm(image, image).round(5))
    1.0
    >>> bool(adm(image, image / 2) < adm(image, image / 2, view_distance=30.0))
    True
    """
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    pixels_per_degree = view_distance * display_height * math.pi / 180
    scale = 255 / data_range
    left, there = visible_detail(x * scale, y * scale, gain_limit, pixels_per_degree, weights)
    return (left.sum(0) / there.sum(0)).mean(-1)


@image_function
def adm_scales(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "bt709_limited",
    gain_limit: float = 100.0,
    view_distance: float = 3.0,
    display_height: int = 1080,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The `adm` of each scale by itself (`adm_scale0` to `adm_scale3` of VMAF); arguments as there.

    Returns:
        `[..., 4]`, the finest scale first.

    >>> adm_scales(jnp.zeros((2, 40, 50, 3)), jnp.ones((2, 40, 50, 3))).shape
    (2, 4)
    """
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    pixels_per_degree = view_distance * display_height * math.pi / 180
    scale = 255 / data_range
    left, there = visible_detail(x * scale, y * scale, gain_limit, pixels_per_degree, weights)
    return jnp.moveaxis((left / there).mean(-1), 0, -1)


class Details(NamedTuple):
    """Coefficients of a level of the wavelet transform, each `[..., H', W', C]`."""

    horizontal: jax.Array
    vertical: jax.Array
    diagonal: jax.Array


def visible_detail(
    x: jax.Array,
    y: jax.Array,
    gain_limit: float = 100.0,
    pixels_per_degree: float = 18 * math.pi,
    weights: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The visible detail that is left in the distorted image, and that of the reference.

    Args:
        x: Reference `[..., H, W, C]` of 0 to 255.
        y: The distorted image.
        gain_limit: As in `adm`.
        pixels_per_degree: Pixels in a degree of the visual field.
        weights: As in `adm`.

    Returns:
        Two arrays `[4, ..., C]`, the finest scale first.

    Raises:
        ValueError: A side is below 32 pixels.

    >>> visible_detail(jnp.zeros((40, 32, 1)), jnp.zeros((40, 32, 1)))[0].shape
    (4, 1)
    """
    height, width = x.shape[-3:-1]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"adm: images are {height} x {width} pixels; at least {LEAST_SIDE} a side are needed."
        )
    left, there = [], []
    for scale in range(SCALES):
        (x, details_x), (y, details_y) = _transform(x), _transform(y)
        weights = pooling.halve_weights(weights)
        sensitivity = _sensitivities(scale, pixels_per_degree)
        restored = _restore(details_x, details_y, gain_limit)
        added = Details(*(t - r for t, r in zip(details_y, restored, strict=True)))
        threshold = _mask(_weigh(added, sensitivity))
        left.append(_pool(_weigh(restored, sensitivity), threshold, weights))
        there.append(_pool(_weigh(details_x, sensitivity), 0.0, weights))
    return jnp.stack(left), jnp.stack(there)


def _transform(images: jax.Array) -> tuple[jax.Array, Details]:
    """One level: the approximation and the details, each `[..., ceil(H / 2), ceil(W / 2), C]`."""
    height, width = images.shape[-3:-1]
    images = _mirror(images, 1, (1 + height % 2, 1 + width % 2))

    def band(rows: np.ndarray, columns: np.ndarray) -> jax.Array:
        return correlate_separable(images, rows, columns, stride=2)

    details = Details(
        band(HIGH_PASS, LOW_PASS), band(LOW_PASS, HIGH_PASS), band(HIGH_PASS, HIGH_PASS)
    )
    return band(LOW_PASS, LOW_PASS), details


def _mirror(images: jax.Array, before: int, after: tuple[int, int]) -> jax.Array:
    """Extends images as libvmaf: ba|abc without, and abc|cb with, the sample at the border."""
    none = [(0, 0)] * (images.ndim - 3)
    start, end = [(before, 0)] * 2, [(0, number) for number in after]
    images = jnp.pad(images, [*none, *start, (0, 0)], mode="reflect")
    return jnp.pad(images, [*none, *end, (0, 0)], mode="symmetric")


def _sensitivities(scale: int, pixels_per_degree: float) -> tuple[float, float, float]:
    """One over the visible quantisation step of each orientation."""
    steps = []
    for gain, amplitude in zip(FREQUENCY_GAINS, AMPLITUDES[scale], strict=True):
        octaves = math.log10(2 ** (scale + 1) * FREQUENCY * gain / pixels_per_degree)
        steps.append(2 * THRESHOLD * 10 ** (STEEPNESS * octaves**2) / amplitude)
    return 1 / steps[0], 1 / steps[0], 1 / steps[1]


def _restore(x: Details, y: Details, gain_limit: float) -> Details:
    """The part of the distorted coefficients that is detail of the reference.

    It is at most the reference's, unless horizontal and vertical change have the reference's
    direction, to a degree: then only the contrast was changed.
    """
    product = x.horizontal * y.horizontal + x.vertical * y.vertical
    energy = (x.horizontal**2 + x.vertical**2) * (y.horizontal**2 + y.vertical**2)
    enhanced = (product >= 0) & (product**2 >= SAME_ANGLE * energy)

    def restore(original: jax.Array, given: jax.Array) -> jax.Array:
        kept = jnp.clip(given, jnp.minimum(original, 0), jnp.maximum(original, 0))
        more = jnp.clip(given, gain_limit * jnp.minimum(kept, 0), gain_limit * jnp.maximum(kept, 0))
        return jnp.where(enhanced, more, kept)

    return Details(*(restore(*pair) for pair in zip(x, y, strict=True)))


def _weigh(details: Details, sensitivities: tuple[float, float, float]) -> Details:
    return Details(*(band * gain for band, gain in zip(details, sensitivities, strict=True)))


def _mask(added: Details) -> jax.Array:
    """The threshold that an additive impairment raises, at each place."""
    impairment = jnp.abs(added.horizontal) + jnp.abs(added.vertical) + jnp.abs(added.diagonal)
    neighbours = correlate_separable(_mirror(impairment, 1, (1, 1)), np.ones(3))
    return MASKING * (neighbours + impairment)


def _pool(details: Details, threshold: jax.Array | float, weights: jax.Array | None) -> jax.Array:
    """Cube roots of sums of cubes above the threshold over the inner image, `[..., C]`."""
    height, width = details.diagonal.shape[-3:-1]
    top, left = (max(int(BORDER * length - 0.5), 0) for length in (height, width))
    rows, columns = slice(top, height - top), slice(left, width - left)
    inner_weights = None if weights is None else weights[..., rows, columns]
    noise = ((height - 2 * top) * (width - 2 * left) * NOISE) ** (1 / 3)
    total = jnp.zeros((), details.diagonal.dtype)
    for band in details:
        visible = jnp.maximum(jnp.abs(band) - threshold, 0)[..., rows, columns, :]
        total = total + safe_power(pooling.total(visible**3, inner_weights), 1 / 3) + noise
    return total
