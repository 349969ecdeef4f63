"""Wavelet-based visual signal-to-noise ratio.

Chandler and Hemami, "VSNR: a wavelet-based visual signal-to-noise ratio for natural images", IEEE
Transactions on Image Processing 16(9), 2007, in the convention of the toolbox MeTriX MuX
(`vsnr_modified.m`, the authors' code with the toolbox's own 9/7 wavelet transform): images are
mirrored to multiples of 32 and at least 128 pixels a side, the corners filled with one pixel; the
error about the mean of the reference is rounded and clipped to 0 to 255; luma is not rounded for
the transform. The best distribution of the error over scales is searched to 1 % of its contrast.

One rule is not the code's but the paper's: an error below the threshold of vision that does not
change the brightness gives infinity. The code compares the mean luminance of the reference with the
luminance of its mean, so that equal images have some 60 dB.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_divide
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, pad
from jiqa.core.registry import metric

PAPER = 'Chandler and Hemami, "VSNR: a wavelet-based visual signal-to-noise ratio for natural '
PAPER += 'images", IEEE TIP 16(9), 2007'

# Cohen, Daubechies and Feauveau's 9/7 analysis filters in the digits of the toolbox.
LOW = (0.85269867900889, 0.37740285561283, -0.11062440441844, -0.02384946501956, 0.03782845550726)
HIGH = (0.78848561640558, -0.41809227322162, -0.04068941760916, 0.06453888262870, 0.0)
LEVELS = 5
SIDE, LEAST_SIDE = 2**LEVELS, 128
GAIN, GAMMA = 0.02874, 2.2  # luminance of an sRGB display is (GAIN * level) ** GAMMA
THRESHOLD = (59.8, -0.1258, -0.1087)  # of the ratio of contrasts at which an error is just seen
BRIGHTNESS = 0.01  # the least relative change of luminance that is seen
STEPS = 64  # of the bisection, more than single and double precision can use
SPACE = (-3, -2)


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    identical=math.inf,
    differentiable=False,
    paper=PAPER,
    color="luma, not rounded; luma=None averages over channels",
)
def vsnr(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "bt601",
    alpha: float = 0.04,
    pixels_per_degree: float = 96 * 19.1 * math.tan(math.radians(1)),
    cap: float | None = None,
) -> jax.Array:
    """Contrast of the reference over the visual distortion, in decibel.

    The distortion mixes the contrast of the error with its distance from the distribution over
    scales that would disturb the image least. The order matters. There are neither weights nor a
    map: contrasts are deviations over whole bands; to look at a region, crop both images to it.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        alpha: Share of the error's contrast in the distortion.
        pixels_per_degree: Of visual angle; 32 by default, 96 pixels an inch seen from 19.1 inches.
        cap: The highest value returned, and its negative the lowest; None is none.

    Returns:
        `[...]` in decibel; infinite where the error is invisible, minus infinity for a constant
        reference and a visible one.

    >>> image = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
    >>> print(vsnr(image, image))
    inf
    >>> bool(vsnr(image, image**1.1) > vsnr(image, image**1.5))
    True
    """
    pair = apply_luma(luma, reference, distorted, data_range=data_range)
    x, y = (_extend(image * (255 / data_range)) for image in pair)
    mean = jnp.mean(x, axis=SPACE)
    error = _whole_levels(y - x + mean[..., None, None, :])
    luminance_x, luminance_error = _luminance(_whole_levels(x)), _luminance(error)
    mean_luminance = jnp.mean(luminance_x, axis=SPACE)
    black = mean_luminance == 0
    unit = jnp.where(black, 1, mean_luminance)
    contrast_x, contrast_error = (
        jnp.sqrt(_variance(luminance)) / unit for luminance in (luminance_x, luminance_error)
    )
    # The change of levels that changes luminance by its mean, linearly.
    level_scale = unit * (GAIN * jnp.where(black, 1, mean)) ** (1 - GAMMA) / (GAIN * GAMMA)
    bands_x, bands_error = _band_deviations(jnp.stack([x, error])) / level_scale[..., None]
    frequencies = pixels_per_degree / 2 ** jnp.arange(1, LEVELS + 1, dtype=x.dtype)
    least = _least_disturbing(bands_x, contrast_error, frequencies)
    disturbance = jnp.linalg.norm(least - bands_error, axis=-1) / math.sqrt(2)
    distortion = alpha * contrast_error + (1 - alpha) * disturbance
    ratio = 20 * jnp.log10(contrast_x / distortion)
    just_visible = jnp.linalg.norm(bands_x / _best_ratios(0.0, frequencies), axis=-1)
    flat = _luminance(_whole_levels(mean))
    brightness = jnp.abs(jnp.mean(luminance_error, axis=SPACE) - flat) / unit
    ratio = jnp.where(contrast_error > just_visible, ratio, _brightness_ratio(brightness))
    ratio = jnp.where(black & (brightness > 0), -math.inf, ratio)
    ratio = jnp.where(jnp.any(jnp.isneginf(ratio), axis=-1), -math.inf, ratio.mean(-1))
    return ratio if cap is None else jnp.clip(ratio, -cap, cap)


def _extend(images: jax.Array) -> jax.Array:
    """Mirrors images about their border pixels to the sides that the transform needs."""
    height, width = images.shape[-3:-1]
    rows, inner_row, outside_rows = _extended_axis(height)
    columns, inner_column, outside_columns = _extended_axis(width)
    corner = outside_rows[:, None] & outside_columns
    row = np.where(corner, inner_row[:, None], rows[:, None])
    column = np.where(corner, inner_column, columns)
    return images[..., row, column, :]


def _extended_axis(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each sample of the longer axis: its source, that of a corner, whether it is outside."""
    target = max(LEAST_SIDE, math.ceil(length / SIDE) * SIDE)
    position = np.arange(target) - math.floor((target - length) / 2 + 0.5)
    before, after = position < 0, position >= length
    mirrored = np.where(after, 2 * length - 2 - position, np.abs(position))
    source = np.clip(mirrored, 0, length - 1)
    inner = np.where(before, min(1, length - 1), max(length - 2, 0))
    return source, inner, before | after


