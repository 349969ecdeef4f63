"""Planes cut into overlapping blocks, for the forms in Pallas for TPUs.

A register of a TPU holds 8 rows of 128 columns. The rows under one tap of a window that runs along
rows are a load that begins some rows later, which costs no more than any load; columns are shifted
by rotations, and a unit does one of them in seven cycles. So both windows run along rows: 128 rows
pass under the first window, are transposed, and pass under the second. A product with a banded
matrix is no way out: six passes of the matrix unit for single precision take as long again.

Memory outside a plane may hold anything, NaN included; it is left out by selection, never by a
product with zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.typing import DTypeLike

SUBLANES, LANES = 8, 128
MOST_COLUMNS, MOST_COLUMNS_OF_LONG_WINDOWS = 1920, 1024  # read for a block
LONG_WINDOW, MOST_TAPS, MOST_WIDTH = 18, 33, 8192  # with these, 16 MiB, the least of TPUs, suffice


@dataclass(frozen=True)
class Tiling:
    """How planes of results, and the planes they come from, are cut into blocks of 128 rows.

    Attributes:
        rows: Rows of a plane of results.
        columns: Columns of a plane of results.
        width: Columns of results in a block, a multiple of 128.
        read_rows: Rows that are read for a block.
        read_columns: Columns that are read for a block, a multiple of 128.
        down: Rows from one block's first row read to the next one's.
        across: Columns from one block's first column read to the next one's.
    """

    rows: int
    columns: int
    width: int
    read_rows: int
    read_columns: int
    down: int
    across: int

    @classmethod
    def cut(
        cls,
        results: Sequence[int],
        images: Sequence[int],
        taps: Sequence[int],
        dtype: DTypeLike,
        stride: int = 1,
    ) -> "Tiling":
        """Cuts results of windows of so many taps that begin at every `stride`-th pixel.

        >>> Tiling.cut((2150, 3830), (2160, 3840), (11, 11), jnp.uint8).grid
        (17, 3)
        """
        width = block_width(results[1], max(taps), stride)
        reach = (width - 1) * stride + taps[1]
        if width >= results[1]:
            reach = min(reach, images[1])
        return cls(
            results[0],
            results[1],
            width,
            round_up((LANES - 1) * stride + taps[0], packed_rows(dtype)),
            round_up(reach, LANES),
            LANES * stride,
            width * stride,
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Blocks along the rows and along the columns."""
        return pl.cdiv(self.rows, LANES), pl.cdiv(self.columns, self.width)

    def image_spec(self, size: Sequence[int]) -> pl.BlockSpec:
        """The overlapping blocks in which planes of a size are read."""
        below = (self.grid[0] - 1) * self.down + self.read_rows - size[0]
        right = (self.grid[1] - 1) * self.across + self.read_columns - size[1]
        return pl.BlockSpec(
            (
                pl.Element(1),
                pl.Element(self.read_rows, (0, max(below, 0))),
                pl.Element(self.read_columns, (0, max(right, 0))),
            ),
            lambda plane, i, j: (plane, i * self.down, j * self.across),
        )

    def block_spec(self, size: Sequence[int], stride: int = 1) -> pl.BlockSpec:
        """The blocks in which planes of a size are read that lie beside, not under, the results.

        Where they have fewer blocks than the results, the last is read again.
        """
        shape = LANES // stride, self.width // stride
        last = [pl.cdiv(length, block) - 1 for length, block in zip(size, shape, strict=True)]
        return pl.BlockSpec(
            (1, *shape),
            lambda plane, i, j: (plane, jnp.minimum(i, last[0]), jnp.minimum(j, last[1])),
        )

    def result_spec(self) -> pl.BlockSpec:
        """The blocks in which planes of results are written."""
        return pl.BlockSpec((1, LANES, self.width), lambda plane, i, j: (plane, i, j))

    def left(self) -> tuple[jax.Array, jax.Array]:
        """Inside a kernel, but outside its loops: rows and columns from the block's first on."""
        return self.rows - pl.program_id(1) * LANES, self.columns - pl.program_id(2) * self.width

    def call(
        self,
        kernel: Callable[..., None],
        planes: Sequence[jax.Array],
        in_specs: Sequence[pl.BlockSpec],
        out_specs: Sequence[pl.BlockSpec],
        out_shape: Sequence[jax.ShapeDtypeStruct],
        scratch_shapes: Sequence[tuple[int, ...]],
        *,
        name: str,
        interpret: Any,
    ) -> Sequence[jax.Array]:
        """Runs a kernel on every block: the blocks of a plane in order, planes on any core."""
        return pl.pallas_call(
            kernel,
            grid=(planes[0].shape[0], *self.grid),
            in_specs=in_specs,
            out_specs=out_specs,
            out_shape=out_shape,
            scratch_shapes=[pltpu.VMEM(shape, jnp.float32) for shape in scratch_shapes],
            compiler_params=pltpu.CompilerParams(
                dimension_semantics=("parallel", "arbitrary", "arbitrary")
            ),
            interpret=interpret,
            name=name,
        )(*planes)


