"""The form for TPUs, in Pallas: both passes over a tile in vector memory."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from jiqa.kernels.separable.reference import FEW_TAPS
from jiqa.kernels.tiles import (
    MOST_TAPS,
    Tiling,
    from_planes,
    make_tiling,
    slide_across,
    slide_down,
    to_planes,
)


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    **_: Any,
) -> bool:
    """Whether the form pays and fits: float32, larger windows, every sample wanted."""
    fits = len(rows) * len(columns) > FEW_TAPS and max(len(rows), len(columns)) <= MOST_TAPS
    return fits and stride == 1 and operands[0].dtype == jnp.float32


def correlation(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,  # noqa: ARG001
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.correlation`, for a stride of 1."""
    _, height, width, channels = images.shape
    results = height - len(rows) + 1, width - len(columns) + 1
    tiling = make_tiling(results, len(rows))

    def compute(values: jax.Array) -> jax.Array:
        down = slide_down(values, rows, 0, tiling.height)
        return tiling.own(slide_across(down, columns))

    planes = _call(compute, tiling, to_planes(images), interpret)
    return from_planes(planes, channels)


def adjoint(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,  # noqa: ARG001
    size: tuple[int, int],
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.adjoint`, for a stride of 1."""
    tiling = make_tiling(size, len(rows), before=True)

    def compute(values: jax.Array) -> jax.Array:
        across = slide_across(values, columns, -1)
        across = across[:, tiling.left : tiling.left + tiling.width]
        return slide_down(across, rows[::-1], tiling.top - len(rows) + 1, tiling.height)

    planes = _call(compute, tiling, to_planes(images), interpret)
    return from_planes(planes, images.shape[-1])


def _call(
    compute: Callable[[jax.Array], jax.Array], tiling: Tiling, planes: jax.Array, interpret: Any
) -> jax.Array:

    def body(source: Any, result: Any) -> None:
        result[0] = compute(tiling.read(source))

    return pl.pallas_call(
        body,
        grid=(planes.shape[0], *tiling.grid),
        in_specs=[tiling.input_spec()],
        out_specs=tiling.output_spec(),
        out_shape=jax.ShapeDtypeStruct((planes.shape[0], tiling.rows, tiling.columns), jnp.float32),
        interpret=interpret,
        name="jiqa_separable",
    )(tiling.extend(planes))
