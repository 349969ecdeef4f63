"""The form for TPUs, in Pallas: moments in vector memory, nothing stored but the results.

Blocks of a plane are computed in order, so that a gradient takes from the blocks before what they
owe to its rows and columns, and no slope is computed twice. Compiles for v4 to v6e.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from jiqa.kernels.ssim_statistics.similarity import (
    Moments,
    Similarity,
    chain,
    compare,
    differentiate,
    powers,
)
from jiqa.kernels.tiles import (
    LANES,
    MOST_TAPS,
    MOST_WIDTH,
    SUBLANES,
    Tiling,
    columns_and_rows,
    each_tile,
    from_planes,
    round_up,
    slide,
    tile_number,
    to_float,
    to_planes,
)

DTYPES = ("float32", "bfloat16", "uint8")
GROUP = 32  # columns whose moments stay in registers
Ref = Any


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    similarity: Similarity,
    **_: Any,
) -> bool:
    """Whether the kernels read the images' dtype, and window and width fit.

    >>> image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)
    >>> supports("sums", [image, image], similarity=Similarity((0.5, 0.5), 1e-4, 9e-4))
    True
    """
    fits = len(similarity.window) <= MOST_TAPS and operands[0].shape[2] <= MOST_WIDTH
    return fits and operands[0].dtype.name in DTYPES


def sums(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    interpret: Any = False,
) -> tuple[jax.Array, jax.Array]:
    """As `jiqa.kernels.ssim_statistics.reference.sums`."""
    pair = Pair.cut(reference, similarity)

    def kernel(x: Ref, y: Ref, *refs: Ref) -> None:
        *factors, ssim, structure, pixels, rows, turned = refs
        left = pair.left()
        _clear_at_start(ssim, structure)
        pair.average_rows(x, y, pixels, rows)

        def add(tile: Any) -> None:
            _turn(factors, tile, turned)
            for column, moments in pair.average_columns(rows, tile):
                ratio, contrast_structure = compare(moments, similarity)
                weigh = pair.weighing(left, tile, column, turned if factors else None)
                _accumulate(ssim, weigh(ratio * contrast_structure))
                _accumulate(structure, weigh(contrast_structure))

        each_tile(pair.tiling.width, add)

    totals = pair.call(kernel, reference, distorted, weights, totals=2, interpret=interpret)
    return pair.sum_planes(totals[0]), pair.sum_planes(totals[1])


def comparison_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    similarity: Similarity,
    luminance: bool,
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.ssim_statistics.reference.comparison_map`."""
    pair = Pair.cut(reference, similarity)

    def kernel(x: Ref, y: Ref, result: Ref, pixels: Ref, rows: Ref, turned: Ref) -> None:
        pair.average_rows(x, y, pixels, rows)

        def write(tile: Any) -> None:
            for column, moments in pair.average_columns(rows, tile):
                ratio, structure = compare(moments, similarity)
                turned[pl.ds(column, GROUP), :] = ratio * structure if luminance else structure
            result[0, :, pl.ds(tile, LANES)] = turned[...].T

        each_tile(pair.tiling.width, write)

    (result,) = pair.call(kernel, reference, distorted, maps=1, interpret=interpret)
    return from_planes(result, reference.shape[-1])


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
    """As `jiqa.kernels.ssim_statistics.reference.gradient`."""
    pair = Pair.cut(reference, similarity, whole=True)
    asked = [place for place in (0, 1) if wrt[place]]
    needed = (*asked, 2, 3)

    def kernel(x: Ref, y: Ref, *refs: Ref) -> None:
        factors, (total, *gradients) = refs[: weights is not None], refs[weights is not None : -6]
        pixels, rows, turned, slopes, spread, owed = refs[-6:]
        left = pair.left()
        first = pl.program_id(1) == 0, pl.program_id(2) == 0
        _clear_at_start(total)
        pair.average_rows(x, y, pixels, rows)

        @pl.when(first[1])
        def _() -> None:
            slopes[...] = jnp.zeros(slopes.shape, slopes.dtype)

        def write(tile: Any) -> None:
            _turn(factors, tile, turned)
            for column, moments in pair.average_columns(rows, tile):
                value, partials = differentiate(moments, similarity, luminance)
                weigh = pair.weighing(left, tile, column, turned if factors else None)
                _accumulate(total, weigh(value))
                for place, field in enumerate(needed):
                    slopes[place, pl.ds(pair.halo + column, GROUP), :] = weigh(partials[field])
            here = tile_number(block * pair.tiling.width + tile)
            spreads = {
                field: pair.spread(
                    slopes.at[place], spread.at[place], owed.at[place, here], first[0]
                )
                for place, field in enumerate(needed)
            }
            columns = pl.ds(tile, LANES)
            images = [to_float(image[0, :LANES, columns]) for image in (x, y)]
            for result, place in zip(gradients, asked, strict=True):
                slopes_here = spreads[place], spreads[2], spreads[3]
                result[0, :, columns] = chain(images[place], images[1 - place], *slopes_here)

        block = pl.program_id(2)
        each_tile(pair.tiling.width, write)

    total, *gradients = pair.call(
        kernel,
        reference,
        distorted,
        weights,
        totals=1,
        maps=len(asked),
        scratch=pair.scratch_of_gradient(len(needed)),
        interpret=interpret,
    )
    channels = reference.shape[-1]
    return pair.sum_planes(total), *(from_planes(each, channels) for each in gradients)


