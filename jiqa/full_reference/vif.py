"""Visual information fidelity, in the wavelet domain and in the pixel domain.

Sheikh and Bovik, "Image information and visual quality", IEEE Transactions on Image Processing
15(2), 2006, in the conventions of the authors' `vifvec.m` (steerable pyramid sp5 of four levels,
two of its six orientations, blocks of 3 x 3) and `vifp_mscale.m` (four scales of Gaussian
windows). The reference's coefficients u are modelled as `s * Gaussian(0, C)` and those of the
distorted image as `g u + v`; both are seen through noise. VIF is the information about the
reference that is left, over what the reference itself gives to see.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide
from jiqa.core.color import apply_luma
from jiqa.core.filters import check_least_side, correlate_separable, gaussian_window, uniform_window
from jiqa.core.registry import image_function, metric
from jiqa.core.scale_mixtures import (
    as_maps,
    covariance,
    gaussian_scale_mixture,
    neighbourhoods,
)
from jiqa.core.steerable import steerable_pyramid

PAPER = 'Sheikh and Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006'

LEVELS = 4
ORIENTATIONS = (0, 3)
BLOCK = 3
LEAST_SIDE = 9 * 2 ** (LEVELS - 1)  # pixels that leave a block at the coarsest level
NOISE_VARIANCE = 0.4  # of the model of vision, for images of 0 to 255
FLAT = 1e-15  # variance below which the authors call a block flat

PIXEL_NOISE_VARIANCE = 2.0
PIXEL_FLAT = 1e-10


class Information(NamedTuple):
    """Bits at each place of a band or scale, each `[..., H', W', C]`."""

    left: jax.Array
    there: jax.Array


class Channel(NamedTuple):
    """The distortion of each block: gain g and the variance of the noise v."""

    gain: jax.Array
    noise: jax.Array


class Band(NamedTuple):
    """A band of the pyramid: its level, and of each block the reference's variances and channel.

    The variances are those along the nine principal axes of a block, `[9, ..., H', W', C]`.
    """

    level: int
    variance: jax.Array
    channel: Channel

    @property
    def block_size(self) -> int:
        """Side of a block in pixels of the image."""
        return BLOCK * 2**self.level

    @property
    def first(self) -> int:
        """Row and column of the image's pixel at which the first block begins."""
        return _skipped_blocks(self.level) * self.block_size


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, float("inf")),
    identical=1,
    paper=PAPER,
    protocols={"vif_y": {"luma": "matlab"}},
)
def vif(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Visual information fidelity of steerable pyramid coefficients.

    The order of the images matters: information is counted about the reference.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Weights `[..., H, W]` of the information of either image, averaged over what each
            block of coefficients covers, or None.

    Returns:
        `[...]` from 0; 1 for equal images, and for a reference that carries no information; above
        1 where contrast is enhanced.

    Raises:
        ValueError: The shorter side is below 72 pixels.

    >>> image = jnp.linspace(0, 1, 80 * 72).reshape(80, 72, 1) ** 2
    >>> print(vif(image, image).round(6))
    1.0
    """
    check_least_side("vif", reference.shape, LEAST_SIDE)
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    left = there = jnp.zeros((), x.dtype)
    for band, bits in _band_information(x * (255 / data_range), y * (255 / data_range)):
        size = bits.left.shape[-3:-1]
        fitted = pooling.block_weights(weights, band.block_size, *size, first=band.first)
        left += pooling.total(bits.left, fitted)
        there += pooling.total(bits.there, fitted)
    return safe_divide(left, there, fill=1.0).mean(-1)


@image_function
def vif_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
) -> jax.Array:
    """The share of the information at each pixel that is left, over all levels; see `vif`.

    Each block of coefficients spreads its bits evenly over the pixels that it covers.

    Returns:
        `[..., H, W]`, averaged over channels; 1 where the reference gives no information, as in
        the outermost 9 pixels, where no window fits.

    >>> vif_map(jnp.zeros((80, 72, 3)), jnp.ones((80, 72, 3))).shape
    (80, 72)
    """
    check_least_side("vif", reference.shape, LEAST_SIDE)
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    left = there = jnp.zeros((), x.dtype)
    for band, bits in _band_information(x * (255 / data_range), y * (255 / data_range)):
        left += spread_bits(bits.left, band.block_size, x.shape, band.first)
        there += spread_bits(bits.there, band.block_size, x.shape, band.first)
    return safe_divide(left, there, fill=1.0).mean(-1)


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, float("inf")),
    identical=1,
    paper=PAPER,
    protocols={"vif_p_y": {"luma": "matlab"}},
)
def vif_p(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Visual information fidelity of pixels at several scales; fast.

    The order of the images matters: information is counted about the reference.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Weights `[..., H, W]` of the information of either image, averaged over what each
            sample of a scale covers, or None.

    Returns:
        `[...]` from 0; 1 for equal images, and for a reference that carries no information; above
        1 where contrast is enhanced.

    Raises:
        ValueError: The images are smaller than a window at some scale; 41 pixels a side suffice.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> print(vif_p(image, image).round(6))
    1.0
    """
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    left = there = jnp.zeros((), x.dtype)
    for scale, bits in enumerate(_scale_information(x, y, data_range)):
        size = bits.left.shape[-3:-1]
        fitted = pooling.block_weights(weights, 2**scale, *size, first=_first_pixel(scale))
        left += pooling.total(bits.left, fitted)
        there += pooling.total(bits.there, fitted)
    return safe_divide(left, there, fill=1.0).mean(-1)


@image_function
def vif_p_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
) -> jax.Array:
    """The share of the information at each pixel that is left, over all scales; see `vif_p`.

    Returns:
        `[..., H, W]`, averaged over channels; 1 where the reference gives no information, as in
        the outermost 8 pixels, where no window fits.

    >>> vif_p_map(jnp.zeros((50, 60, 3)), jnp.ones((50, 60, 3))).shape
    (50, 60)
    """
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    left = there = jnp.zeros((), x.dtype)
    for scale, bits in enumerate(_scale_information(x, y, data_range)):
        left += spread_bits(bits.left, 2**scale, x.shape, _first_pixel(scale))
        there += spread_bits(bits.there, 2**scale, x.shape, _first_pixel(scale))
    return safe_divide(left, there, fill=1.0).mean(-1)


