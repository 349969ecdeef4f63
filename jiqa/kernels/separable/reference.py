"""The truth: a separable correlation and its adjoint as sums of shifted images."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

FEW_TAPS = 9  # a window this small is cheap as one fused sum: other forms leave it to this one


def correlation(
    images: jax.Array, *, rows: Sequence[float], columns: Sequence[float], stride: int
) -> jax.Array:
    """Valid correlation of `[N, H, W, C]`, every `stride`-th sample of it along H and W.

    Args:
        images: `[N, H, W, C]`, floating.
        rows: Window that runs along H.
        columns: Window that runs along W.
        stride: Whole number of pixels.

    Returns:
        `[N, H', W', C]` with `H' = ceil((H - len(rows) + 1) / stride)`, and W' likewise.
    """
    return _shifted_sum(_shifted_sum(images, rows, 1, stride), columns, 2, stride)


def adjoint(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    size: tuple[int, int],
) -> jax.Array:
    """The adjoint of `correlation`: every sample is spread over the window it was gathered from.

    Args:
        images: `[N, H', W', C]`, floating.
        rows: As in `correlation`.
        columns: As in `correlation`.
        stride: As in `correlation`.
        size: H and W of the images that `correlation` takes.

    Returns:
        `[N, H, W, C]`.
    """
    spread = _spread(images, len(rows), len(columns), stride, size)
    return _shifted_sum(_shifted_sum(spread, rows[::-1], 1, 1), columns[::-1], 2, 1)


def _shifted_sum(images: jax.Array, window: Sequence[float], axis: int, stride: int) -> jax.Array:
    reach = images.shape[axis] - len(window)
    shifted = (
        weight * lax.slice_in_dim(images, tap, tap + reach + 1, stride, axis)
        for tap, weight in enumerate(window)
    )
    return sum(shifted, start=jnp.zeros((), images.dtype))


def _spread(
    images: jax.Array, height: int, width: int, stride: int, size: tuple[int, int]
) -> jax.Array:
    """Samples put back `stride` pixels apart, with zeros between and around them."""

    def padding(count: int, taps: int, length: int) -> tuple[int, int, int]:
        used = (count - 1) * stride + taps
        return taps - 1, taps - 1 + length - used, stride - 1

    _, rows, columns, _ = images.shape
    config = (
        (0, 0, 0),
        padding(rows, height, size[0]),
        padding(columns, width, size[1]),
        (0, 0, 0),
    )
    return lax.pad(images, jnp.zeros((), images.dtype), config)