@dataclass(frozen=True)
class Pair:
    """How two images `[N, H, W, C]` are read, block by block, and averaged under the window.

    Attributes:
        shape: The images' shape.
        similarity: Window and constants.
        tiling: The blocks of the map, or of the images where their gradient is computed.
    """

    shape: tuple[int, ...]
    similarity: Similarity
    tiling: Tiling

    @classmethod
    def cut(cls, images: jax.Array, similarity: Similarity, *, whole: bool = False) -> "Pair":
        """Cuts the map of two images, or the whole images, into blocks."""
        taps = len(similarity.window)
        size = images.shape[1:3]
        results = size if whole else (size[0] - taps + 1, size[1] - taps + 1)
        tiling = Tiling.cut(results, size, (taps, taps), images.dtype)
        return cls(images.shape, similarity, tiling)

    @property
    def positions(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        reach = len(self.similarity.window) - 1
        return self.shape[1] - reach, self.shape[2] - reach

    @property
    def halo(self) -> int:
        """Rows of a window beyond its first, rounded up."""
        return round_up(len(self.similarity.window) - 1, SUBLANES)

    def left(self) -> tuple[jax.Array, jax.Array]:
        """Inside a kernel: how many rows and columns of the map there are from the block on."""
        rows, columns = self.tiling.left()
        beyond = self.tiling.rows - self.positions[0], self.tiling.columns - self.positions[1]
        return rows - beyond[0], columns - beyond[1]

    def average_rows(self, x: Ref, y: Ref, pixels: Ref, rows: Ref) -> None:
        """Averages the block's powers along its rows into `rows`, transposed."""

        def average(tile: Any) -> None:
            columns = pl.ds(tile, LANES)
            images = (to_float(image[0, :, columns]) for image in (x, y))
            for place, power in enumerate(powers(*images)):
                pixels[place] = power
            for place in range(4):
                averages = slide(pixels.at[place], self.similarity.window, 0, LANES)
                rows[place, columns, :] = averages.T

        each_tile(self.tiling.read_columns, average, together=2)  # hides the transpositions

    def average_columns(self, rows: Ref, tile: Any) -> Iterable[tuple[int, Moments]]:
        """The moments at 128 columns of positions, transposed, some columns at a time."""
        for column in range(0, LANES, GROUP):
            moments = (
                slide(rows.at[place], self.similarity.window, tile + column, GROUP)
                for place in range(4)
            )
            yield column, Moments(*moments)

    def weighing(self, left: Any, tile: Any, column: int, factor: Ref | None) -> Any:
        """Weighs some columns of a tile, and makes zero what is outside the map."""
        columns, rows = columns_and_rows(GROUP)
        inside = (columns < left[1] - tile - column) & (rows < left[0])

        def weigh(values: jax.Array) -> jax.Array:
            if factor is not None:
                values = values * factor[pl.ds(column, GROUP), :]
            return jnp.where(inside, values, 0)

        return weigh

    def spread(self, slopes: Ref, spread: Ref, owed: Ref, first: jax.Array) -> jax.Array:
        """The adjoint of the window, at 128 rows and 128 columns of pixels.

        Args:
            slopes: `[halo + 128, 128]`, transposed: those of `halo` columns before, and these.
            spread: `[halo + 128, 128]`, where rows are put together.
            owed: `[halo, 128]`, the last rows of the block above, then of this one.
            first: Whether there is no block above.

        Returns:
            `[128, 128]`, not transposed.
        """
        window, before = self.similarity.window[::-1], slice(0, self.halo)
        start, after = self.halo - len(window) + 1, pl.ds(LANES, self.halo)
        spread[pl.ds(self.halo, LANES), :] = slide(slopes, window, start, LANES).T
        spread[before, :] = jnp.where(first, 0, owed[...])
        slopes[before, :] = slopes[after, :]
        owed[...] = spread[after, :]
        return slide(spread, window, start, LANES)

    def scratch_of_gradient(self, fields: int) -> list[tuple[int, ...]]:
        """What a gradient keeps in vector memory beside the averages."""
        strip = fields, self.halo + LANES, LANES
        tiles = self.tiling.grid[1] * self.tiling.width // LANES
        return [strip, strip, (fields, tiles, self.halo, LANES)]

    def call(
        self,
        kernel: Any,
        reference: jax.Array,
        distorted: jax.Array,
        weights: jax.Array | None = None,
        *,
        totals: int = 0,
        maps: int = 0,
        scratch: Sequence[tuple[int, ...]] = (),
        interpret: Any,
    ) -> Sequence[jax.Array]:
        """Runs a kernel of so many totals `[planes, 8, 128]` and maps."""
        tiling, planes = self.tiling, [to_planes(reference), to_planes(distorted)]
        specs = [tiling.image_spec(self.shape[1:3])] * 2
        if weights is not None:
            planes.append(to_planes(weights))
            specs.append(tiling.block_spec(self.positions))
        total = jax.ShapeDtypeStruct((len(planes[0]), SUBLANES, LANES), jnp.float32)
        total_spec = pl.BlockSpec((1, SUBLANES, LANES), lambda plane, *_: (plane, 0, 0))
        result = jax.ShapeDtypeStruct((len(planes[0]), tiling.rows, tiling.columns), jnp.float32)
        columns = max(tiling.read_columns, tiling.width + self.halo)
        averages = [(4, tiling.read_rows, LANES), (4, columns, LANES), (LANES, LANES)]
        return tiling.call(
            kernel,
            planes,
            specs,
            [total_spec] * totals + [tiling.result_spec()] * maps,
            [total] * totals + [result] * maps,
            [*averages, *scratch],
            name="jiqa_ssim",
            interpret=interpret,
        )

    def sum_planes(self, total: jax.Array) -> jax.Array:
        """`[N * C, 8, 128]` to `[N, C]`."""
        return jnp.sum(total, (1, 2)).reshape(self.shape[0], self.shape[-1])


def _clear_at_start(*totals: Ref) -> None:
    @pl.when((pl.program_id(1) == 0) & (pl.program_id(2) == 0))
    def _() -> None:
        for total in totals:
            total[...] = jnp.zeros(total.shape, total.dtype)


def _accumulate(total: Ref, values: jax.Array) -> None:
    total[0] += jnp.sum(values.reshape(-1, SUBLANES, LANES), 0)


def _turn(factors: Sequence[Ref], tile: Any, turned: Ref) -> None:
    """Transposes the weights of 128 columns, if there are weights."""
    for factor in factors:
        turned[...] = factor[0, :, pl.ds(tile, LANES)].T
