"""Two images as the kernels for GPUs read them: row by row, down to their windowed moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from jiqa.kernels.columns import (
    Threads,
    Tiles,
    clamp,
    enqueue_all,
    loop,
    start_queue,
    sum_across,
)
from jiqa.kernels.ssim_statistics.similarity import Moments, Similarity, powers

Ref = Any  # of an array in the memory of the GPU


@dataclass(frozen=True)
class Pair:
    """What is known of two images `[N, H, W, C]` before a kernel runs, and how it reads them.

    In a kernel `x` and `y` refer to one folded image each, `row` is the number of a row.
    """

    shape: tuple[int, ...]
    similarity: Similarity
    interpret: Any

    @property
    def reach(self) -> int:
        """How many rows of the image a position needs beyond its own."""
        return len(self.similarity.window) - 1

    @property
    def positions(self) -> tuple[int, int, int, int]:
        """Images, rows, pixels and channels of positions."""
        count, height, width, channels = self.shape
        return count, height - self.reach, width - self.reach, channels

    def read(self, x: Ref, y: Ref, row: jax.Array, columns: jax.Array) -> list[jax.Array]:
        """Both images in single precision."""
        _, height, width, channels = self.shape
        index = clamp(row, height) * (width * channels) + columns
        return [triton.load(image.at[index]).astype(jnp.float32) for image in (x, y)]

    def weight(self, factors: list[Ref], row: jax.Array, threads: Threads) -> jax.Array | float:
        """The positions' weights, or 1."""
        _, height, width, channels = self.positions
        index = clamp(row, height) * (width * channels) + threads.nearest
        return triton.load(factors[0].at[index]) if factors else 1.0

    def down(
        self, x: Ref, y: Ref, queues: Any, row: jax.Array, threads: Threads
    ) -> tuple[Moments, Any]:
        """The moments of the positions that a row of the images finishes."""

        def read(shift: int) -> Moments:
            column = threads.first + shift * self.shape[3]
            if shift > self.reach:  # for a second pixel, which may be outside
                column = clamp(column, self.shape[2] * self.shape[3])
            return powers(*self.read(x, y, row, column))

        window = self.similarity.window
        across = sum_across(read, window, threads.columns.shape[1], interpret=self.interpret)
        finished, queues = self.enqueue(queues, across, window)
        return Moments(*finished), queues

    def fill(self, x: Ref, y: Ref, row: jax.Array, threads: Threads) -> Any:
        """The queues that await the row which finishes the positions of `row`."""
        start = (start_queue(self.similarity.window, threads.columns.shape),) * 4

        def step(index: jax.Array, queues: Any) -> Any:
            return self.down(x, y, queues, row + index, threads)[1]

        return loop(self.reach, step, start)

    def enqueue(
        self, queues: Any, rows: Sequence[jax.Array], window: Sequence[float]
    ) -> tuple[Any, Any]:
        """Adds a row to each of several queues."""
        return enqueue_all(
            queues, [[row] for row in rows], [window] * len(queues), interpret=self.interpret
        )

    def partial(self, tiles: Tiles) -> tuple[int, ...]:
        """The shape of partial sums, which XLA adds up in the same order every time."""
        return self.shape[0], tiles.grid[1], *self.positions[2:]

    def store_total(self, ref: Ref, total: jax.Array, threads: Threads, mine: jax.Array) -> None:
        """Writes what a program's threads have summed over its rows."""
        first = pl.program_id(1) * (self.positions[2] * self.positions[3])
        triton.store(ref.at[first + threads.columns], total, mask=mine)
