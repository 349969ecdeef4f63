"""The form for NVIDIA GPUs, in Pallas through Triton: rows pass through columns of threads.

All four moments and both passes stay in registers, and the gradient computes the moments again
instead of keeping them. Only the horizontal half of its adjoint needs what other threads hold: that
goes through rows of a scratch so small that it stays in cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.pallas import triton

from jiqa.kernels.columns import (
    Tiles,
    loop,
    start_queue,
    sum_across,
    supported,
)
from jiqa.kernels.ssim_statistics.pair import Pair, Ref
from jiqa.kernels.ssim_statistics.similarity import (
    Moments,
    Similarity,
    chain,
    compare,
    differentiate,
)

# Two pixels of a thread share what it loads and multiplies, a fifth of the instructions. For more
# taps, or the slopes of a gradient, the registers suffice for one; more than so many taps spill.
THREADS, TAPS_OF_TWO_PIXELS, MOST_TAPS = 128, 17, 33
GRADIENT_THREADS, MOST_GRADIENT_TAPS = 256, 17


def supports(
    function: str,
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    similarity: Similarity,
    **_: Any,
) -> bool:
    """Whether the sums of the window fit the registers."""
    image, taps = operands[0], len(similarity.window)
    if function == "gradient":
        fits = taps <= MOST_GRADIENT_TAPS and taps * image.shape[-1] <= GRADIENT_THREADS // 2
    else:
        fits = taps <= MOST_TAPS and image.shape[-1] <= THREADS
    return fits and supported(image)


def sums(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    interpret: Any = False,
) -> tuple[jax.Array, jax.Array]:
    """As `jiqa.kernels.ssim_statistics.reference.sums`."""
    pair = Pair(reference.shape, similarity, interpret)
    tiles = _cut(pair)

    def kernel(x: Ref, y: Ref, *refs: Ref) -> None:
        *factors, ssim, contrast_structure = refs
        row, pixel = tiles.start
        threads = tiles.threads_at(pixel, tiles.width)

        def step(index: jax.Array, state: Any) -> Any:
            queues, totals = state
            here = row + index
            moments, queues = pair.down(x, y, queues, here + pair.reach, threads)
            maps = _compare(moments, similarity)
            weight = pair.weight(factors, here, threads)
            counted = here < tiles.height
            return queues, [
                total + jnp.where(counted, weight * each, 0)
                for total, each in zip(totals, maps, strict=True)
            ]

        zero = jnp.zeros(threads.columns.shape, jnp.float32)
        _, totals = loop(tiles.rows, step, (pair.fill(x, y, row, threads), [zero, zero]))
        for ref, total in zip((ssim, contrast_structure), totals, strict=True):
            pair.store_total(ref, total, threads, threads.inside)

    operands = [each for each in (reference, distorted, weights) if each is not None]
    results = [(pair.partial(tiles), jnp.float32)] * 2
    totals = tiles.call(kernel, operands, results, interpret=interpret)
    ssim, contrast_structure = (total.sum((1, 2)) for total in totals)
    return ssim, contrast_structure


def comparison_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    similarity: Similarity,
    luminance: bool,
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.ssim_statistics.reference.comparison_map`."""
    pair = Pair(reference.shape, similarity, interpret)
    tiles = _cut(pair)

    def kernel(x: Ref, y: Ref, comparison: Ref) -> None:
        row, pixel = tiles.start
        threads = tiles.threads_at(pixel, tiles.width)

        def step(index: jax.Array, queues: Any) -> Any:
            here = row + index
            moments, queues = pair.down(x, y, queues, here + pair.reach, threads)
            value = _compare(moments, similarity)[0 if luminance else 1]
            mine = threads.inside & (here < tiles.height)
            triton.store(comparison.at[here * tiles.columns + threads.columns], value, mask=mine)
            return queues

        loop(tiles.rows, step, pair.fill(x, y, row, threads))

    results = [(pair.positions, jnp.float32)]
    (result,) = tiles.call(kernel, (reference, distorted), results, interpret=interpret)
    return result


def gradient(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    luminance: bool,
    wrt: tuple[bool, bool],
    interpret: Any = False,
) -> tuple[jax.Array, ...]:
    """As `jiqa.kernels.ssim_statistics.reference.gradient`.

    A row of positions finishes the row of the gradient at its top. So a program starts as many rows
    higher, and as many pixels further left, as the window reaches.
    """
    pair = Pair(reference.shape, similarity, interpret)
    tiles = Tiles.cut(reference.shape, GRADIENT_THREADS, margin=pair.reach)
    asked = [place for place, each in enumerate(wrt) if each]
    kernel = partial(_gradient_kernel, pair, tiles, luminance, asked)
    operands = [each for each in (reference, distorted, weights) if each is not None]
    scratch = (tiles.images, *tiles.grid[1:], 2, len(asked) + 2, tiles.threads)
    shapes = [pair.partial(tiles), scratch, *[reference.shape] * len(asked)]
    results = [(shape, jnp.float32) for shape in shapes]
    total, _, *gradients = tiles.call(kernel, operands, results, interpret=interpret)
    return total.sum((1, 2)), *gradients


