"""Luma rounded to whole levels, half up, in one pass over the pixels.

Rounding takes some thirty operations a pixel, on channels that lie three apart in memory: more than
all that GMSD does afterwards, where XLA makes loops of it. GMSD halves the result, which at once
spares a plane of full size an image.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.interpreters import ad

from jiqa.kernels.forms import check_implementation, make_primitive
from jiqa.kernels.rounded_luma.reference import halved, weighted_sum

_luma = make_primitive(__name__, "luma")


def rounded_luma(
    images: jax.Array,
    weights: Sequence[float],
    *,
    levels: float,
    halve: bool = False,
    implementation: str | None = None,
) -> jax.Array:
    """The weighted sum of three channels, rounded to whole levels.

    Channels that are whole levels but for the rounding of k / 255 are made whole first, and the sum
    is exact where they are and are below 256.

    Args:
        images: `[..., H, W, 3]` of float32 or float64.
        weights: Three numbers.
        levels: How many levels a change of 1 is.
        halve: Whether means of 2 x 2 pixels are taken of it, with zeros beyond odd sizes.
        implementation: A name from `jiqa.kernels.forms.FORMS`, or None for the platform's best.

    Returns:
        `[..., H, W, 1]` in the images' unit, or `[..., ceil(H / 2), ceil(W / 2), 1]`. The
        derivative is that of the sum without rounding.

    Raises:
        ValueError: Unknown implementation.

    >>> import jax.numpy as jnp
    >>> print(rounded_luma(jnp.array([[[1.0, 2.0, 6.0]]]), (0.5, 0.25, 0.25), levels=1.0))
    [[[3.]]]
    """
    check_implementation(implementation)
    (result,) = _luma.bind(
        images,
        weights=tuple(map(float, weights)),
        levels=float(levels),
        halve=halve,
        implementation=implementation,
    )
    return result


def _pass_straight_through(
    primals: Sequence[jax.Array],
    tangents: Sequence[jax.Array],
    *,
    weights: tuple[float, ...],
    halve: bool,
    **parameters: Any,
) -> tuple[list[jax.Array], list[jax.Array]]:
    (change,) = tangents
    change = weighted_sum(change, weights)
    luma = _luma.bind(*primals, weights=weights, halve=halve, **parameters)
    return luma, [halved(change) if halve else change]


ad.primitive_jvps[_luma] = _pass_straight_through
