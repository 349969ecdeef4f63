"""Most apparent distortion.

Larson and Chandler, "Most apparent distortion: full-reference image quality assessment and the role
of strategy", Journal of Electronic Imaging 19(1), 2010, in the convention of the authors'
`MAD_index.m` of September 2011 with its C helpers `ical_std.c` and `ical_stat.c`. In images of high
quality the eye looks for distortions: errors are weighed by how far their contrast exceeds what the
image masks. In images of low quality it looks for what is left: the statistics of log-Gabor
responses are compared. Blocks of 16 x 16 pixels are four pixels apart, each stands for its first
4 x 4 pixels, and 16 pixels at the borders are ignored. The order of the images matters.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_log, safe_power, safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, uniform_window
from jiqa.core.registry import image_function, metric
from jiqa.core.vision import filter_by_contrast_sensitivity

PAPER = 'Larson and Chandler, "Most apparent distortion: full-reference image quality assessment '
PAPER += 'and the role of strategy", Journal of Electronic Imaging 19(1), 2010'

STEP = 4  # pixels from one block to the next
BLOCK = 16
LEAST_SIDE = 2 * BLOCK + 2

# The detection of distortions.
LIGHTNESS_SCALE, LIGHTNESS_EXPONENT = 0.02874, 2.2 / 3
PIXELS_PER_DEGREE = 64
DARK = 0.5  # mean lightness below which nothing is detected
DETECTION_THRESHOLD = -5.0  # natural logarithm of the contrast
DETECTION_SCALE = 200.0

# The appearance of what is left.
SCALE_WEIGHTS = np.array([0.5, 0.75, 1, 5, 6]) / 13.25
ORIENTATIONS = 4
SHORTEST_WAVELENGTH, MULTIPLIER, BANDWIDTH, ANGULAR_RATIO = 3, 3, 0.55, 1.5

# The strategy: the share of detection is 1 / (1 + BETA_1 * detection ** BETA_2).
BETA_1 = math.exp(-2.55 / 3.35)
BETA_2 = 1 / (math.log(10) * 3.35)


class Strategies(NamedTuple):
    """The two measures that `mad` blends, each `[...]` and lower is better."""

    detection: jax.Array
    appearance: jax.Array


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, math.inf),
    identical=0,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
)
def mad(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Most apparent distortion: visible errors in good images, lost appearance in bad ones.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range]. The order matters.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Weights `[..., H, W]` in both root mean squares, or None.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: A side is below 34 pixels.

    >>> image = jnp.sin(jnp.arange(40 * 40.0)).reshape(40, 40, 1) / 4 + 0.5
    >>> print(mad(image, image))
    0.0
    >>> bool(mad(image, image + 0.01) < mad(image, 1 - image))
    True
    """
    x, y = _prepare(reference, distorted, data_range, luma)
    return _blend(*_strategies(x, y, weights)).mean(-1)


@image_function
def mad_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
) -> jax.Array:
    """Where distortion is apparent: both maps, blended as the whole images are; arguments as `mad`.

    Returns:
        `[..., H - 33, W - 33]`, averaged over channels: without 16 pixels at the top and on the
        left and 17 at the other borders. 0 where no distortion is visible.

    >>> mad_map(jnp.zeros((40, 50, 3)), jnp.ones((40, 50, 3))).shape
    (7, 17)
    """
    x, y = _prepare(reference, distorted, data_range, luma)
    detection, appearance = _detection_map(x, y), _appearance_map(x, y)
    share = _share_of_detection(_root_mean_square(detection, None))
    return _blend(detection, appearance, share[..., None, None, :]).mean(-1)


@image_function
def mad_strategies(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    weights: jax.Array | None = None,
) -> Strategies:
    """The detection and the appearance of distortions (the authors' HI and LO); arguments as `mad`.

    Returns:
        Two measures `[...]`, averaged over channels.

    >>> mad_strategies(jnp.zeros((2, 40, 50, 3)), jnp.ones((2, 40, 50, 3))).detection.shape
    (2,)
    """
    x, y = _prepare(reference, distorted, data_range, luma)
    return Strategies(*(measure.mean(-1) for measure in _strategies(x, y, weights)))


def _prepare(
    reference: jax.Array, distorted: jax.Array, data_range: float, luma: str | None
) -> tuple[jax.Array, jax.Array]:
    """Images of 0 to 255."""
    height, width = reference.shape[-3:-1]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"mad: images are {height} x {width} pixels; at least {LEAST_SIDE} a side are needed."
        )
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    return x * (255 / data_range), y * (255 / data_range)


