"""The form for CPUs without a compiler: strips of rows, a banded matrix product, then shifts."""

import jax
import jax.numpy as jnp
from jax import lax

from jiqa.kernels.precision import compute_dtype
from jiqa.kernels.ssim_statistics.similarity import (
    Moments,
    Similarity,
    chain,
    compare,
    differentiate,
    powers,
)
from jiqa.kernels.strips import Strips, band, fold, padded_columns, shifted_sum


def sums(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
) -> tuple[jax.Array, jax.Array]:
    """As `jiqa.kernels.ssim_statistics.reference.sums`."""
    strips = _cut(reference, similarity)
    x, y, factors = fold(reference), fold(distorted), None if weights is None else fold(weights)
    channels = reference.shape[-1]

    def add(index: jax.Array) -> list[jax.Array]:
        luminance, contrast_structure = compare(
            _moments(x, y, strips, index, similarity, channels), similarity
        )
        maps = luminance * contrast_structure, contrast_structure
        if factors is not None:
            weight = strips.take_outputs(factors, index)
            maps = weight * maps[0], weight * maps[1]
        return [_sum_channels(strips.keep_new(each, index), channels) for each in maps]

    ssim, contrast_structure = lax.map(add, strips.indices)
    return strips.sum_images(ssim), strips.sum_images(contrast_structure)


def comparison_map(
    reference: jax.Array, distorted: jax.Array, *, similarity: Similarity, luminance: bool
) -> jax.Array:
    """As `jiqa.kernels.ssim_statistics.reference.comparison_map`."""
    strips = _cut(reference, similarity)
    x, y = fold(reference), fold(distorted)
    count, _, width, channels = reference.shape
    width -= len(similarity.window) - 1

    def write(index: jax.Array, result: jax.Array) -> jax.Array:
        moments = _moments(x, y, strips, index, similarity, channels)
        ratio, contrast_structure = compare(moments, similarity)
        comparison = ratio * contrast_structure if luminance else contrast_structure
        return strips.put_outputs(result, comparison, index)

    empty = jnp.zeros((count, strips.outputs, width * channels), compute_dtype(reference.dtype))
    result = lax.fori_loop(0, strips.number, write, empty)
    return result.reshape(count, strips.outputs, width, channels)


def gradient(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    luminance: bool,
    wrt: tuple[bool, bool],
) -> tuple[jax.Array, ...]:
    """As `jiqa.kernels.ssim_statistics.reference.gradient`.

    Each strip adds what it owes to the rows under its windows, so nothing is computed twice.
    """
    strips = _cut(reference, similarity)
    x, y, factors = fold(reference), fold(distorted), None if weights is None else fold(weights)
    channels, dtype = reference.shape[-1], compute_dtype(reference.dtype)
    spread_rows = band(similarity.window, strips.rows, 1, dtype).T

    def spread(slope: jax.Array) -> jax.Array:
        # The product first: it makes the most of the fewer columns before the shifts.
        rows = jnp.dot(spread_rows, slope, precision="highest")
        taps = len(similarity.window)
        return shifted_sum(
            padded_columns(rows, (taps - 1) * channels), similarity.window[::-1], channels
        )

    def step(
        index: jax.Array, state: tuple[jax.Array, list[jax.Array]]
    ) -> tuple[jax.Array, list[jax.Array]]:
        totals, gradients = state
        moments = _moments(x, y, strips, index, similarity, channels)
        value, slopes = differentiate(moments, similarity, luminance)
        kept = [value, *slopes]
        if factors is not None:
            weight = strips.take_outputs(factors, index)
            kept = [weight * each for each in kept]
        value, by_x, by_y, *others = (strips.keep_new(each, index) for each in kept)
        others = [spread(each) for each in others]
        images = [strips.take_inputs(image, index).astype(dtype) for image in (x, y)]
        owed = [
            chain(own, other, spread(slope), *others)
            for slope, own, other, asked in zip(
                (by_x, by_y), images, images[::-1], wrt, strict=True
            )
            if asked
        ]
        gradients = [
            strips.add_inputs(gradient, rows, index)
            for gradient, rows in zip(gradients, owed, strict=True)
        ]
        totals = totals.at[index].set(_sum_channels(value, channels))
        return totals, gradients

    empty = [jnp.zeros(x.shape, dtype) for asked in wrt if asked]
    totals = jnp.zeros((strips.number, channels), dtype)
    totals, gradients = lax.fori_loop(0, strips.number, step, (totals, empty))
    return strips.sum_images(totals), *(each.reshape(reference.shape) for each in gradients)


def _cut(images: jax.Array, similarity: Similarity) -> Strips:
    return Strips.cut(images.shape[0], images.shape[1], len(similarity.window))


def _moments(
    x: jax.Array,
    y: jax.Array,
    strips: Strips,
    index: jax.Array,
    similarity: Similarity,
    channels: int,
) -> Moments:
    """The windowed moments of one strip, each `[rows, W' * C]`."""
    dtype = compute_dtype(x.dtype)
    down = band(similarity.window, strips.rows, 1, dtype)
    rows = (strips.take_inputs(image, index).astype(dtype) for image in (x, y))
    # Four products, not one of four stacked images: stacking copies.
    products = (jnp.dot(down, power, precision="highest") for power in powers(*rows))
    return Moments(*(shifted_sum(each, similarity.window, channels) for each in products))


def _sum_channels(rows: jax.Array, channels: int) -> jax.Array:
    """Sums folded rows `[rows, W' * C]` to `[C]`."""
    return jnp.sum(jnp.sum(rows, 0).reshape(-1, channels), 0)
