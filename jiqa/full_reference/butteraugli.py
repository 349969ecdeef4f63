"""Butteraugli, the psychovisual distance that guides JPEG XL encoders.

Alakuijala, Obryk, Stoliarchuk, Szabadka, Vandevenne and Wassenberg, "Guetzli: perceptually guided
JPEG encoder", arXiv:1703.04421, 2017, with the numbers of the later revision in libjxl's
`butteraugli.cc` (version 0.11) and the conventions of its `butteraugli_main`. Light, in
nits of the screen, becomes responses of cones that adapt to their surroundings; their difference
(X, red-green), sum (Y) and the blue response (B) are split into four bands of frequency. What the
bands differ, along lines of many directions, is divided by what masks it in the reference, and
joined with the same of images halved. The order of the images matters.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.channels import mix_channels, unstack_channels
from jiqa.core.color import gray_to_rgb, srgb_to_linear
from jiqa.core.filters import (
    Border,
    check_least_side,
    correlate_separable,
    downsample_box,
    gaussian_window,
    pad,
)
from jiqa.core.registry import image_function, metric

PAPER = 'Alakuijala et al., "Guetzli: perceptually guided JPEG encoder", arXiv:1703.04421, 2017'

LEAST_SIDE = 8
HALVED_SHARE, HALVED_RELIEF = 0.5, 0.15  # of the halved images' map; what the full one loses

# What long, middle and short cones take of red, green and blue light, and what they give anyway.
ABSORBANCE = np.array(
    [
        [0.29956550340058319, 0.63373087833825936, 0.077705617820981968],
        [0.22158691104574774, 0.69391388044116142, 0.0987313588422],
        [0.02, 0.02, 0.20480129041026129],
    ]
)
DARK = np.array([1.7557483643287353, 1.7557483643287353, 12.226454707163354])
ADAPTATION_SIGMA = 1.2
GAMMA_SCALE, GAMMA_BIAS, GAMMA_OFFSET = 19.245013259874995, 9.9710635769299145, -23.16046239805755

# The bands. Small values of some count as nothing, of others double, large ones of some less.
LOW_SIGMA, MEDIUM_SIGMA, HIGH_SIGMA = 7.15593339443, 3.22489901262, 1.56416327805
BLUE_FROM_Y = -0.362267051518
MEDIUM_X_IGNORED, MEDIUM_Y_DOUBLED = 0.29, 0.1
HIGH_X_IGNORED, HIGH_Y_DOUBLED, HIGH_Y_LARGE, HIGH_Y_SCALE = 1.5, 0.132, 28.4691806922, 2.155
ULTRA_X_IGNORED, ULTRA_Y_SCALE = 0.04, 2.69313763794
ULTRA_Y_LARGE = 5.19175294647 * ULTRA_Y_SCALE
LARGE_SLOPE = 0.724216145665
LEAST_X, X_HALVED = 0.653020556257, 46.0  # share of X left beside strong Y; the square of such Y

# Weights of squared differences of X, Y and B.
LOW_WEIGHTS = np.array(
    [
        29.2353797994 * 33.832837186260**2,
        0.844626970982 * 14.458268100570**2,
        0.703646627719 * 49.87984651440**2,
    ]
)
MEDIUM_WEIGHTS = np.array([2150.0, 10.6195433239, 16.2176043152])
HIGH_WEIGHTS = 0.8 * np.array([400.0, 1.50815703118])

# Masking: weights of X and Y, the root that compresses, and the visibility left under a mask.
MASK_X, MASK_Y = 2.5, 0.4
MASK_SCALE, MASK_BIAS, MASK_SIGMA = 6.19424080439, 12.61050594197, 2.7
MASK_REACH, MASK_SHARES = 3, (0.45, 0.3, 0.25)
MASK_DIFFERENCE_WEIGHT = 10.0
VISIBILITY = (2.5485944793, 0.451936922203, 0.829591754942)  # 1 + a / (b mask + c)
LOW_VISIBILITY = (0.505054525019, 3.87449418804, 0.20025578522)
JUST_VISIBLE = 17.83 * math.log(80) / math.log(255)

# Differences summed along lines: for X and Y, weights of the squared sums, and the magnitudes of
# the images at which differences count half.
MEDIUM_LINES = np.array([[8246.75321353, 37.0819870399], [1009002.70582, 130262059.556]])
HIGH_LINES = np.array([[6923.99476109, 18.7237414387], [8051.15833247, 4498534.45232]])
ULTRA_LINES = np.array([[173.5, 1.10039032555], [5.0, 71.7800275169]])
SYMMETRIC_SHARE, ONE_SIDED_SHARE = 0.5, 0.33  # of the weights
LINE_REACH = 4
SPARSE_SCALE, DENSE_SCALE = 0.611612573796 / 8.5, 0.39905817637 / 8.5

# Offsets down and right of the pixels that are summed.
Line = tuple[tuple[int, int], ...]


class Bands(NamedTuple):
    """Bands of frequency, `[..., H, W, C]`: X, Y and B of the lower two, X and Y of the others."""

    low: jax.Array
    medium: jax.Array
    high: jax.Array
    ultra: jax.Array


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, math.inf),
    identical=0,
    paper=PAPER,
    color="cone responses to sRGB; grey images are neutral",
    protocols={"butteraugli_p3": {"norm": 3.0}},
)
def butteraugli(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    norm: float = math.inf,
    intensity_target: float = 80.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Psychovisual distance: 1 is about a just noticeable difference.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range]. The order matters.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        norm: Infinity takes the largest difference; another p the mean of the norms p, 2 p and 4 p
            of the map (libjxl's "3-norm" is p = 3).
        intensity_target: Brightness of white on the screen, in nits (candela per square metre).
        weights: Pooling weights `[..., H, W]`, or None; the largest difference is that among
            places of positive weight.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: A side is below 8 pixels, or the norm or the brightness is not positive.

    >>> image = jnp.sin(jnp.arange(24 * 24.0)).reshape(24, 24, 1) / 4 + 0.5
    >>> print(butteraugli(image, image).round(4))
    0.0
    >>> bool(butteraugli(image, image + 0.02) < butteraugli(image, 1 - image))
    True
    """
    if not norm > 0:
        raise ValueError(f"norm={norm} must be positive; infinity takes the largest difference.")
    local = _difference_map(reference, distorted, data_range, intensity_target)
    weights = pooling.fit_weights(weights, 1, *local.shape[-2:])
    seen = local if weights is None else jnp.where(weights > 0, local, 0)
    largest = pooling.largest(seen[..., None])[..., 0]
    if norm == math.inf:
        return largest
    # Relative to the largest, so that high powers stay in range.
    unit = jax.lax.stop_gradient(largest)
    relative = safe_divide(seen, unit[..., None, None])[..., None]
    norms = [pooling.minkowski(relative, factor * norm, weights)[..., 0] for factor in (1, 2, 4)]
    return unit * sum(norms[1:], start=norms[0]) / len(norms)