def spread_bits(bits: jax.Array, size: int, shape: tuple[int, ...], first: int) -> jax.Array:
    """Bits for each pixel of images of a shape, of bits for each of their blocks.

    >>> spread_bits(jnp.full((1, 1, 1), 8.0), 2, (4, 4, 1), first=2)[..., 0].tolist()[2]
    [0.0, 0.0, 2.0, 2.0]
    """
    return pooling.spread_blocks(bits / size**2, size, shape[-3], shape[-2], first=first)


def _band_information(x: jax.Array, y: jax.Array) -> Iterator[tuple[Band, Information]]:
    """The information of the blocks of each band, of images of 0 to 255."""
    for band in model_bands(x, y):
        left, there = _information(band.variance, band.channel, NOISE_VARIANCE)
        yield band, Information(left.sum(0), there.sum(0))


def _scale_information(x: jax.Array, y: jax.Array, data_range: float) -> Iterator[Information]:
    """The information of the samples of each scale, the finest first."""
    x, y = (image * (255 / data_range) - 127.5 for image in (x, y))  # moments round less
    for scale in range(LEVELS):
        size = 2 ** (LEVELS - scale) + 1
        window = gaussian_window(size, size / 5)
        if scale > 0:
            x, y = (correlate_separable(image, window, stride=2) for image in (x, y))
        average = functools.partial(correlate_separable, rows=window)
        variance, channel = estimate_channel(x, y, average, PIXEL_FLAT)
        yield _information(variance, channel, PIXEL_NOISE_VARIANCE)


def _first_pixel(scale: int) -> int:
    """Where what the first sample of a scale covers begins: its centre is at 8, 12, 16 or 20."""
    return 8 + 4 * scale - 2**scale // 2


