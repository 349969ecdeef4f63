"""The form for TPUs, in Pallas: a tile's moments in vector memory, nothing stored but results."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from jiqa.kernels.ssim_statistics.similarity import (
    Moments,
    Similarity,
    chain,
    compare,
    differentiate,
    powers,
)
from jiqa.kernels.tiles import (
    DTYPES,
    LANES,
    MOST_TAPS,
    SUBLANES,
    Tiling,
    add_registers,
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
    similarity: Similarity,
    **_: Any,
) -> bool:
    """Whether the images' dtype is one of a TPU's and the window fits a tile."""
    return jnp.dtype(operands[0].dtype).name in DTYPES and len(similarity.window) <= MOST_TAPS


def sums(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    interpret: Any = False,
) -> tuple[jax.Array, jax.Array]:
    """As `jiqa.kernels.ssim_statistics.reference.sums`."""
    _, positions = _sizes(reference, similarity)
    tiling = make_tiling(positions, len(similarity.window))

    def body(x: Any, y: Any, *rest: Any) -> None:
        *factors, ssim, contrast_structure = rest
        moments = _moments(tiling, x, y, similarity, tiling.height)
        ratio, structure = compare(moments, similarity)
        for total, values in ((ssim, ratio * structure), (contrast_structure, structure)):
            _accumulate(total, _weigh(tiling, values, factors, positions))

    planes = [to_planes(each) for each in (reference, distorted, weights) if each is not None]
    ssim, contrast_structure = _call(body, tiling, planes, totals=2, interpret=interpret)
    return _sum_plane(ssim, reference), _sum_plane(contrast_structure, reference)


def comparison_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    similarity: Similarity,
    luminance: bool,
    interpret: Any = False,
) -> jax.Array:
    """As `jiqa.kernels.ssim_statistics.reference.comparison_map`."""
    _, positions = _sizes(reference, similarity)
    tiling = make_tiling(positions, len(similarity.window))

    def body(x: Any, y: Any, result: Any) -> None:
        moments = _moments(tiling, x, y, similarity, tiling.height)
        ratio, structure = compare(moments, similarity)
        result[0] = tiling.own(ratio * structure if luminance else structure)

    planes = [to_planes(reference), to_planes(distorted)]
    (result,) = _call(body, tiling, planes, maps=1, interpret=interpret)
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
    """As `jiqa.kernels.ssim_statistics.reference.gradient`.

    A tile of pixels computes the slopes at all positions whose windows hold them, those of its
    neighbours' pixels along its border again.
    """
    size, positions = _sizes(reference, similarity)
    tiling = make_tiling(size, len(similarity.window), before=True)
    own = tiling.own

    def body(x: Any, y: Any, *rest: Any) -> None:
        factors = rest[: weights is not None]
        total, *gradients = rest[len(factors) :]
        moments = _moments(tiling, x, y, similarity, tiling.top + tiling.height)
        value, slopes = differentiate(moments, similarity, luminance)
        value, by_x, by_y, *others = (
            _weigh(tiling, each, factors, positions, own=False) for each in (value, *slopes)
        )
        _accumulate(total, own(value))
        others = [_spread(tiling, each, similarity) for each in others]
        images = [own(tiling.read(image)) for image in (x, y)]
        asked = [place for place in (0, 1) if wrt[place]]
        for result, place in zip(gradients, asked, strict=True):
            by_mean = _spread(tiling, (by_x, by_y)[place], similarity)
            result[0] = chain(images[place], images[1 - place], by_mean, *others)

    planes = [to_planes(each) for each in (reference, distorted, weights) if each is not None]
    total, *gradients = _call(body, tiling, planes, totals=1, maps=sum(wrt), interpret=interpret)
    channels = reference.shape[-1]
    return _sum_plane(total, reference), *(from_planes(each, channels) for each in gradients)


def _sizes(images: jax.Array, similarity: Similarity) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size of the images and the size of the map."""
    reach = len(similarity.window) - 1
    _, height, width, _ = images.shape
    return (height, width), (height - reach, width - reach)


def _moments(tiling: Tiling, x: Any, y: Any, similarity: Similarity, rows: int) -> Moments:
    """The moments at the first `rows` rows of positions that the tile reads pixels of."""
    window = similarity.window
    images = (tiling.read(image) for image in (x, y))
    return Moments(
        *(slide_across(slide_down(each, window, 0, rows), window) for each in powers(*images))
    )


def _weigh(
    tiling: Tiling,
    values: jax.Array,
    factors: Sequence[Any],
    positions: tuple[int, int],
    *,
    own: bool = True,
) -> jax.Array:
    """Values at positions times their weights, zero where there is no position."""
    values = jnp.where(tiling.inside(values.shape, positions), values, 0)
    for factor in factors:
        values = values * tiling.read(factor)[: values.shape[0]]
    return tiling.own(values) if own else values


def _spread(tiling: Tiling, slopes: jax.Array, similarity: Similarity) -> jax.Array:
    """The adjoint of the window, at the tile's own pixels."""
    window = similarity.window
    across = slide_across(slopes, window, -1)[:, tiling.left : tiling.left + tiling.width]
    return slide_down(across, window[::-1], tiling.top - len(window) + 1, tiling.height)


def _accumulate(total: Any, values: jax.Array) -> None:
    first = (pl.program_id(1) == 0) & (pl.program_id(2) == 0)

    @pl.when(first)
    def _() -> None:
        total[0] = jnp.zeros((SUBLANES, LANES), jnp.float32)

    total[0] += add_registers(values)


def _call(
    body: Any,
    tiling: Tiling,
    planes: Sequence[jax.Array],
    *,
    totals: int = 0,
    maps: int = 0,
    interpret: Any,
) -> Sequence[jax.Array]:
    count = planes[0].shape[0]
    total = jax.ShapeDtypeStruct((count, SUBLANES, LANES), jnp.float32)
    result = jax.ShapeDtypeStruct((count, tiling.rows, tiling.columns), jnp.float32)
    total_spec = pl.BlockSpec((1, SUBLANES, LANES), lambda plane, *_: (plane, 0, 0))
    return pl.pallas_call(
        body,
        grid=(count, *tiling.grid),
        in_specs=[tiling.input_spec()] * len(planes),
        out_specs=[total_spec] * totals + [tiling.output_spec()] * maps,
        out_shape=[total] * totals + [result] * maps,
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary", "arbitrary")
        ),
        interpret=interpret,
        name="jiqa_ssim",
    )(*map(tiling.extend, planes))


def _sum_plane(total: jax.Array, images: jax.Array) -> jax.Array:
    return jnp.sum(total, (1, 2)).reshape(images.shape[0], images.shape[-1])
