"""The form for CPUs with a compiler: rows in registers and cache, in C++."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.kernels import native
from jiqa.kernels.separable.reference import FEW_TAPS


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    **_: Any,
) -> bool:
    """Whether the kernels are there, take images like these, and pay for such a window."""
    many = len(rows) * len(columns) > FEW_TAPS
    return many and jnp.dtype(operands[0].dtype) == jnp.float32 and native.available()


def correlation(
    images: jax.Array, *, rows: Sequence[float], columns: Sequence[float], stride: int
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.correlation`."""
    count, height, width, channels = images.shape
    down, across = ((height - len(rows)) // stride + 1, (width - len(columns)) // stride + 1)
    shape = (count, down, across, channels)
    return _filter(images, shape, rows, columns, step=stride, spread=1, top=0, left=0)


def adjoint(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    size: tuple[int, int],
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.adjoint`."""
    shape = (images.shape[0], *size, images.shape[3])
    margins = {"top": len(rows) - 1, "left": len(columns) - 1}
    return _filter(images, shape, rows[::-1], columns[::-1], step=1, spread=stride, **margins)


def _filter(
    images: jax.Array,
    shape: tuple[int, ...],
    rows: Sequence[float],
    columns: Sequence[float],
    **places: int,
) -> jax.Array:
    call = jax.ffi.ffi_call("jiqa_filter", jax.ShapeDtypeStruct(shape, jnp.float32))
    windows = {"down": np.asarray(rows, np.float32), "across": np.asarray(columns, np.float32)}
    return call(images, **windows, **{name: np.int64(place) for name, place in places.items()})