def _strategies(x: jax.Array, y: jax.Array, weights: jax.Array | None) -> Strategies:
    """Both measures `[..., C]`: the root mean squares of their maps."""
    if weights is not None:
        weights = _inner(weights[..., None])[..., 0]
    maps = _detection_map(x, y), _appearance_map(x, y)
    return Strategies(*(_root_mean_square(each, weights) for each in maps))


def _blend(
    detection: jax.Array, appearance: jax.Array, share: jax.Array | None = None
) -> jax.Array:
    """The geometric mean whose weight moves from detection to appearance as errors grow."""
    share = _share_of_detection(detection) if share is None else share
    logarithm = share * safe_log(detection) + (1 - share) * safe_log(appearance)
    return jnp.where((detection > 0) & (appearance > 0), jnp.exp(logarithm), 0)


def _share_of_detection(detection: jax.Array) -> jax.Array:
    return 1 / (1 + BETA_1 * safe_power(detection, BETA_2))


def _detection_map(x: jax.Array, y: jax.Array) -> jax.Array:
    """Local errors, weighed by their visibility, `[..., H - 33, W - 33, C]`."""
    x_seen, y_seen = (
        filter_by_contrast_sensitivity(
            LIGHTNESS_SCALE * safe_power(image, LIGHTNESS_EXPONENT), PIXELS_PER_DEGREE
        )
        for image in (x, y)
    )
    visibility = _spread(_visibility(x_seen, y_seen - x_seen), x.shape)
    error = correlate_separable((x - y) ** 2, uniform_window(BLOCK), border="symmetric")
    return DETECTION_SCALE * visibility * _inner(error)


def _visibility(reference: jax.Array, error: jax.Array) -> jax.Array:
    """How far the logarithm of the error's contrast exceeds the threshold, for each block.

    What masks is the texture of the flattest of four overlapping blocks of 8 x 8 pixels.
    """
    quarters = _double(_cells(reference), 1)
    mean = _double(quarters, 2).mean
    flattest = quarters.second[..., : mean.shape[-3], : mean.shape[-2], :]
    for axis, length in ((-3, reference.shape[-3]), (-2, reference.shape[-2])):
        flattest = _lower_neighbour(flattest, axis, length)
    texture = safe_sqrt(flattest * (64 / 63))
    deviation = safe_sqrt(_block_moments(error).second * (256 / 255))
    lit = mean >= DARK
    mean = jnp.where(lit, mean, 1)
    threshold = jnp.maximum(safe_log(texture / mean), DETECTION_THRESHOLD)
    return jnp.where(lit, jnp.maximum(safe_log(deviation / mean) - threshold, 0), 0)


def _lower_neighbour(values: jax.Array, axis: int, length: int) -> jax.Array:
    """The lesser of each value and the next; `ical_std.c` leaves out a last block at the border."""
    axis += values.ndim
    last = (length - BLOCK - 1) // STEP
    following = jax.lax.slice_in_dim(values, 1, last + 1, axis=axis)
    widths = [(0, 0)] * values.ndim
    widths[axis] = (0, values.shape[axis] - last)
    return jnp.minimum(values, jnp.pad(following, widths, constant_values=math.inf))


def _appearance_map(x: jax.Array, y: jax.Array) -> jax.Array:
    """The change of log-Gabor statistics, `[..., H - 33, W - 33, C]`."""
    spectra = [jnp.fft.fft2(image, axes=(-3, -2)) for image in (x, y)]
    radial, angular = _log_gabor_factors(*x.shape[-3:-1])
    angular = np.expand_dims(angular, (*range(1, x.ndim - 2), -1))
    change = jnp.zeros((), x.dtype)
    for weight, ring in zip(SCALE_WEIGHTS, radial, strict=True):
        bank = jnp.asarray(ring[..., None] * angular, x.dtype)
        before, after = (_block_statistics(_magnitude(spectrum * bank)) for spectrum in spectra)
        deviation, skewness, kurtosis = (
            jnp.abs(first - second).sum(0) for first, second in zip(before, after, strict=True)
        )
        change = change + float(weight) * (deviation + 2 * skewness + kurtosis)
    return _spread(change, x.shape)


def _magnitude(spectrum: jax.Array) -> jax.Array:
    response = jnp.fft.ifft2(spectrum, axes=(-3, -2))
    return safe_sqrt(response.real**2 + response.imag**2)