@image_function
def butteraugli_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    intensity_target: float = 80.0,
) -> jax.Array:
    """The local distance that `butteraugli` pools; arguments as there.

    Returns:
        `[..., H, W]`, 0 where the images are alike.

    >>> butteraugli_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (15, 20)
    """
    return _difference_map(reference, distorted, data_range, intensity_target)


def _difference_map(
    reference: jax.Array, distorted: jax.Array, data_range: float, intensity_target: float
) -> jax.Array:
    """The map at full size, joined with that of the images halved."""
    check_least_side("butteraugli", reference.shape, LEAST_SIDE)
    if not intensity_target > 0:
        raise ValueError(f"intensity_target={intensity_target} must be a positive number of nits.")
    x, y = (
        intensity_target * srgb_to_linear(gray_to_rgb(image), data_range=data_range)
        for image in (reference, distorted)
    )
    local = _compare(x, y)
    x, y = downsample_box(x, 2), downsample_box(y, 2)
    if min(x.shape[-3:-1]) < LEAST_SIDE:
        return local
    halved = _compare(x, y).repeat(2, -2).repeat(2, -1)
    halved = halved[..., : local.shape[-2], : local.shape[-1]]
    return (1 - HALVED_RELIEF) * local + HALVED_SHARE * halved


def _compare(x: jax.Array, y: jax.Array) -> jax.Array:
    """The map `[..., H, W]` of two images in nits at their own size."""
    x_bands, y_bands = (_split(_to_xyb(image)) for image in (x, y))
    x_mask, y_mask = (_mask(bands) for bands in (x_bands, y_bands))
    low = _weighted_sum((x_bands.low - y_bands.low) ** 2, LOW_WEIGHTS)
    rest = (
        _weighted_sum((x_bands.medium - y_bands.medium) ** 2, MEDIUM_WEIGHTS)
        + _weighted_sum(_lopsided_square(x_bands.high, y_bands.high), HIGH_WEIGHTS)
        + _line_energy(x_bands, y_bands)
        + MASK_DIFFERENCE_WEIGHT * (x_mask - y_mask) ** 2
    )
    mask = _fuzzy_erosion(x_mask)
    error = low * _visibility(mask, LOW_VISIBILITY) ** 2 + rest * _visibility(mask, VISIBILITY) ** 2
    return safe_sqrt(error) / JUST_VISIBLE


