"""The truth: gradients as shifted sums over whole images, differentiated by hand.

Images are `[..., H, W, C]` of float32 or float64. Where gradients have lengths m and n, the
similarity `(2 m n + c) / (m^2 + n^2 + c)` is 1 - d with `d = (m - n)^2 / (m^2 + n^2 + c)`, whose
m - n is found from the gradient of the images' difference, exactly zero for equal images.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jiqa.kernels.separable import reference as separable

CENTRAL_DIFFERENCE = (-1.0, 0.0, 1.0)


@dataclass(frozen=True)
class GradientSimilarity:
    """What is computed at every pixel; static.

    Attributes:
        smoothing: Three weights across the central difference (-1, 0, 1), symmetric.
        constant: The constant c, in squared units of the images; positive.
    """

    smoothing: tuple[float, float, float]
    constant: float


class Gradients(NamedTuple):
    """Of one image, zero outside of it: derivatives along W and along H, and their length."""

    across: jax.Array
    down: jax.Array
    length: jax.Array


class Comparison(NamedTuple):
    """Of two images: their gradients, d and the denominator of d."""

    x: Gradients
    y: Gradients
    d: jax.Array
    total: jax.Array


def dissimilarity(
    reference: jax.Array, distorted: jax.Array, similarity: GradientSimilarity
) -> jax.Array:
    """The map d, `[..., H, W, C]`."""
    return _compare(reference, distorted, similarity).d


def moments(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: GradientSimilarity,
) -> tuple[jax.Array, jax.Array]:
    """Weighted mean of d and its variance over all pixels.

    Args:
        reference: `[..., H, W, C]`.
        distorted: The same shape and dtype.
        weights: The same shape, with a positive sum over H and W, or None for ones.
        similarity: Operator and constant.

    Returns:
        Two arrays `[..., C]`.
    """
    d = dissimilarity(reference, distorted, similarity)
    shares = _shares(d, weights)
    mean = jnp.sum(shares * d, (-3, -2), keepdims=True)
    return mean[..., 0, 0, :], jnp.sum(shares * (d - mean) ** 2, (-3, -2))


def gradient(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: GradientSimilarity,
    variance: bool,
    wrt: tuple[bool, bool],
) -> tuple[jax.Array, ...]:
    """One of the `moments` with its gradient.

    Args:
        reference: As in `moments`.
        distorted: As in `moments`.
        weights: As in `moments`.
        similarity: As in `moments`.
        variance: Whether it is the variance, or the mean.
        wrt: Whether the gradient with respect to the reference and to the distorted image is
            asked for.

    Returns:
        The moment `[..., C]`, then each gradient asked for, `[..., H, W, C]`.
    """
    x, y, d, total = _compare(reference, distorted, similarity)
    shares = _shares(d, weights)
    mean = jnp.sum(shares * d, (-3, -2), keepdims=True)
    value = jnp.sum(shares * (d - mean) ** 2, (-3, -2)) if variance else mean[..., 0, 0, :]
    slopes = 2 * (d - mean) * shares if variance else shares
    results = []
    for (own, other), asked in zip(((x, y), (y, x)), wrt, strict=True):
        if asked:
            factor = 2 * slopes * (1 - _ratio(other.length, own.length) - d) / total
            results.append(_spread(factor * own.across, factor * own.down, similarity))
    return value, *results


def _compare(
    reference: jax.Array, distorted: jax.Array, similarity: GradientSimilarity
) -> Comparison:
    x, y, apart = (
        _gradients(image, similarity) for image in (reference, distorted, reference - distorted)
    )
    squares_apart = apart.across * (x.across + y.across) + apart.down * (x.down + y.down)
    lengths_apart = _ratio(squares_apart, x.length + y.length)
    total = x.length**2 + y.length**2 + similarity.constant
    return Comparison(x, y, lengths_apart**2 / total, total)


def _gradients(images: jax.Array, similarity: GradientSimilarity) -> Gradients:
    *batch, height, width, channels = images.shape
    padded = jnp.pad(images, [*[(0, 0)] * len(batch), (1, 1), (1, 1), (0, 0)])
    padded = padded.reshape(-1, height + 2, width + 2, channels)
    across, down = (
        separable.correlation(padded, rows=rows, columns=columns, stride=1).reshape(images.shape)
        for rows, columns in _windows(similarity)
    )
    energy = across**2 + down**2
    positive = energy > 0
    return Gradients(across, down, jnp.where(positive, jnp.sqrt(jnp.where(positive, energy, 1)), 0))


def _spread(across: jax.Array, down: jax.Array, similarity: GradientSimilarity) -> jax.Array:
    """The adjoint of the derivatives."""
    *_, height, width, channels = across.shape
    by_across, by_down = (
        separable.adjoint(
            slopes.reshape(-1, height, width, channels),
            rows=rows,
            columns=columns,
            stride=1,
            size=(height + 2, width + 2),
        )
        for slopes, (rows, columns) in zip((across, down), _windows(similarity), strict=True)
    )
    return (by_across + by_down)[:, 1:-1, 1:-1].reshape(across.shape)


def _windows(similarity: GradientSimilarity) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Rows and columns of the operator along W, then of that along H."""
    smoothing, difference = similarity.smoothing, CENTRAL_DIFFERENCE
    return (smoothing, difference), (difference, smoothing)


def _ratio(numerator: jax.Array, length: jax.Array) -> jax.Array:
    """Zero where the length is."""
    return jnp.where(length > 0, numerator / jnp.where(length > 0, length, 1), 0)


def _shares(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Every pixel's share in the mean."""
    if weights is None:
        return jnp.full((), 1 / (values.shape[-3] * values.shape[-2]), values.dtype)
    return weights / jnp.sum(weights, (-3, -2), keepdims=True)
