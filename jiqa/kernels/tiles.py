"""Planes cut into overlapping tiles, for the forms in Pallas for TPUs.

A TPU computes on registers of 8 rows and 128 columns. Planes `[P, H, W]`, a channel each, are cut
into tiles that overlap by as much as a window reaches over; a tile lies in vector memory while the
next one is fetched. Rows are shifted by slices, columns by rotations, which wrap around: what wraps
is never used, or is zero. Planes are surrounded by zeros as they are made, in the same copy.
"""

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

SUBLANES, LANES = 8, 128
TILE_ROWS, TILE_COLUMNS = 64, 512
MOST_TAPS = 65
DTYPES = ("float32", "bfloat16", "uint8")


@dataclass(frozen=True)
class Tiling:
    """How results of `rows` by `columns` are tiled, and how far their windows reach.

    Attributes:
        rows: Rows of the results.
        columns: Columns of the results.
        halo: Rows that a tile reads beyond its own, a multiple of 8; of columns it reads 128.
        before: Whether the tile reads them before its own rows and columns too.
    """

    rows: int
    columns: int
    halo: int
    before: bool = False

    @property
    def height(self) -> int:
        """Rows of a tile."""
        return min(TILE_ROWS, _round_up(self.rows, SUBLANES))

    @property
    def width(self) -> int:
        """Columns of a tile."""
        return min(TILE_COLUMNS, _round_up(self.columns, LANES))

    @property
    def top(self) -> int:
        """Row of the tile's own first row in what it reads."""
        return self.halo if self.before else 0

    @property
    def left(self) -> int:
        """Column of the tile's own first column in what it reads."""
        return LANES if self.before else 0

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles along the rows and along the columns."""
        return pl.cdiv(self.rows, self.height), pl.cdiv(self.columns, self.width)

    def read(self, ref: Any) -> jax.Array:
        """What the tile reads of an extended plane, in single precision."""
        values = ref[0]
        if values.dtype == jnp.uint8:
            values = values.astype(jnp.int32)
        return values.astype(jnp.float32)

    def inside(self, shape: Sequence[int], size: tuple[int, int]) -> jax.Array:
        """Which of the entries that a tile reads, from its first, lie in a plane of a size."""
        row = lax.broadcasted_iota(jnp.int32, tuple(shape), 0)
        column = lax.broadcasted_iota(jnp.int32, tuple(shape), 1)
        row += pl.program_id(1) * self.height - self.top
        column += pl.program_id(2) * self.width - self.left
        return (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])

    def own(self, values: jax.Array) -> jax.Array:
        """The tile's own entries of what it reads, or of results that begin there."""
        return values[self.top : self.top + self.height, self.left : self.left + self.width]

    def input_spec(self) -> pl.BlockSpec:
        """The overlapping blocks in which an extended plane is read."""
        rows = self.top + self.height + self.halo
        columns = self.left + self.width + LANES
        return pl.BlockSpec(
            (pl.Element(1), pl.Element(rows), pl.Element(columns)),
            lambda plane, i, j: (plane, i * self.height, j * self.width),
        )

    def extend(self, planes: jax.Array) -> jax.Array:
        """Planes with zeros around them, so that no tile reads outside."""
        rows, columns = self.grid
        after = (
            rows * self.height + self.halo - planes.shape[1],
            columns * self.width + LANES - planes.shape[2],
        )
        return jnp.pad(planes, ((0, 0), (self.top, after[0]), (self.left, after[1])))

    def output_spec(self) -> pl.BlockSpec:
        """The blocks in which a plane is written."""
        return pl.BlockSpec((1, self.height, self.width), lambda plane, i, j: (plane, i, j))


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def make_tiling(size: tuple[int, int], taps: int, *, before: bool = False) -> Tiling:
    """The tiling of results of a size, for windows of a number of taps.

    >>> make_tiling((1080, 1920), 11).grid
    (17, 4)
    """
    return Tiling(*size, _round_up(max(taps - 1, 1), SUBLANES), before)


def slide_down(values: jax.Array, window: Sequence[float], first: int, count: int) -> jax.Array:
    """Correlation along rows: `count` results whose windows begin at row `first` and after."""
    step = _stride(window)
    last = (len(window) - 1) // step * step
    missing = first + step - 1 + count + last - values.shape[0]
    if missing > 0:  # rows with which no weight is multiplied
        rows = jnp.zeros((_round_up(missing, SUBLANES), values.shape[1]), values.dtype)
        values = jnp.concatenate([values, rows])
    near = [values[first + tap : first + tap + count + last] for tap in range(step)]
    parts = _partial_sums(near, window)
    return _add([part[i * step : i * step + count] for i, part in enumerate(parts)])


def slide_across(values: jax.Array, window: Sequence[float], direction: int = 1) -> jax.Array:
    """Correlation along columns, or its adjoint for the direction -1, wrapping around."""
    step = _stride(window)
    near = [_rotate(values, direction * tap) for tap in range(step)]
    parts = _partial_sums(near, window)
    return _add([_rotate(part, direction * step * i) for i, part in enumerate(parts)])


def _stride(window: Sequence[float]) -> int:
    """Moving registers is what a TPU is slowest at; this halves it for a window of 11.

    A few copies, moved by one entry more each, are added up to partial sums, which are moved by
    multiples of as many: together about 2 sqrt(n) moves, not n - 1.
    """
    return math.isqrt(len(window) - 1) + 1


def _partial_sums(near: Sequence[jax.Array], window: Sequence[float]) -> list[jax.Array]:
    starts = range(0, len(window), len(near))
    groups = (zip(window[start : start + len(near)], near, strict=False) for start in starts)
    return [_add([weight * values for weight, values in group]) for group in groups]


def _add(arrays: Sequence[jax.Array]) -> jax.Array:
    return functools.reduce(operator.add, arrays)


def _rotate(values: jax.Array, columns: int) -> jax.Array:
    """Values moved to the left by a number of columns."""
    shift = -columns % values.shape[1]
    return pltpu.roll(values, shift, 1) if shift else values


def add_registers(values: jax.Array) -> jax.Array:
    """Adds up an array, register by register, into one of 8 x 128."""
    rows, columns = values.shape
    return _add(
        [
            values[row : row + SUBLANES, column : column + LANES]
            for row in range(0, rows, SUBLANES)
            for column in range(0, columns, LANES)
        ]
    )


def to_planes(images: jax.Array) -> jax.Array:
    """`[N, H, W, C]` as `[N * C, H, W]`: with C last, most of a register's 128 columns were empty.

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