def _gradient_kernel(
    pair: Pair, tiles: Tiles, luminance: bool, asked: list[int], x: Ref, y: Ref, *refs: Ref
) -> None:
    *factors, total, scratch = refs[: len(refs) - len(asked)]
    row, pixel = tiles.start
    threads = tiles.threads_at(pixel - tiles.margin, pair.positions[2])
    owners, local = tiles.threads_at(pixel, tiles.width), tiles.threads_at(0, tiles.span)
    owned = owners.inside & (local.pixels < tiles.span - tiles.margin)
    kept = [*asked, 2, 3]  # of the slopes: of the asked images, of (x - y)^2 and x y
    exchange = _Exchange.of(pair, tiles, scratch, len(kept))

    def step(index: jax.Array, state: Any) -> Any:
        queues, slope_queues, value_sum = state
        here, finished = row - pair.reach + index, index >= pair.reach
        moments, queues = pair.down(x, y, queues, here + pair.reach, threads)
        value, slopes = differentiate(moments, pair.similarity, luminance)
        wanted = value, *(slopes[place] for place in kept)
        exists = threads.inside & (here >= 0) & (here < pair.positions[1])
        weight = pair.weight(factors, here, threads)
        value, *rows = (jnp.where(exists, weight * each, 0) for each in wanted)
        rows, slope_queues = pair.enqueue(slope_queues, rows, pair.similarity.window[::-1])
        rows, images = exchange.spread_across(index, rows), pair.read(x, y, here, owners.nearest)
        for ref, owed in zip(refs[-len(asked) :], _owed(rows, images, asked), strict=True):
            mine = owned & finished & (here < tiles.height)
            triton.store(ref.at[here * tiles.columns + owners.columns], owed, mask=mine)
        return queues, slope_queues, value_sum + jnp.where(finished, value, 0)

    zero = jnp.zeros(threads.columns.shape, jnp.float32)
    slope_queues = (start_queue(pair.similarity.window, zero.shape),) * len(kept)
    state = pair.fill(x, y, row - pair.reach, threads), slope_queues, zero
    *_, value_sum = loop(tiles.rows + pair.reach, step, state)
    pair.store_total(total, value_sum, threads, threads.inside & (local.pixels >= tiles.margin))


def _cut(pair: Pair) -> Tiles:
    """How the positions are dealt to programs where each is computed once."""
    pixels = 2 if pair.reach < TAPS_OF_TWO_PIXELS else 1
    return Tiles.cut(pair.positions, THREADS, pixels=pixels)


@dataclass(frozen=True)
class _Exchange:
    """The horizontal half of the adjoint, from what the threads to the left hold.

    Attributes:
        pair: The images.
        scratch: Where the threads leave what the others need.
        starts: Where a program's part of it starts for every row that is exchanged.
        turn: How far its two parts are apart.
        own: Where a thread's own pixel is in a row.
        leftmost: The leftmost that owes to its pixel; what is beyond the last is not stored.
    """

    pair: Pair
    scratch: Ref
    starts: list[jax.Array]
    turn: int
    own: jax.Array
    leftmost: jax.Array

    @classmethod
    def of(cls, pair: Pair, tiles: Tiles, scratch: Ref, number: int) -> "_Exchange":
        """The exchange of so many rows."""
        turn = number * tiles.threads
        starts = [tiles.program * (2 * turn) + place * tiles.threads for place in range(number)]
        own = tiles.threads_at(0, tiles.span).columns
        leftmost = tiles.threads_at(0, tiles.span - tiles.margin).first
        return cls(pair, scratch, starts, turn, own, leftmost)

    def spread_across(self, index: jax.Array, rows: Sequence[jax.Array]) -> list[jax.Array]:
        """Both parts of the scratch take turns, so that one wait is enough.

        Nobody writes to a part before everybody has read it.
        """
        starts = [start + jax.lax.rem(index, np.int32(2)) * self.turn for start in self.starts]
        for start, row in zip(starts, rows, strict=True):
            triton.store(self.scratch.at[start + self.own], row)
        if not self.pair.interpret:
            triton.debug_barrier()

        def read(shift: int) -> list[jax.Array]:
            column = self.leftmost + shift * self.pair.shape[3]
            return [triton.load(self.scratch.at[start + column]) for start in starts]

        window = self.pair.similarity.window[::-1]
        return sum_across(read, window, 1, interpret=self.pair.interpret)


def _compare(moments: Moments, similarity: Similarity) -> tuple[jax.Array, jax.Array]:
    """SSIM and contrast-structure."""
    luminance, contrast_structure = compare(moments, similarity)
    return luminance * contrast_structure, contrast_structure


def _owed(
    slopes: Sequence[jax.Array], images: list[jax.Array], asked: list[int]
) -> list[jax.Array]:
    """The gradients of the asked images from what the windows owe their moments."""
    *own, by_difference, by_product = slopes
    return [
        chain(images[place], images[1 - place], by_own, by_difference, by_product)
        for by_own, place in zip(own, asked, strict=True)
    ]