def block_width(columns: int, taps: int, stride: int = 1, multiple: int = LANES) -> int:
    """As few blocks as fit, equally wide; several read up to 128 columns more than their own.

    >>> block_width(1920, 11), block_width(3830, 11), block_width(502, 11)
    (1920, 1280, 512)
    """
    read = columns * stride
    most = MOST_COLUMNS if taps < LONG_WINDOW else MOST_COLUMNS_OF_LONG_WINDOWS
    blocks = pl.cdiv(read, most - LANES) if read > most else 1
    return round_up(pl.cdiv(columns, blocks), multiple)


def slide(ref: Any, window: Sequence[float], first: Any, count: int, stride: int = 1) -> jax.Array:
    """Correlation along the rows of `ref`: `count` results, the first with its window at `first`.

    Rows of equal weight of a symmetric window are added before they are multiplied.
    """

    def rows(tap: int) -> jax.Array:
        return ref[pl.ds(first + tap, count, stride), :]

    taps = len(window)
    paired = taps // 2 if tuple(window) == tuple(reversed(window)) else 0
    terms = [window[tap] * (rows(tap) + rows(taps - 1 - tap)) for tap in range(paired)]
    terms += [window[tap] * rows(tap) for tap in range(paired, taps - paired)]
    return sum(terms[1:], terms[0])


def to_float(values: jax.Array) -> jax.Array:
    """Single precision; from integers by way of 32 bits, which is all that a TPU converts."""
    if jnp.issubdtype(values.dtype, jnp.integer):
        values = values.astype(jnp.int32)
    return values.astype(jnp.float32)


def each_tile(columns: int, step: Callable[[Any], None], *, together: int = 1) -> None:
    """Calls `step` with the first of every 128 columns, so many of them in one loop body."""
    tiles = columns // LANES

    def body(tile: jax.Array, _: None) -> None:
        step(pl.multiple_of(tile.astype(jnp.int32) * LANES, LANES))

    lax.fori_loop(0, tiles, body, None, unroll=min(together, tiles))


def tile_number(column: jax.Array) -> jax.Array:
    """Which 128 columns these are; with `//`, JAX asked the device how it rounds below zero."""
    return lax.div(column, jnp.int32(LANES))


def columns_and_rows(count: int) -> tuple[jax.Array, jax.Array]:
    """The numbers of column and row in transposed results `[count, 128]`."""
    column, row = (lax.broadcasted_iota(jnp.int32, (count, LANES), axis) for axis in (0, 1))
    return column, row


def packed_rows(dtype: DTypeLike) -> int:
    """Rows of a dtype in a register.

    >>> packed_rows(jnp.bfloat16)
    16
    """
    return SUBLANES * 4 // jnp.dtype(dtype).itemsize


def round_up(number: int, multiple: int) -> int:
    """The least multiple that is not smaller.

    >>> round_up(10, 8)
    16
    """
    return -(-number // multiple) * multiple


def to_planes(images: jax.Array) -> jax.Array:
    """`[N, H, W, C]` as `[N * C, H, W]`, which on a TPU is how XLA lays images out: no copy.

    >>> to_planes(jnp.zeros((2, 4, 5, 3))).shape
    (6, 4, 5)
    """
    return jnp.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3])


def from_planes(planes: jax.Array, channels: int) -> jax.Array:
    """The inverse of `to_planes`.

    >>> from_planes(jnp.zeros((6, 4, 5)), 3).shape
    (2, 4, 5, 3)
    """
    return jnp.moveaxis(planes.reshape(-1, channels, *planes.shape[1:]), 1, -1)
