"""The truth: windowed moments as shifted sums over whole images, differentiated by hand.

Every form defines these three functions. Images are `[N, H, W, C]` of float16, bfloat16, float32,
float64 or unsigned integers; results have the dtype in which they are computed, float64 for float64
and float32 for all else. With h taps, `H' = H - h + 1` and `W' = W - h + 1`.
"""

import jax
import jax.numpy as jnp

from jiqa.kernels.precision import compute_dtype
from jiqa.kernels.separable import reference as separable
from jiqa.kernels.ssim_statistics.similarity import (
    Moments,
    Similarity,
    chain,
    compare,
    differentiate,
    powers,
)


def sums(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
) -> tuple[jax.Array, jax.Array]:
    """SSIM and its contrast-structure factor, each weighted and summed over all positions.

    Args:
        reference: `[N, H, W, C]`.
        distorted: The same shape and dtype.
        weights: `[N, H', W', C]` in the computing dtype, or None for ones.
        similarity: Window and constants.

    Returns:
        Two arrays `[N, C]`: the sum of SSIM, the sum of contrast-structure.
    """
    x, y = (image.astype(compute_dtype(image.dtype)) for image in (reference, distorted))
    luminance, contrast_structure = compare(_moments(x, y, similarity), similarity)
    maps = luminance * contrast_structure, contrast_structure
    if weights is not None:
        maps = weights * maps[0], weights * maps[1]
    return jnp.sum(maps[0], (1, 2)), jnp.sum(maps[1], (1, 2))


def comparison_map(
    reference: jax.Array, distorted: jax.Array, *, similarity: Similarity, luminance: bool
) -> jax.Array:
    """The map of SSIM, or of contrast-structure where `luminance` is False: `[N, H', W', C]`."""
    x, y = (image.astype(compute_dtype(image.dtype)) for image in (reference, distorted))
    ratio, contrast_structure = compare(_moments(x, y, similarity), similarity)
    return ratio * contrast_structure if luminance else contrast_structure


def gradient(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    luminance: bool,
    wrt: tuple[bool, bool],
) -> tuple[jax.Array, ...]:
    """A weighted sum as in `sums` and its gradient, in one pass.

    Args:
        reference: `[N, H, W, C]`.
        distorted: The same shape and dtype.
        weights: `[N, H', W', C]` in the computing dtype, or None for ones.
        similarity: Window and constants.
        luminance: Whether SSIM is summed, or contrast-structure alone.
        wrt: Whether the gradient with respect to the reference and to the distorted image is
            asked for.

    Returns:
        The sum `[N, C]`, then each gradient asked for, `[N, H, W, C]` in the computing dtype.
    """
    x, y = (image.astype(compute_dtype(image.dtype)) for image in (reference, distorted))
    values, slopes = differentiate(_moments(x, y, similarity), similarity, luminance)
    if weights is not None:
        values = weights * values
        slopes = Moments(*(weights * slope for slope in slopes))
    total = jnp.sum(values, (1, 2))
    _, height, width, _ = x.shape
    spread = Moments(*(_adjoint(slope, similarity, (height, width)) for slope in slopes))
    gradients = (
        chain(x, y, spread.x, spread.difference, spread.product),
        chain(y, x, spread.y, spread.difference, spread.product),
    )
    return total, *(each for each, asked in zip(gradients, wrt, strict=True) if asked)


def _moments(x: jax.Array, y: jax.Array, similarity: Similarity) -> Moments:
    window = similarity.window
    return Moments(
        *(
            separable.correlation(each, rows=window, columns=window, stride=1)
            for each in powers(x, y)
        )
    )


def _adjoint(slope: jax.Array, similarity: Similarity, size: tuple[int, int]) -> jax.Array:
    window = similarity.window
    return separable.adjoint(slope, rows=window, columns=window, stride=1, size=size)
