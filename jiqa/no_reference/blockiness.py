"""Blocking of JPEG images, and the quality predicted from it without a reference.

`jpeg_quality` and `blockiness`: Wang, Sheikh and Bovik, "No-reference perceptual quality assessment
of JPEG compressed images", ICIP 2002, as the authors' `jpeg_quality_score.m`: edges between whole
blocks of 8 x 8 pixels from the top left corner.

`spectral_blockiness`: Wang, Bovik and Evans, "Blind measurement of blocking artifacts in images",
ICIP 2000, without its optional masking by luminance and texture; blocks may start anywhere. There
is no code of the authors to compare with. Here each row and column is one signal of the largest
multiple of 8 samples, and how many frequencies are in a median is our choice.

Features are made for 0 to 255. None takes weights or has a map: blocking is what repeats with one
period all over an image.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.color import to_levels
from jiqa.core.filters import check_least_side, check_window_fits
from jiqa.core.registry import metric

INFINITY = float("inf")
BLOCK = 8

# alpha, beta and the exponents of blockiness, activity and zero crossings, fitted to opinion.
OFFSET, SCALE = -245.8909, 261.9373
EXPONENTS = (-0.02398886, 0.01601664, 0.00642859)

jpeg_metric = partial(
    metric,
    kind="no_reference",
    identical=None,
    paper='Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG compressed '
    'images", ICIP 2002',
)


class Features(NamedTuple):
    """What the paper measures, each `[..., C]`."""

    blockiness: jax.Array
    activity: jax.Array
    zero_crossings: jax.Array


@jpeg_metric(
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    protocols={"jpeg_quality_y": {"luma": "matlab"}},
)
def jpeg_quality(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None
) -> jax.Array:
    """Quality of a JPEG image from blocking and blur.

    `-245.8909 + 261.9373 B^-0.0240 A^0.0160 Z^0.0064` with blockiness B (mean absolute step across
    edges of blocks), activity A (that within blocks) and rate of zero crossings Z.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 16 x 16 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.

    Returns:
        `[...]`, typically from 1, worst, to 10; higher is better. 0, with zero gradient, where one
        of B, A and Z is not positive, as on flat images.

    Raises:
        ValueError: The image is smaller than 16 x 16 pixels.

    >>> image = jax.random.uniform(jax.random.key(0), (32, 32, 1))
    >>> blocky = jnp.kron(image[::8, ::8, 0], jnp.ones((8, 8)))[..., None]
    >>> bool(jpeg_quality(image) > jpeg_quality(0.1 * image + 0.9 * blocky))
    True
    """
    features = _features(image, luma, data_range)
    measured = jnp.all(jnp.stack(features) > 0, axis=0)
    powers = [
        jnp.where(measured, feature, 1) ** exponent
        for feature, exponent in zip(features, EXPONENTS, strict=True)
    ]
    score = OFFSET + SCALE * powers[0] * powers[1] * powers[2]
    return jnp.where(measured, score, 0).mean(-1)


@jpeg_metric(
    higher_is_better=False,
    score_range=(0, INFINITY),
    protocols={"blockiness_y": {"luma": "matlab"}},
)
def blockiness(image: jax.Array, *, data_range: float = 1.0, luma: str | None = None) -> jax.Array:
    """Mean absolute step across the edges of 8 x 8 blocks.

    Args:
        image: As in `jpeg_quality`.
        data_range: As in `jpeg_quality`.
        luma: As in `jpeg_quality`.

    Returns:
        `[...]` from 0, in levels of 255 whatever the range of the image; lower is better for images
        of one content.

    Raises:
        ValueError: As in `jpeg_quality`.

    >>> board = jnp.kron(jnp.indices((4, 4)).sum(0) % 2, jnp.ones((8, 8)))
    >>> float(blockiness(board[..., None] / 255))
    1.0
    """
    return _features(image, luma, data_range).blockiness.mean(-1)


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(-INFINITY, INFINITY),
    identical=None,
    paper='Wang, Bovik and Evans, "Blind measurement of blocking artifacts in images", ICIP 2000',
    protocols={"spectral_blockiness_y": {"luma": "matlab"}},
)
def spectral_blockiness(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None, median_size: int = 9
) -> jax.Array:
    """Power of what repeats every 8 pixels in the absolute steps between neighbours.

    The power spectrum of the steps, averaged over rows or over columns, has peaks at multiples of
    1/8 where there are blocks. What they rise above the median of the frequencies around them is
    the power of the blocking: s^2 / 8 for steps of s at all edges of blocks and none elsewhere.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], more than `8 * median_size` pixels a
            side.
        data_range: As in `jpeg_quality`.
        luma: As in `jpeg_quality`.
        median_size: Number of frequencies around a peak, odd.

    Returns:
        `[...]` in squared levels of 255, averaged over both directions; about 0 without blocking,
        also slightly below. Lower is better.

    Raises:
        ValueError: The image is too small for the median, or its size is no odd number above 1.

    >>> board = jnp.kron(jnp.indices((10, 10)).sum(0) % 2, jnp.ones((8, 8)))
    >>> print(spectral_blockiness(board[..., None] * 16 / 255).round(3))
    32.0
    """
    if median_size < 3 or median_size % 2 == 0:
        raise ValueError(f"median_size={median_size} must be an odd number, at least 3.")
    check_least_side("spectral_blockiness", image.shape, BLOCK * median_size + 1)
    levels = to_levels(image, luma, data_range=data_range)
    across, down = (
        _periodic_power(direction, median_size)
        for direction in (levels, jnp.swapaxes(levels, -3, -2))
    )
    return (across + down).mean(-1) / 2


def _features(image: jax.Array, luma: str | None, data_range: float) -> Features:
    """Features of both directions, averaged."""
    check_window_fits(image.shape, 16, 16)
    levels = to_levels(image, luma, data_range=data_range)
    across, down = _along_rows(levels), _along_rows(jnp.swapaxes(levels, -3, -2))
    return Features(*((a + b) / 2 for a, b in zip(across, down, strict=True)))


def _along_rows(levels: jax.Array) -> Features:
    steps = jnp.diff(levels, axis=-2)
    edges = jnp.abs(steps[..., BLOCK - 1 : BLOCK * (levels.shape[-2] // BLOCK - 1) : BLOCK, :])
    blockiness = edges.mean((-3, -2))
    activity = (BLOCK * jnp.abs(steps).mean((-3, -2)) - blockiness) / (BLOCK - 1)
    # The sign of a product of steps, which itself might underflow.
    turns = jnp.sign(steps[..., :-1, :]) * jnp.sign(steps[..., 1:, :]) < 0
    return Features(blockiness, activity, turns.astype(levels.dtype).mean((-3, -2)))


def _periodic_power(levels: jax.Array, median_size: int) -> jax.Array:
    """The power of period 8 along rows, `[..., C]`."""
    steps = jnp.abs(jnp.diff(levels, axis=-2))
    length = BLOCK * (steps.shape[-2] // BLOCK)
    spectrum = jnp.fft.rfft(steps[..., :length, :], axis=-2) / length
    power = (spectrum.real**2 + spectrum.imag**2).mean(-3)
    peaks = np.arange(1, BLOCK) * (length // BLOCK)
    around = peaks[:, None] + np.arange(median_size) - median_size // 2
    # Negative frequencies have the power of positive ones.
    peaks, around = (np.minimum(each, length - each) for each in (peaks, around))
    excess = power[..., peaks, :] - jnp.median(power[..., around, :], axis=-2)
    # Seven of eight equal peaks: the eighth, at frequency zero, is hidden by the mean.
    return BLOCK * excess.mean(-2)
