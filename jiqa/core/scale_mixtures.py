"""Gaussian scale mixtures: neighbouring coefficients as `s * Gaussian(0, C)`, s for each place.

Wainwright and Simoncelli, "Scale mixtures of Gaussians and the statistics of natural images", NIPS
1999, as VIF, IFC, IW-SSIM, RRED and RR-SSIM use it. The n components of all vectors are a list of n
arrays `[..., C, h, w]`: channels lie ahead of rows and columns, so that products run along memory.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

FLAT = 1e-15  # variance below which coefficients count as constant


def as_planes(images: jax.Array) -> jax.Array:
    """Images `[..., H, W, C]` as `[..., C, H, W]`.

    >>> as_planes(jnp.zeros((4, 5, 3))).shape
    (3, 4, 5)
    """
    # Moved once, behind a barrier, and not again by each of the views.
    return jax.lax.optimization_barrier(jnp.moveaxis(images, -1, -3))


def as_maps(planes: jax.Array) -> jax.Array:
    """The inverse of `as_planes`.

    >>> as_maps(jnp.zeros((3, 4, 5))).shape
    (4, 5, 3)
    """
    return jax.lax.optimization_barrier(jnp.moveaxis(planes, -3, -1))


def neighbourhoods(band: jax.Array, size: int) -> list[jax.Array]:
    """A band `[..., H, W, C]` seen from each place of a `size` x `size` block.

    Returns:
        `size**2` arrays `[..., C, H - size + 1, W - size + 1]`.

    >>> [view.shape for view in neighbourhoods(jnp.zeros((5, 6, 1)), 2)][0]
    (1, 4, 5)
    """
    planes = as_planes(band)
    height, width = planes.shape[-2] - size + 1, planes.shape[-1] - size + 1
    return [
        planes[..., row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]


def second_moments(views: Sequence[jax.Array]) -> jax.Array:
    """Means of the products of the components, `[..., n, n]` of n arrays `[..., h, w]`.

    >>> second_moments([jnp.array([[1.0, 3.0]])]).tolist()
    [[5.0]]
    """
    vectors = _as_vectors(views)
    products = jnp.matmul(vectors, jnp.swapaxes(vectors, -1, -2), precision="highest")
    return products / vectors.shape[-1]


def covariance(views: Sequence[jax.Array]) -> jax.Array:
    """The second moments of the components less their means.

    >>> covariance([jnp.array([[1.0, 3.0]])]).tolist()
    [[1.0]]
    """
    return second_moments([view - jnp.mean(view, axis=(-2, -1), keepdims=True) for view in views])


def invertible(covariance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A covariance of coefficients of images of 0 to 255, made safe to invert.

    A ridge in the size of rounding errors keeps eigenvalues positive, where the authors of such
    models set negative ones to zero.

    Args:
        covariance: `[..., n, n]`.

    Returns:
        The covariance with its ridge, or the identity where nothing but rounding errors was left of
        a flat image; and whether that is so, `[...]`.

    >>> covariance, flat = invertible(jnp.zeros((2, 2)))
    >>> covariance.tolist(), bool(flat)
    ([[1.0, 0.0], [0.0, 1.0]], True)
    """
    size = covariance.shape[-1]
    mean_variance = jnp.trace(covariance, axis1=-2, axis2=-1) / size
    tiny = 10 * float(jnp.finfo(covariance.dtype).eps)
    flat = mean_variance <= (255 * tiny) ** 2
    identity = jnp.eye(size, dtype=covariance.dtype)
    ridged = covariance + (tiny * mean_variance)[..., None, None] * identity
    return jnp.where(flat[..., None, None], identity, ridged), flat


def multiplier(views: Sequence[jax.Array], covariance: jax.Array) -> jax.Array:
    """The likeliest squared s of each vector v, `v' inv(C) v / n`.

    Args:
        views: n arrays `[..., h, w]`.
        covariance: C, invertible, `[..., n, n]`.

    Returns:
        `[..., h, w]`.

    >>> multiplier([jnp.array([[2.0]]), jnp.array([[0.0]])], jnp.eye(2)).tolist()
    [[2.0]]
    """
    vectors = _as_vectors(views)
    whitened = jnp.matmul(jnp.linalg.inv(covariance), vectors, precision="highest")
    squares = jnp.sum(vectors * whitened, axis=-2) / len(views)
    return squares.reshape(views[0].shape)


def _as_vectors(views: Sequence[jax.Array]) -> jax.Array:
    """The components side by side, `[..., n, h * w]`, so that products run along memory."""
    return jnp.stack([view.reshape(*view.shape[:-2], -1) for view in views], axis=-2)


def gaussian_scale_mixture(
    views: Sequence[jax.Array], covariance: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The likeliest squared s of each vector, and the eigenvalues of C.

    A ridge in the size of rounding errors makes C invertible on flat images, where the authors'
    inverse is not a number; it also stands for their repair of negative eigenvalues.

    Args:
        views: The components, n arrays `[..., h, w]`.
        covariance: C, `[..., n, n]`.

    Returns:
        Squared s, `[..., h, w]`, and the eigenvalues in rising order, `[..., n]`.

    >>> squared, eigenvalues = gaussian_scale_mixture([jnp.ones((1, 1))] * 4, jnp.eye(4))
    >>> print(squared.round(6), eigenvalues.round(6))
    [[1.]] [1. 1. 1. 1.]
    """
    mean_variance = jnp.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / len(views)
    tiny = 10 * float(jnp.finfo(covariance.dtype).eps)
    ridge = jnp.where(mean_variance > FLAT, tiny * mean_variance, 1.0)
    covariance = covariance + ridge * jnp.eye(len(views), dtype=covariance.dtype)
    return multiplier(views, covariance), jnp.linalg.eigvalsh(covariance)