def model_bands(x: jax.Array, y: jax.Array) -> list[Band]:
    """The reference's model and the distortion in two orientations on each of four levels.

    Args:
        x: Reference `[..., H, W, C]` of 0 to 255, at least 72 pixels a side.
        y: The distorted image.

    Returns:
        The bands, the finest level first.

    >>> band = model_bands(jnp.zeros((72, 80, 1)), jnp.zeros((72, 80, 1)))[0]
    >>> band.variance.shape, band.channel.gain.shape
    ((9, 18, 20, 1), (18, 20, 1))
    """
    bands_x, bands_y = (
        steerable_pyramid(image, LEVELS, orientations=ORIENTATIONS).bands for image in (x, y)
    )
    return [
        _model_band(level, *pair)
        for level in range(LEVELS)
        for pair in zip(bands_x[level], bands_y[level], strict=True)
    ]


def _model_band(level: int, x: jax.Array, y: jax.Array) -> Band:
    """The models of the blocks whose window is inside the band."""
    rows, columns = x.shape[-3] // BLOCK, x.shape[-2] // BLOCK
    size, skipped = _window_size(level), _skipped_blocks(level)
    first = skipped * BLOCK + BLOCK // 2 - size // 2

    def average(z: jax.Array) -> jax.Array:
        inside = z[..., first : rows * BLOCK - first, first : columns * BLOCK - first, :]
        means = correlate_separable(inside, uniform_window(size), stride=BLOCK)
        return means[..., : rows - 2 * skipped, : columns - 2 * skipped, :]

    _, channel = estimate_channel(x, y, average, FLAT / size**2)
    views = neighbourhoods(x[..., : rows * BLOCK, : columns * BLOCK, :], BLOCK)
    squares, eigenvalues = gaussian_scale_mixture(
        [view[..., ::BLOCK, ::BLOCK] for view in views], covariance(views)
    )
    inside = slice(skipped, -skipped)
    spread = jnp.moveaxis(eigenvalues, -1, 0)[..., None, None, :]
    return Band(level, as_maps(squares)[..., inside, inside, :] * spread, channel)


def _window_size(level: int) -> int:
    """Side of the window of moments, in coefficients of a level."""
    return 2 ** (LEVELS - level) + 1


def _skipped_blocks(level: int) -> int:
    """How many blocks at each border are left out, so that the windows of the others fit."""
    return math.ceil(_window_size(level) // 2 / BLOCK)


def estimate_channel(
    x: jax.Array, y: jax.Array, average: Callable[[jax.Array], jax.Array], flat: float
) -> tuple[jax.Array, Channel]:
    """The reference's variance under a window, and the channel that best explains y from x.

    Args:
        x: Reference `[..., H, W, C]`.
        y: The distorted image.
        average: The mean under the window around each place.
        flat: Variance below which an image is flat, so that nothing of the reference is left.

    Returns:
        The variance, and the channel, whose noise is at least `flat`, in the averages' shape.

    >>> x = jnp.array([1.0, -1.0]).reshape(1, 2, 1)
    >>> mean = functools.partial(jnp.mean, axis=(-3, -2), keepdims=True)
    >>> variance, channel = estimate_channel(x, x / 2, mean, 1e-10)
    >>> print(variance.round(6).item(), channel.gain.round(6).item())
    1.0 0.5
    """
    mean_x, mean_y = average(x), average(y)
    covariance = average(x * y) - mean_x * mean_y
    variance_x = jnp.maximum(average(x * x) - mean_x**2, 0)
    variance_y = jnp.maximum(average(y * y) - mean_y**2, 0)
    nothing_left = (variance_x < flat) | (variance_y < flat) | (covariance < 0)
    gain = jnp.where(nothing_left, 0, covariance / (variance_x + flat))
    noise = jnp.maximum(variance_y - gain * covariance, flat)
    return jnp.where(variance_x < flat, 0, variance_x), Channel(gain, noise)


def _information(variance: jax.Array, channel: Channel, noise_variance: float) -> Information:
    """Bits of the reference that are left in the distorted image, and that it has to give."""
    left = jnp.log2(1 + channel.gain**2 * variance / (channel.noise + noise_variance))
    return Information(left, jnp.log2(1 + variance / noise_variance))
