"""Mean and variance of the similarity of two images' gradient magnitudes, in one pass.

As in `jiqa.kernels.ssim_statistics`, the derivative of a moment is one kernel that computes the
moment and its gradient together. Further derivatives are those of the reference.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import ad

from jiqa.kernels.derivatives import Operands, change_along, moves, push_forward
from jiqa.kernels.forms import check_implementation, make_primitive, vary_alike
from jiqa.kernels.gradient_similarity import reference as truth
from jiqa.kernels.gradient_similarity.reference import GradientSimilarity

_moments = make_primitive(__name__, "moments")
_gradient = make_primitive(__name__, "gradient")


class Statistics(NamedTuple):
    """Over all pixels, each `[..., C]`; the variance divides by N."""

    mean: jax.Array
    variance: jax.Array


def gradient_similarity(
    reference: jax.Array,
    distorted: jax.Array,
    similarity: GradientSimilarity,
    *,
    weights: jax.Array | None = None,
    implementation: str | None = None,
) -> Statistics:
    """Mean and variance of the similarity of gradient magnitudes, of each image and channel.

    Equations 1 to 6 of Xue, Zhang, Mou and Bovik, "Gradient magnitude similarity deviation", IEEE
    TIP 23(2), 2014, with zeros around the images. Under `jit`, what is not used of the result is
    not computed, in the gradient neither.

    Args:
        reference: `[..., H, W, C]` of float32 or float64.
        distorted: The same shape and dtype.
        similarity: Operator and constant.
        weights: `[..., H, W]` with a positive sum, or None.
        implementation: A name from `jiqa.kernels.forms.FORMS`, or None for the platform's best.

    Returns:
        Two arrays `[..., C]`.

    Raises:
        ValueError: Unknown implementation.

    >>> image = jnp.linspace(0, 1, 12 * 12).reshape(12, 12, 1)
    >>> prewitt = GradientSimilarity((1 / 3, 1 / 3, 1 / 3), 0.0026)
    >>> print(*gradient_similarity(image, image, prewitt))
    [1.] [0.]
    """
    check_implementation(implementation)
    operands = [reference, distorted]
    if weights is not None:
        weights = jnp.broadcast_to(weights[..., None], reference.shape)
        operands.append(weights.astype(reference.dtype))
    mean, variance = _moments.bind(
        *vary_alike(*operands), similarity=similarity, implementation=implementation
    )
    return Statistics(1 - mean, variance)


def similarity_map(
    reference: jax.Array, distorted: jax.Array, similarity: GradientSimilarity
) -> jax.Array:
    """The map whose mean and variance `gradient_similarity` gives, `[..., H, W, C]`.

    >>> image = jnp.ones((5, 6, 3))
    >>> float(similarity_map(image, image, GradientSimilarity((1.0, 2.0, 1.0), 1.0)).min())
    1.0
    """
    return 1 - truth.dissimilarity(reference, distorted, similarity)


def _differentiate_moments(
    primals: Operands, tangents: Operands, *, similarity: Any, implementation: str | None
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Both moments and their changes; a compiler drops the one that is not used."""
    wrt = tuple(map(moves, tangents[:2]))
    values, changes = [], []
    for variance in (False, True):
        value, *gradients = _gradient.bind(
            *primals,
            similarity=similarity,
            variance=variance,
            wrt=wrt,
            implementation=implementation,
        )
        values.append(value)
        changes.append(change_along(value, gradients, tangents[:2]))
    if any(map(moves, tangents[2:])):
        by_weights = functools.partial(truth.moments, *primals[:2], similarity=similarity)
        for place, change in enumerate(push_forward(by_weights, primals[2:], tangents[2:])):
            changes[place] += change
    return values, changes


def _differentiate_gradient(
    primals: Operands, tangents: Operands, *, implementation: str | None, **parameters: Any
) -> tuple[list[jax.Array], list[jax.Array]]:
    values = _gradient.bind(*primals, implementation=implementation, **parameters)
    slopes = functools.partial(truth.gradient, **parameters)
    return values, list(push_forward(slopes, primals, tangents))


ad.primitive_jvps[_moments] = _differentiate_moments
ad.primitive_jvps[_gradient] = _differentiate_gradient