def _whole_levels(levels: jax.Array) -> jax.Array:
    return jnp.floor(jnp.clip(levels, 0, 255) + 0.5)


def _luminance(levels: jax.Array) -> jax.Array:
    return (GAIN * levels) ** GAMMA


def _variance(values: jax.Array) -> jax.Array:
    """Variance over the image, exactly 0 where it is constant."""
    return jnp.var(values - values[..., :1, :1, :], axis=SPACE)


def _band_deviations(images: jax.Array) -> jax.Array:
    """Root of the summed variances of a level's three bands over its gain, `[..., C, L]`."""
    low, high = (np.array(half[:0:-1] + half) for half in (LOW, HIGH))
    deviations = []
    for level in range(1, LEVELS + 1):
        # Low-pass samples are the even ones, high-pass samples the odd ones.
        padded = pad(images, len(low), len(low), "reflect")
        bands = (
            correlate_separable(padded[..., :, 1:, :], low, high, stride=2),
            correlate_separable(padded[..., 1:, :, :], high, low, stride=2),
            correlate_separable(padded[..., 1:, 1:, :], high, high, stride=2),
        )
        variance = sum(_variance(band) for band in bands)
        deviations.append(jnp.sqrt(variance) / 2**level)
        images = correlate_separable(padded, low, stride=2)
    return jnp.stack(deviations, axis=-1)


def _best_ratios(visibility: jax.Array | float, frequencies: jax.Array) -> jax.Array:
    """Ratios of contrast that disturb least, from the threshold (0) to full visibility (1)."""
    a0, a1, a2 = THRESHOLD
    octaves = jnp.log(frequencies)
    b0, b1, b2 = (1 - visibility) * a0, a1 + (1 - a1) * visibility, a2 - (1 + a2) * visibility
    return b0 * jnp.exp(octaves * (b2 * octaves + b1))


def _least_disturbing(bands: jax.Array, contrast: jax.Array, frequencies: jax.Array) -> jax.Array:
    """The bands' contrasts, `[..., L]`, of the least disturbing error of a total contrast."""

    def contrasts(low: jax.Array, high: jax.Array) -> jax.Array:
        return safe_divide(bands, _best_ratios((low + high)[..., None] / 2, frequencies))

    def halve(_: int, limits: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = limits
        excess = jnp.linalg.norm(contrasts(low, high), axis=-1) - contrast
        found = jnp.abs(excess) < 0.01 * contrast
        middle = (low + high) / 2
        low = jnp.where(~found & (excess < 0), middle, low)
        return low, jnp.where(~found & (excess >= 0), middle, high)

    limits = jnp.zeros_like(contrast), jnp.ones_like(contrast)
    return contrasts(*jax.lax.fori_loop(0, STEPS, halve, limits))


def _brightness_ratio(change: jax.Array) -> jax.Array:
    """By Weber's law, of an error that is seen as a change of luminance or not at all."""
    seen = change >= BRIGHTNESS
    return jnp.where(seen, 20 / jnp.where(seen, change, 1) - 20 * math.log10(1.5), math.inf)
