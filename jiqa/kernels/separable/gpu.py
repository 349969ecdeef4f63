"""The form for NVIDIA GPUs, in Pallas through Triton: rows pass through columns of threads."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from jiqa.kernels.columns import (
    Threads,
    Tiles,
    clamp,
    enqueue,
    enqueue_all,
    loop,
    start_queue,
    sum_across,
    supported,
    weighted_sum,
)

Ref = Any  # of an array in the memory of the GPU

THREADS = 128
MOST_TAPS = 65  # more do not fit the registers


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    **_: Any,
) -> bool:
    """Whether the unfinished sums fit the registers, and no sample is skipped."""
    (image,) = operands
    fits = all(stride <= len(window) <= MOST_TAPS for window in (rows, columns))
    return fits and image.shape[-1] <= THREADS and supported(image)


def correlation(
    images: jax.Array,
    *,
    rows: Sequence[float],
    columns: Sequence[float],
    stride: int,
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.separable.reference.correlation`."""
    count, height, width, channels = images.shape
    down, across = (height - len(rows)) // stride + 1, (width - len(columns)) // stride + 1
    tiles = Tiles.cut((count, down, across, channels), THREADS)
    gather = partial(_gather, images.shape, columns, stride, interpret)

    def kernel(image: Ref, result: Ref) -> None:
        row, pixel = tiles.start
        threads = tiles.threads_at(pixel, across)

        def advance(index: jax.Array, queue: Any) -> Any:
            new = [gather(image, (row + index) * stride + k, threads) for k in range(stride)]
            return enqueue(queue, new, rows, interpret=interpret)

        def step(index: jax.Array, queue: Any) -> Any:
            finished, queue = advance(index + ahead, queue)
            _store(result, finished, row + index, threads, tiles)
            return queue

        queue = start_queue(rows, threads.columns.shape, stride)
        ahead = len(queue)
        loop(tiles.rows, step, loop(ahead, lambda *state: advance(*state)[1], queue))

    results = [((count, down, across, channels), images.dtype)]
    return tiles.call(kernel, [images], results, interpret=interpret)[0]


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

    Of `stride` neighbouring rows, or pixels, each meets its own share of the window's taps.
    """
    count, _, _, channels = images.shape
    tiles = Tiles.cut((count, pl.cdiv(size[0], stride), size[1], channels), THREADS)
    shares = [rows[phase::stride][::-1] for phase in range(stride)]
    ahead = len(shares[0]) - 1
    spread = partial(_spread, images.shape, columns, stride, interpret)

    def kernel(image: Ref, result: Ref) -> None:
        row, pixel = tiles.start
        threads = tiles.threads_at(pixel, tiles.width)

        def advance(index: jax.Array, queues: Any) -> Any:
            new = [spread(image, row + index, threads)]
            return enqueue_all(queues, [new] * stride, shares, interpret=interpret)

        def step(index: jax.Array, queues: Any) -> Any:
            finished, queues = advance(index, queues)
            for phase, value in enumerate(finished):
                _store(result, value, (row + index) * stride + phase, threads, tiles, size[0])
            return queues

        def fill(index: jax.Array, queues: Any) -> Any:
            return advance(index - ahead, queues)[1]

        queues = tuple(start_queue(share, threads.columns.shape) for share in shares)
        loop(tiles.rows, step, loop(ahead, fill, queues))

    results = [((count, *size, channels), images.dtype)]
    return tiles.call(kernel, [images], results, interpret=interpret)[0]


def _gather(
    shape: tuple[int, ...],
    window: Sequence[float],
    stride: int,
    interpret: Any,
    image: Ref,
    row: jax.Array,
    threads: Threads,
) -> jax.Array:
    """The horizontal sums of a row, at every `stride`-th pixel."""
    _, height, width, channels = shape
    first = threads.first + threads.first // channels * (channels * (stride - 1))
    start = clamp(row, height) * (width * channels) + first

    def read(shift: int) -> list[jax.Array]:
        return [triton.load(image.at[start + shift * channels]).astype(jnp.float32)]

    return sum_across(read, window, 1, interpret=interpret)[0]


def _spread(
    shape: tuple[int, ...],
    window: Sequence[float],
    stride: int,
    interpret: Any,
    image: Ref,
    row: jax.Array,
    threads: Threads,
) -> jax.Array:
    """What a row of samples owes to the pixels under their horizontal windows."""
    _, height, width, channels = shape
    pixel, channel = threads.first // channels, threads.first % channels
    inside = (row >= 0) & (row < height)
    weights, values = [], []
    for first in range(0, len(window), stride):
        source = pixel // stride - first // stride
        column = clamp(source, width) * channels + channel
        value = triton.load(image.at[clamp(row, height) * (width * channels) + column])
        exists = inside & (source >= 0) & (source < width)
        values.append(jnp.where(exists, value.astype(jnp.float32), 0))
        weights.append(_choose(pixel % stride, window[first : first + stride]))
    return weighted_sum(weights, values, interpret=interpret)[:, None]


def _choose(phase: jax.Array, weights: Sequence[float]) -> jax.Array:
    """The weight of each thread's phase, or 0 where there is none."""
    chosen = jnp.zeros(phase.shape, jnp.float32)
    for place, weight in enumerate(weights):
        chosen = jnp.where(phase == place, weight, chosen)
    return chosen


def _store(
    result: Ref,
    value: jax.Array,
    row: jax.Array,
    threads: Threads,
    tiles: Tiles,
    height: int | None = None,
) -> None:
    """Writes a row where it is inside the result."""
    mine = threads.inside & (row < (height or tiles.height))
    index = row * tiles.columns + threads.columns
    triton.store(result.at[index], value.astype(result.dtype), mask=mine)