def _to_xyb(light: jax.Array) -> jax.Array:
    """X, Y and B of light in nits, `[..., H, W, 3]`."""
    dark = jnp.asarray(DARK, light.dtype)
    surround = jnp.maximum(_absorb(_blur(light, ADAPTATION_SIGMA, "symmetric")) + dark, dark)
    sensitivity = (GAMMA_SCALE * jnp.log(surround + GAMMA_BIAS) + GAMMA_OFFSET) / surround
    cones = jnp.maximum((_absorb(light) + dark) * sensitivity, dark)
    long, middle, short = unstack_channels(cones)
    return jnp.stack([long - middle, long + middle, short], -1)


def _absorb(light: jax.Array) -> jax.Array:
    return mix_channels(light, ABSORBANCE)


def _split(xyb: jax.Array) -> Bands:
    low = _blur(xyb, LOW_SIGMA)
    rest = xyb - low
    medium = _blur(rest, MEDIUM_SIGMA)
    x, y, _ = unstack_channels(rest - medium)
    x = x * (LEAST_X + (1 - LEAST_X) * X_HALVED / (y**2 + X_HALVED))
    smooth = _blur(jnp.stack([x, y], -1), HIGH_SIGMA)
    high_x, high_y = unstack_channels(smooth)
    high_y = _tame_large(high_y, HIGH_Y_LARGE)
    ultra_x, ultra_y = x - high_x, _tame_large(ULTRA_Y_SCALE * (y - high_y), ULTRA_Y_LARGE)
    low_x, low_y, low_b = unstack_channels(low)
    low = jnp.stack([low_x, low_y, low_b + BLUE_FROM_Y * low_y], -1)
    medium_x, medium_y, medium_b = unstack_channels(medium)
    medium_x = _ignore_small(medium_x, MEDIUM_X_IGNORED)
    medium_y = _double_small(medium_y, MEDIUM_Y_DOUBLED)
    high_x = _ignore_small(high_x, HIGH_X_IGNORED)
    high_y = _double_small(HIGH_Y_SCALE * high_y, HIGH_Y_DOUBLED)
    ultra_x = _ignore_small(ultra_x, ULTRA_X_IGNORED)
    return Bands(
        low=low,
        medium=jnp.stack([medium_x, medium_y, medium_b], -1),
        high=jnp.stack([high_x, high_y], -1),
        ultra=jnp.stack([ultra_x, ultra_y], -1),
    )


