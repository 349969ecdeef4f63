"""The truth: a weighted sum that float32 holds exactly where channels are levels of 8 bits.

Such a sum can be as near as 5e-6 to a half, less than float32 resolves. So weights are split: a
part of 16 bits, whose products and sums float32 holds exactly, and a small rest.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

NEARLY_WHOLE = 1e-3  # distance from a whole level that is rounding
COARSE = 2**16


def luma(images: jax.Array, *, weights: tuple[float, ...], levels: float, halve: bool) -> jax.Array:
    """As `jiqa.kernels.rounded_luma.rounded_luma`."""
    channels = images * levels
    whole = jnp.round(channels)
    channels = jnp.where(jnp.abs(channels - whole) < NEARLY_WHOLE, whole, channels)
    coarse, rest = split_weights(weights)
    high = weighted_sum(channels, coarse) + 0.5
    low = weighted_sum(channels, rest)
    rounded = (jnp.floor(high) + jnp.floor(high - jnp.floor(high) + low)) / levels
    return halved(rounded) if halve else rounded


def split_weights(weights: Sequence[float]) -> tuple[list[float], list[float]]:
    """Weights as multiples of 2^-16 and what is left.

    >>> split_weights([0.5, 2.0**-20])
    ([0.5, 0.0], [0.0, 9.5367431640625e-07])
    """
    coarse = [round(weight * COARSE) / COARSE for weight in weights]
    return coarse, [weight - part for weight, part in zip(weights, coarse, strict=True)]


def weighted_sum(images: jax.Array, weights: Sequence[float]) -> jax.Array:
    """The weighted sum of the channels of `[..., C]`, `[..., 1]`."""
    parts = (images[..., i : i + 1] * weight for i, weight in enumerate(weights))
    return sum(parts, start=jnp.zeros((), images.dtype))


def halved(images: jax.Array) -> jax.Array:
    """Means of 2 x 2 pixels of `[..., H, W, C]`, with zeros below and to the right of odd sizes.

    >>> print(halved(jnp.ones((3, 2, 1)))[..., 0])
    [[1. ]
     [0.5]]
    """
    *batch, height, width, channels = images.shape
    border = [(0, height % 2), (0, width % 2), (0, 0)]
    images = jnp.pad(images, [*[(0, 0)] * len(batch), *border])
    blocks = images.reshape(*batch, (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
    return blocks.mean((-4, -2))
