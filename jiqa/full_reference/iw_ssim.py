"""Information content weighted structural similarity.

Wang and Li, "Information content weighting for perceptual image quality assessment", IEEE
Transactions on Image Processing 20(5), 2011, in the convention of the authors' `iwssim.m`. Scales
are the bands of a Laplacian pyramid; each contrast-structure map is pooled with the information
that a Gaussian scale mixture model of the reference says both images carry at that place.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_power
from jiqa.core.color import apply_luma
from jiqa.core.filters import gaussian_window, imresize
from jiqa.core.pyramids import laplacian_pyramid
from jiqa.core.registry import metric
from jiqa.core.scale_mixtures import (
    as_maps,
    as_planes,
    gaussian_scale_mixture,
    neighbourhoods,
    second_moments,
)
from jiqa.core.statistics import window_moments
from jiqa.full_reference.ms_ssim import SCALE_WEIGHTS, check_scales
from jiqa.full_reference.ssim import make_similarity
from jiqa.kernels.ssim_statistics import comparison_map

PAPER = 'Wang and Li, "Information content weighting for perceptual image quality assessment", '
PAPER += "IEEE TIP 20(5), 2011"

NEIGHBOURHOOD = 3  # side of the blocks that the mixture model describes
NOISE_VARIANCE = 0.4  # of the model of vision, for images of 0 to 255
FLAT = 1e-15  # variance below which the authors call a block flat


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    protocols={"iw_ssim_y": {"luma": "matlab"}},
)
def iw_ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    scale_weights: Sequence[float] = SCALE_WEIGHTS,
    window_size: int = 11,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Structural similarity over several scales, pooled by local information content.

    As the authors do, `scale_weights` are divided by their sum (in MS-SSIM they are not). A
    negative mean counts as 0, with zero gradient. There is no map: scales are multiplied after
    pooling.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        scale_weights: Exponents from the finest scale to the coarsest.
        window_size: Taps of the Gaussian window along each side.
        sigma: Its standard deviation in pixels.
        k1: First constant of SSIM.
        k2: Second constant of SSIM.
        weights: Further pooling weights `[..., H, W]`, multiplied with the information, or None.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    Raises:
        ValueError: The shorter side is below `window_size * 2 ** (scales - 1)` pixels, 176 by
            default.

    >>> image = jnp.linspace(0, 1, 176 * 176).reshape(176, 176, 1)
    >>> print(iw_ssim(image, image).round(6))
    1.0
    """
    scales = len(scale_weights)
    check_scales("iw_ssim", reference.shape, scales, window_size)
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    bands_x = laplacian_pyramid(reference * (255 / data_range), scales)
    bands_y = laplacian_pyramid(distorted * (255 / data_range), scales)
    comparison = make_similarity(gaussian_window(window_size, sigma), k1, k2, 255.0)
    score = jnp.ones((), reference.dtype)
    for scale, (x, y) in enumerate(zip(bands_x, bands_y, strict=True)):
        coarsest = scale == scales - 1
        quality = comparison_map(x, y, comparison, luminance=coarsest)
        information = jnp.ones_like(quality)
        if not coarsest:
            # The authors give the coarsest band with information no parent.
            parent = bands_x[scale + 1] if scale < scales - 2 else None
            border = (window_size - NEIGHBOURHOOD) // 2
            information = information_content(x, y, parent)
            information = information[..., border:-border, border:-border, :]
        if weights is not None:
            fitted = pooling.fit_weights(weights, 1, *quality.shape[-3:-1])
            information = information * fitted[..., None]
            weights = pooling.halve_weights(weights)
        score = score * safe_power(
            _pool(quality, information), scale_weights[scale] / sum(scale_weights)
        )
    return score.mean(-1)


def information_content(x: jax.Array, y: jax.Array, parent: jax.Array | None) -> jax.Array:
    """Bits that the reference and the distorted band share with what is seen (equation 20).

    Blocks u of the reference are modelled as `s * Gaussian(0, C)` and of the distorted image as
    `g u + v`; both are seen through noise.

    Args:
        x: Band of the reference `[..., H, W, C]`, of images of 0 to 255.
        y: Band of the distorted image.
        parent: The next coarser band of the reference, a part of the model, or None.

    Returns:
        `[..., H - 2, W - 2, C]`.

    >>> information_content(jnp.zeros((8, 8, 1)), jnp.zeros((8, 8, 1)), None).shape
    (6, 6, 1)
    """
    gain, noise = (as_planes(image) for image in _channel(x, y))
    views = neighbourhoods(x, NEIGHBOURHOOD)
    if parent is not None:
        height, width = views[0].shape[-2:]
        views.append(as_planes(_enlarge(parent)[..., 1 : height + 1, 1 : width + 1, :]))
    squares, eigenvalues = gaussian_scale_mixture(views, second_moments(views))
    eigenvalues = eigenvalues[..., None, None]
    signal = (noise + (1 + gain**2) * NOISE_VARIANCE) * squares
    bits = sum(
        jnp.log2(
            1 + (signal * eigenvalues[..., i, :, :] + NOISE_VARIANCE * noise) / NOISE_VARIANCE**2
        )
        for i in range(len(views))
    )
    return as_maps(jnp.where(bits < FLAT, 0, bits))


def _channel(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Gain g and variance of the additive noise v that best explain y from x, block by block."""
    moments = window_moments(x, y, NEIGHBOURHOOD)
    variance_x, variance_y, covariance = (m / moments.number for m in moments[3:])
    flat = (variance_x < FLAT) | (variance_y < FLAT)
    gain = jnp.where(flat, 0, covariance / jnp.where(flat, 1, variance_x + FLAT))
    noise = variance_y - gain * covariance
    return gain, jnp.where(variance_y < FLAT, 0, jnp.maximum(noise, 0))


def _enlarge(band: jax.Array) -> jax.Array:
    """Doubles a band as the authors' `imenlarge2`: fourfold bilinear, extended, every second."""
    height, width = band.shape[-3:-1]
    fine = imresize(band, (4 * height - 3, 4 * width - 3), "bilinear")
    for axis in (fine.ndim - 3, fine.ndim - 2):
        first, second = (jax.lax.slice_in_dim(fine, i, i + 1, axis=axis) for i in (0, 1))
        length = fine.shape[axis]
        before_last, last = (
            jax.lax.slice_in_dim(fine, i, i + 1, axis=axis) for i in (length - 2, length - 1)
        )
        fine = jnp.concatenate([2 * first - second, fine, 2 * last - before_last], axis=axis)
    return fine[..., ::2, ::2, :]


def _pool(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean with weights of their own for each channel; equal weights where all are 0."""
    weights = jax.lax.optimization_barrier(weights)  # computed once, for both sums
    total = pooling.total(weights)
    weighted = safe_divide(pooling.total(values * weights), total)
    return jnp.where(total > 0, weighted, pooling.mean(values))
