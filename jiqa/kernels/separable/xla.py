"""The form for CPUs without a compiler: strips of rows, a banded matrix product, then shifts."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jiqa.kernels.separable.reference import FEW_TAPS
from jiqa.kernels.strips import Strips, band, fold, padded_columns, shifted_sum


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],  # noqa: ARG001
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    **_: Any,
) -> bool:
    """Whether the form pays: for windows of more than a few taps."""
    return len(rows) * len(columns) > FEW_TAPS


def correlation(
    images: jax.Array, *, rows: Sequence[float], columns: Sequence[float], stride: int
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.correlation`."""
    count, height, width, channels = images.shape
    strips = Strips.cut(count, height, len(rows), stride=stride)
    down = band(rows, strips.rows, stride, images.dtype)
    across = (width - len(columns)) // stride + 1
    folded = fold(images)

    def write(index: jax.Array, result: jax.Array) -> jax.Array:
        strip = jnp.dot(down, strips.take_inputs(folded, index), precision="highest")
        strip = shifted_sum(strip, columns, channels)
        if stride > 1:
            strip = strip.reshape(strips.rows, -1, channels)[:, ::stride]
            strip = strip.reshape(strips.rows, across * channels)
        return strips.put_outputs(result, strip, index)

    empty = jnp.zeros((count, strips.outputs, across * channels), images.dtype)
    result = lax.fori_loop(0, strips.number, write, empty)
    return result.reshape(count, strips.outputs, across, channels)


def adjoint(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    size: tuple[int, int],
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.adjoint`."""
    count, _, across, channels = images.shape
    height, width = size
    strips = Strips.cut(count, height, len(rows), stride=stride)
    up = band(rows, strips.rows, stride, images.dtype).T
    margin = (len(columns) - 1) * channels
    unused = (width - (across - 1) * stride - len(columns)) * channels
    folded = fold(images)

    def add(index: jax.Array, result: jax.Array) -> jax.Array:
        strip = strips.keep_new(strips.take_outputs(folded, index), index)
        strip = jnp.dot(up, strip, precision="highest")
        if stride > 1:
            apart = strip.reshape(-1, across, channels)
            gaps = (0, 0, 0), (0, 0, stride - 1), (0, 0, 0)
            apart = lax.pad(apart, jnp.zeros((), strip.dtype), gaps)
            strip = apart.reshape(apart.shape[0], -1)
        strip = shifted_sum(padded_columns(strip, margin), columns[::-1], channels)
        return strips.add_inputs(result, jnp.pad(strip, ((0, 0), (0, unused))), index)

    empty = jnp.zeros((count, height, width * channels), images.dtype)
    result = lax.fori_loop(0, strips.number, add, empty)
    return result.reshape(count, height, width, channels)
