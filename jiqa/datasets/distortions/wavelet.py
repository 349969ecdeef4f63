"""The short wavelet of JPEG 2000."""

import jax
import jax.numpy as jnp


def split_bands(image: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """One level of the 5/3 wavelet of Le Gall and Tabatabai (ICASSP 1988), without rounding.

    Args:
        image: `[H, W, C]`, both sides even.

    Returns:
        The image at half its size, and its details along columns, rows and both, of that size too.

    >>> small, details = split_bands(jnp.ones((4, 6, 1)))
    >>> small.shape, float(abs(details[2]).max())
    ((2, 3, 1), 0.0)
    """
    low, high = _lift(image, 0)
    (small, columns), (rows, both) = _lift(low, 1), _lift(high, 1)
    return small, (columns, rows, both)


def merge_bands(small: jax.Array, details: tuple[jax.Array, ...]) -> jax.Array:
    """The inverse of `split_bands`.

    >>> image = jnp.arange(24.0).reshape(4, 6, 1) ** 2
    >>> bool(jnp.allclose(merge_bands(*split_bands(image)), image, atol=1e-3))
    True
    """
    columns, rows, both = details
    return _unlift(_unlift(small, columns, 1), _unlift(rows, both, 1), 0)


def _lift(image: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    even, odd = (jax.lax.slice_in_dim(image, i, None, 2, axis) for i in (0, 1))
    high = odd - (even + _neighbour(even, axis, 1)) / 2
    return even + (_neighbour(high, axis, -1) + high) / 4, high


def _unlift(low: jax.Array, high: jax.Array, axis: int) -> jax.Array:
    even = low - (_neighbour(high, axis, -1) + high) / 4
    odd = high + (even + _neighbour(even, axis, 1)) / 2
    shape = tuple(2 * side if i == axis else side for i, side in enumerate(low.shape))
    return jnp.stack([even, odd], axis + 1).reshape(shape)


def _neighbour(values: jax.Array, axis: int, step: int) -> jax.Array:
    """The next (1) or previous (-1) sample along an axis; the border stands for what is beyond."""
    length = values.shape[axis]
    widths = [(1, 1) if i == axis else (0, 0) for i in range(values.ndim)]
    return jax.lax.slice_in_dim(
        jnp.pad(values, widths, mode="edge"), 1 + step, 1 + step + length, axis=axis
    )