@functools.cache
def _log_gabor_factors(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Filters of scales `[5, height, width]` and of orientations `[4, height, width]`.

    The grid of Kovesi's `gaborconvolve`, which is off the frequencies by a half on odd sides; what
    it puts at frequency zero is zero.
    """
    rows, columns = ((np.arange(n) - n / 2) / (n / 2) for n in (height, width))
    radius = np.hypot(rows[:, None], columns)
    angle = np.arctan2(-rows[:, None], columns)
    zero = (height + 1) // 2, (width + 1) // 2
    radius[zero] = 1
    wavelengths = SHORTEST_WAVELENGTH * MULTIPLIER ** np.arange(len(SCALE_WEIGHTS))
    octaves = np.log(radius) - np.log(2 / wavelengths)[:, None, None]
    radial = np.exp(-(octaves**2) / (2 * math.log(BANDWIDTH) ** 2))
    radial[:, *zero] = 0
    difference = angle - (np.arange(ORIENTATIONS) * math.pi / ORIENTATIONS)[:, None, None]
    difference = np.arctan2(np.sin(difference), np.cos(difference))
    deviation = math.pi / ORIENTATIONS / ANGULAR_RATIO
    angular = np.exp(-(difference**2) / (2 * deviation**2))
    return np.fft.fftshift(radial, (1, 2)), np.fft.fftshift(angular, (1, 2))


class Moments(NamedTuple):
    """Mean and central moments of blocks, each `[..., H', W', C]`."""

    mean: jax.Array
    second: jax.Array
    third: jax.Array
    fourth: jax.Array


def _block_statistics(images: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Standard deviation, skewness and kurtosis of each block.

    Blocks that are flat but for rounding have neither skewness nor kurtosis, as exactly flat ones
    have for the authors.
    """
    _, second, third, fourth = _block_moments(images)
    rounding = 2550 * float(jnp.finfo(images.dtype).eps)
    squared = jnp.where(second > rounding**2, second, 0)
    deviation = safe_sqrt(squared)
    skewness = safe_divide(safe_divide(third, deviation), squared)
    kurtosis = safe_divide(safe_divide(fourth, squared), squared)
    return safe_sqrt(second * (256 / 255)), skewness, kurtosis


def _block_moments(images: jax.Array) -> Moments:
    return _double(_double(_cells(images), 1), 2)


def _cells(images: jax.Array) -> Moments:
    """Moments of cells of 4 x 4 pixels side by side, of which blocks are made up."""
    *batch, height, width, channels = images.shape
    rows, columns = height // STEP, width // STEP
    images = images[..., : rows * STEP, : columns * STEP, :]
    images = images.reshape(*batch, rows, STEP, columns, STEP, channels)
    mean = images.mean((-4, -2), keepdims=True)
    powers = [((images - mean) ** power).mean((-4, -2)) for power in (2, 3, 4)]
    return Moments(mean[..., 0, :, 0, :], *powers)


def _double(moments: Moments, offset: int) -> Moments:
    """Moments of blocks twice as large along both axes, made of blocks `offset` places apart."""
    for axis in (moments.mean.ndim - 3, moments.mean.ndim - 2):
        length = moments.mean.shape[axis] - offset
        a, b = (
            Moments(*(jax.lax.slice_in_dim(m, i, i + length, axis=axis) for m in moments))
            for i in (0, offset)
        )
        gap = b.mean - a.mean
        mean, second, third, fourth = ((m + n) / 2 for m, n in zip(a, b, strict=True))
        moments = Moments(
            mean=mean,
            second=second + gap**2 / 4,
            third=third + 0.75 * gap * (b.second - a.second),
            fourth=fourth + gap**4 / 16 + 1.5 * gap**2 * second + gap * (b.third - a.third),
        )
    return moments


def _spread(blocks: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The value of each block at its first 4 x 4 pixels, within the borders."""
    pixels = jnp.repeat(jnp.repeat(blocks, STEP, axis=-3), STEP, axis=-2)
    return _inner(pixels[..., : shape[-3], : shape[-2], :], shape)


def _inner(values: jax.Array, shape: tuple[int, ...] | None = None) -> jax.Array:
    height, width = (shape or values.shape)[-3:-1]
    return values[..., BLOCK : height - BLOCK - 1, BLOCK : width - BLOCK - 1, :]


def _root_mean_square(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    return safe_sqrt(pooling.mean(values**2, weights))