def _ignore_small(values: jax.Array, limit: float) -> jax.Array:
    return values - jnp.clip(values, -limit, limit)


def _double_small(values: jax.Array, limit: float) -> jax.Array:
    return values + jnp.clip(values, -limit, limit)


def _tame_large(values: jax.Array, limit: float) -> jax.Array:
    within = jnp.clip(values, -limit, limit)
    return within + LARGE_SLOPE * (values - within)


def _line_energy(x: Bands, y: Bands) -> jax.Array:
    """Squared sums of differences along lines, `[..., H, W]`."""
    sparse = jnp.concatenate(
        [
            _line_differences(x.medium[..., :2], y.medium[..., :2], MEDIUM_LINES, SPARSE_SCALE),
            _line_differences(x.high, y.high, HIGH_LINES, SPARSE_SCALE),
        ],
        -1,
    )
    dense = _line_differences(x.ultra, y.ultra, ULTRA_LINES, DENSE_SCALE)
    return _squared_sums(sparse, SPARSE_LINES).sum(-1) + _squared_sums(dense, DENSE_LINES).sum(-1)


def _line_differences(x: jax.Array, y: jax.Array, lines: np.ndarray, scale: float) -> jax.Array:
    weight, half = jnp.asarray(lines, x.dtype)
    gain = scale * jnp.sqrt(weight) * half / (half + (jnp.abs(x) + jnp.abs(y)) / 2)
    symmetric = math.sqrt(SYMMETRIC_SHARE) * (x - y)
    return gain * (symmetric + math.sqrt(ONE_SIDED_SHARE) * _shortfall(x, y, 0.55, 1.05))


def _lopsided_square(x: jax.Array, y: jax.Array) -> jax.Array:
    return (x - y) ** 2 + _shortfall(x, y, 0.4, 1.0) ** 2


def _shortfall(x: jax.Array, y: jax.Array, least: float, most: float) -> jax.Array:
    """How far y is from the range between `least * x` and `most * x`, with the sign of x - y."""
    sign = jnp.where(x < 0, -1, 1)
    size, found = jnp.abs(x), sign * y
    return sign * (jnp.maximum(least * size - found, 0) - jnp.maximum(found - most * size, 0))


def _lines(weights: Mapping[Line, float]) -> tuple[tuple[Line, float], ...]:
    """Weighed lines through the centre, mirrored and turned, from one half of each."""
    lines = {}
    for half, weight in weights.items():
        halves = [half, tuple((i, -j) for i, j in half)]
        halves += [tuple((j, i) for i, j in each) for each in halves]
        for each in halves:
            lines[tuple(sorted({(0, 0), *each, *((-i, -j) for i, j in each)}))] = weight
    return tuple(lines.items())


