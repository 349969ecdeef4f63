"""The form for TPUs, in Pallas. Compiles for v4 to v6e."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from jiqa.kernels.separable.reference import FEW_TAPS
from jiqa.kernels.tiles import (
    LANES,
    MOST_TAPS,
    MOST_WIDTH,
    SUBLANES,
    Tiling,
    block_width,
    each_tile,
    from_planes,
    round_up,
    slide,
    tile_number,
    to_float,
    to_planes,
)

DTYPES = ("float32", "bfloat16")
STRIDES = (1, 2)
Ref = Any


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    **_: Any,
) -> bool:
    """Whether the form pays and fits: larger windows, single or half precision, stride 1 or 2.

    >>> image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    >>> supports("correlation", [image], rows=(0.1,) * 5, columns=(0.5,) * 2, stride=2)
    True
    """
    fits = len(rows) * len(columns) > FEW_TAPS and max(len(rows), len(columns)) <= MOST_TAPS
    fits = fits and operands[0].shape[2] * stride <= MOST_WIDTH
    return fits and stride in STRIDES and operands[0].dtype.name in DTYPES


def correlation(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.correlation`."""
    size, taps = images.shape[1:3], (len(rows), len(columns))
    results = tuple(
        (length - reach) // stride + 1 for length, reach in zip(size, taps, strict=True)
    )
    tiling = Tiling.cut(results, size, taps, images.dtype, stride)

    def kernel(image: Ref, result: Ref, pixels: Ref, turned: Ref) -> None:
        def down(tile: Any) -> None:
            pixels[...] = to_float(image[0, :, pl.ds(tile, LANES)])
            turned[pl.ds(tile, LANES), :] = slide(pixels, rows, 0, LANES, stride).T

        def across(tile: Any) -> None:
            values = slide(turned, columns, tile * stride, LANES, stride)
            result[0, :, pl.ds(tile, LANES)] = values.T.astype(result.dtype)

        each_tile(tiling.read_columns, down, together=4)
        each_tile(tiling.width, across, together=4)

    reach = (tiling.width - 1) * stride + len(columns)
    scratch = [
        (tiling.read_rows, LANES),
        (max(tiling.read_columns, round_up(reach, LANES)), LANES),
    ]
    return _call(kernel, tiling, tiling.image_spec(size), images, scratch, interpret)


def adjoint(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    size: tuple[int, int],
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.adjoint`.

    With stride 2, pixels of even number are a correlation with the weights of even number, those
    of odd number with the others. Blocks are computed in order and keep the samples that the next
    ones need.
    """
    inputs = images.shape[1:3]
    width = block_width(size[1], max(len(rows), len(columns)), multiple=LANES * stride)
    share = LANES // stride, width // stride
    tiling = Tiling(*size, width, *share, *share)
    above, before = (round_up(pl.cdiv(len(taps), stride), SUBLANES) for taps in (rows, columns))

    def kernel(image: Ref, result: Ref, pixels: Ref, owed: Ref, turned: Ref, mixed: Ref) -> None:
        block = pl.program_id(1), pl.program_id(2)
        ends = [end - place * step for end, place, step in zip(inputs, block, share, strict=True)]
        turned[:before, :] = jnp.where(block[1] == 0, 0, turned[pl.ds(share[1], before), :])

        def down(tile: Any) -> None:
            values = to_float(image[0, :, pl.ds(tile, LANES)])
            row, column = (lax.broadcasted_iota(jnp.int32, values.shape, axis) for axis in (0, 1))
            inside = (row < ends[0]) & (column < ends[1] - tile)
            here = tile_number(block[1] * share[1] + tile)
            pixels[:above, :] = jnp.where(block[0] == 0, 0, owed[here])
            pixels[above:, :] = jnp.where(inside, values, 0)
            owed[here] = pixels[pl.ds(share[0], above), :]
            _spread(pixels, mixed, rows, above, stride)
            turned[pl.ds(before + tile, LANES), :] = mixed[...].T

        def across(tile: Any) -> None:
            _spread(turned, mixed, columns, before + lax.div(tile, jnp.int32(stride)), stride)
            result[0, :, pl.ds(tile, LANES)] = mixed[...].T.astype(result.dtype)

        each_tile(share[1], down)
        each_tile(width, across)

    scratch = [
        (above + share[0], LANES),
        (tiling.grid[1] * share[1] // LANES, above, LANES),
        (before + share[1], LANES),
        (LANES, LANES),
    ]
    return _call(kernel, tiling, tiling.block_spec(inputs, stride), images, scratch, interpret)


def _spread(source: Ref, result: Ref, window: Sequence[float], first: Any, stride: int) -> None:
    """Spreads samples `stride` rows apart over 128 rows, where `first` is the first's place."""
    for phase in range(stride):
        weights = tuple(window[phase::stride])[::-1]
        count = LANES // stride
        values = (
            slide(source, weights, first - len(weights) + 1, count)
            if weights
            else jnp.zeros((count, LANES), jnp.float32)
        )
        result[pl.ds(phase, count, stride), :] = values


def _call(
    kernel: Any,
    tiling: Tiling,
    spec: pl.BlockSpec,
    images: jax.Array,
    scratch: Sequence[tuple[int, ...]],
    interpret: Any,
) -> jax.Array:
    planes = to_planes(images)
    (result,) = tiling.call(
        kernel,
        [planes],
        [spec],
        [tiling.result_spec()],
        [jax.ShapeDtypeStruct((len(planes), tiling.rows, tiling.columns), images.dtype)],
        scratch,
        name="jiqa_separable",
        interpret=interpret,
    )
    return from_planes(result, images.shape[-1])
