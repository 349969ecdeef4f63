"""Features of the two images that a metric compares."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

T = TypeVar("T")


def pair_features(
    features: Callable[[Any, jax.Array], T],
    parameters: Any,
    reference: jax.Array,
    distorted: jax.Array,
) -> tuple[T, T]:
    """Features of both images, from one batch unless the gradient of only one is asked for.

    A loss needs the gradient with respect to the distorted image alone. Of a batch of both, the
    reference's half of the way back would be computed for nothing.

    Args:
        features: Takes parameters and images `[..., H, W, C]`, and returns a tree of arrays with
            the same leading axes.
        parameters: Given to it.
        reference: Images `[..., H, W, C]`.
        distorted: The same shape and dtype.

    Returns:
        The features of the reference, and those of the distorted image.

    >>> images = jnp.zeros((2, 4, 4, 3)), jnp.ones((2, 4, 4, 3))
    >>> x, y = pair_features(lambda gain, images: gain * images.mean((-3, -2)), 2.0, *images)
    >>> y.tolist()
    [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """

    def together(parameters: Any, *images: jax.Array) -> tuple[T, T]:
        both = features(parameters, jnp.stack(images))
        return jax.tree.map(lambda x: x[0], both), jax.tree.map(lambda x: x[1], both)

    def differentiate(
        primals: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[tuple[T, T], tuple[T, T]]:
        moves = [
            not all(isinstance(leaf, SymbolicZero) for leaf in jax.tree.leaves(tangent))
            for tangent in tangents
        ]
        if moves[0] or all(moves[1:]):
            return jax.jvp(together, primals, jax.tree.map(_instantiate, tangents))
        alone, side = partial(features, primals[0]), moves.index(True)
        moved, slope = jax.jvp(alone, (primals[side],), (tangents[side],))
        still = alone(primals[3 - side])
        zero = jax.tree.map(jnp.zeros_like, still)
        return ((moved, still), (slope, zero)) if side == 1 else ((still, moved), (zero, slope))

    compute = jax.custom_jvp(together)
    compute.defjvp(differentiate, symbolic_zeros=True)
    return compute(parameters, reference, distorted)


def _instantiate(tangent: Any) -> Any:
    if isinstance(tangent, SymbolicZero):
        return jnp.zeros(tangent.shape, tangent.dtype)
    return tangent