# Medium and high frequencies are summed along every other pixel of a line, ultra high ones densely.
SPARSE_LINES = _lines(
    {
        ((0, 2), (0, 4)): 1.0,
        ((2, 2), (3, 3)): 1.0,
        ((1, 2), (1, 4)): 1.0,
        ((1, 2), (2, 3)): 1.0,
        ((1, 2), (2, 4)): 1.0,
    }
)
DENSE_LINES = _lines(
    {
        ((0, 1), (0, 2), (0, 3), (0, 4)): 1.0,
        ((1, 1), (2, 2), (3, 3)): 1.0,
        ((0, 1), (1, 2), (1, 3), (1, 4)): 2.0,
        ((1, 1), (1, 2), (2, 3)): 1.0,
    }
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _squared_sums(differences: jax.Array, lines: tuple[tuple[Line, float], ...]) -> jax.Array:
    """Weighted squares of the sums along all lines, `[..., H, W, C]`; zero beyond the border."""
    squares = [weight * _sum_along(differences, line) ** 2 for line, weight in lines]
    return sum(squares[1:], start=squares[0])


def _squared_sums_forward(
    differences: jax.Array, lines: tuple[tuple[Line, float], ...]
) -> tuple[jax.Array, jax.Array]:
    return _squared_sums(differences, lines), differences


def _squared_sums_backward(
    lines: tuple[tuple[Line, float], ...], differences: jax.Array, slope: jax.Array
) -> tuple[jax.Array]:
    """Lines are symmetric, so that summing along one is its own adjoint; XLA compiles this fast."""
    parts = [
        _sum_along(2 * weight * slope * _sum_along(differences, line), line)
        for line, weight in lines
    ]
    return (sum(parts[1:], start=parts[0]),)


_squared_sums.defvjp(_squared_sums_forward, _squared_sums_backward)


def _sum_along(images: jax.Array, line: Line) -> jax.Array:
    height, width = images.shape[-3:-1]
    padded = pad(images, 2 * LINE_REACH + 1, 2 * LINE_REACH + 1, "zero")
    moved = [
        padded[..., LINE_REACH + i :, LINE_REACH + j :, :][..., :height, :width, :] for i, j in line
    ]
    return sum(moved[1:], start=moved[0])


def _mask(bands: Bands) -> jax.Array:
    """What stands out in the upper bands, compressed and blurred, `[..., H, W]`."""
    x, y = jnp.moveaxis(bands.high + bands.ultra, -1, 0)
    contrast = safe_sqrt((MASK_X * x) ** 2 + (MASK_Y * y) ** 2)
    bias = MASK_SCALE * MASK_BIAS
    compressed = jnp.sqrt(MASK_SCALE * contrast + bias) - math.sqrt(bias)
    return _blur(compressed[..., None], MASK_SIGMA)[..., 0]


def _fuzzy_erosion(mask: jax.Array) -> jax.Array:
    """A weighted mean of the three least of each pixel, twice it, and eight places around it.

    Where the surroundings are smooth there is no masking.
    """
    height, width = mask.shape[-2:]
    widths = [(0, 0)] * (mask.ndim - 2) + [(MASK_REACH, MASK_REACH)] * 2
    padded = jnp.pad(mask, widths, constant_values=math.inf)
    least, second, third = mask, 2 * mask, 2 * mask
    for i, j in itertools.product((0, MASK_REACH, 2 * MASK_REACH), repeat=2):
        if (i, j) == (MASK_REACH, MASK_REACH):
            continue
        value = padded[..., i : i + height, j : j + width]
        least, value = jnp.minimum(least, value), jnp.maximum(least, value)
        second, value = jnp.minimum(second, value), jnp.maximum(second, value)
        third = jnp.minimum(third, value)
    first_share, second_share, third_share = MASK_SHARES
    return first_share * least + second_share * second + third_share * third


def _visibility(mask: jax.Array, curve: tuple[float, float, float]) -> jax.Array:
    gain, slope, offset = curve
    return 1 + gain / (slope * mask + offset)


def _weighted_sum(squares: jax.Array, weights: np.ndarray) -> jax.Array:
    return jnp.sum(squares * jnp.asarray(weights, squares.dtype), -1)


def _blur(images: jax.Array, sigma: float, border: Border = "zero") -> jax.Array:
    """A Gaussian cut off at 2.25 deviations; what "zero" puts beyond the border has no weight."""
    window = _window(sigma)
    blurred = correlate_separable(images, window, border=border)
    if border != "zero":
        return blurred
    rows, columns = (
        jnp.asarray(_share_within(sigma, length), images.dtype) for length in images.shape[-3:-1]
    )
    return blurred / (rows[:, None, None] * columns[:, None])


@functools.cache
def _window(sigma: float) -> np.ndarray:
    return gaussian_window(2 * max(1, int(2.25 * sigma)) + 1, sigma)


@functools.cache
def _share_within(sigma: float, length: int) -> np.ndarray:
    """The part of the window that is within an axis of a length, for each place on it."""
    window = _window(sigma)
    return np.convolve(np.ones(length), window)[len(window) // 2 :][:length]
