"""Mean SSIM and mean contrast-structure of two images in one pass, with their gradients.

The derivative of a mean is one fused kernel that computes the mean and its gradient together, so
that nothing but the gradient itself is kept between the passes. Further derivatives are those of
the map, composed from separable correlations.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import ad

from jiqa.kernels.derivatives import Operands, change_along, moves, push_forward
from jiqa.kernels.forms import check_implementation, make_primitive, vary_alike
from jiqa.kernels.precision import compute_dtype
from jiqa.kernels.separable import separable
from jiqa.kernels.ssim_statistics.similarity import (
    Moments,
    Similarity,
    compare,
    powers,
)

_sums = make_primitive(__name__, "sums")
_gradient = make_primitive(__name__, "gradient")
_comparison_map = make_primitive(__name__, "comparison_map")


class Statistics(NamedTuple):
    """Means over the positions of the window, each `[..., C]`."""

    ssim: jax.Array
    contrast_structure: jax.Array


def ssim_statistics(
    reference: jax.Array,
    distorted: jax.Array,
    similarity: Similarity,
    *,
    weights: jax.Array | None = None,
    implementation: str | None = None,
) -> Statistics:
    """Mean SSIM and mean contrast-structure of each image and channel.

    Equations 6 to 13 of Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13(4), 2004; contrast-structure is the factor
    that MS-SSIM averages at every scale but the coarsest. Under `jit`, what is not used of the
    result is not computed, in the gradient neither.

    Args:
        reference: `[..., H, W, C]` of float16, bfloat16, float32, float64, uint8 or uint16.
        distorted: The same shape and dtype.
        similarity: Window and constants; those of integers are in the integers' units.
        weights: `[..., H', W']`, positions of the window weighted in the mean, or None.
        implementation: A name from `jiqa.kernels.forms.FORMS`, or None for the platform's best.

    Returns:
        Two arrays `[..., C]`, float64 for float64 and float32 for all else.

    Raises:
        ValueError: Unknown implementation.

    >>> image = jnp.linspace(0, 1, 12 * 12).reshape(12, 12, 1)
    >>> statistics = ssim_statistics(image, image, Similarity((0.5, 0.5), 1e-4, 9e-4))
    >>> print(statistics.ssim, statistics.contrast_structure)
    [1.] [1.]
    """
    check_implementation(implementation)
    operands = [reference, distorted]
    positions: float | jax.Array = math.prod(_map_size(reference, similarity))
    if weights is not None:
        weights = weights.astype(compute_dtype(reference.dtype))
        size = *reference.shape[:-3], *_map_size(reference, similarity), reference.shape[-1]
        operands.append(jnp.broadcast_to(weights[..., None], size))
        positions = jnp.sum(weights, (-2, -1))[..., None]
    totals = _sums.bind(
        *vary_alike(*operands), similarity=similarity, implementation=implementation
    )
    return Statistics(*(total / positions for total in totals))


def _map_size(images: jax.Array, similarity: Similarity) -> tuple[int, int]:
    """H' and W' of the map."""
    reach = len(similarity.window) - 1
    return images.shape[-3] - reach, images.shape[-2] - reach


def comparison_map(
    reference: jax.Array,
    distorted: jax.Array,
    similarity: Similarity,
    *,
    luminance: bool = True,
    implementation: str | None = None,
) -> jax.Array:
    """The map whose mean `ssim_statistics` gives.

    Args:
        reference: As in `ssim_statistics`.
        distorted: As in `ssim_statistics`.
        similarity: As in `ssim_statistics`.
        luminance: Whether the map is SSIM, or contrast-structure alone.
        implementation: As in `ssim_statistics`.

    Returns:
        `[..., H', W', C]`, `H' = H - len(window) + 1` and W' likewise.

    Raises:
        ValueError: Unknown implementation.

    >>> image = jnp.ones((5, 6, 3))
    >>> comparison_map(image, image, Similarity((0.5, 0.5), 1e-4, 9e-4)).shape
    (4, 5, 3)
    """
    check_implementation(implementation)
    (result,) = _comparison_map.bind(
        *vary_alike(reference, distorted),
        similarity=similarity,
        luminance=luminance,
        implementation=implementation,
    )
    return result


def _composed_map(
    *images: jax.Array, similarity: Similarity, luminance: bool, implementation: str | None
) -> jax.Array:
    """The comparison map from separable correlations, differentiable to any order."""
    x, y = (image.astype(compute_dtype(image.dtype)) for image in images)
    window = similarity.window
    stacked = jnp.stack(powers(x, y))
    moments = Moments(*separable(stacked, window, window, implementation=implementation))
    ratio, contrast_structure = compare(moments, similarity)
    return ratio * contrast_structure if luminance else contrast_structure


def _composed_gradient(
    *operands: jax.Array, wrt: tuple[bool, bool], **parameters: Any
) -> list[jax.Array]:
    """As the `gradient` of every form, composed from separable correlations."""
    images, weights = operands[:2], operands[2:]

    def total(*images: jax.Array) -> jax.Array:
        return jnp.sum(math.prod(weights, start=_composed_map(*images, **parameters)), (-3, -2))

    dtype = compute_dtype(images[0].dtype)
    value, transpose = jax.vjp(total, *(image.astype(dtype) for image in images))
    gradients = transpose(jnp.ones_like(value))
    return [value, *(each for each, asked in zip(gradients, wrt, strict=True) if asked)]


def _differentiate_sums(
    primals: Operands, tangents: Operands, **parameters: Any
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Both sums and their changes; a compiler drops the one that is not used."""
    both = [
        _differentiate_sum(primals, tangents, luminance=luminance, **parameters)
        for luminance in (True, False)
    ]
    values, changes = zip(*both, strict=True)
    return list(values), list(changes)


def _differentiate_sum(
    primals: Operands, tangents: Operands, **parameters: Any
) -> tuple[jax.Array, jax.Array]:
    """One sum and its change: the inner product of its gradient with the tangents."""
    wrt = tuple(map(moves, tangents[:2]))
    value, *gradients = _gradient.bind(*primals, wrt=wrt, **parameters)
    change = change_along(value, gradients, tangents[:2])
    for tangent in filter(moves, tangents[2:]):
        (comparison,) = _comparison_map.bind(*primals[:2], **parameters)
        change += jnp.sum(comparison * tangent, (-3, -2))
    return value, change


def _differentiate_map(
    primals: Operands, tangents: Operands, **parameters: Any
) -> tuple[list[jax.Array], list[jax.Array]]:
    value = _comparison_map.bind(*primals, **parameters)
    change = push_forward(functools.partial(_composed_map, **parameters), primals, tangents)
    return value, [change]


def _differentiate_gradient(
    primals: Operands, tangents: Operands, **parameters: Any
) -> tuple[list[jax.Array], list[jax.Array]]:
    values = _gradient.bind(*primals, **parameters)
    changes = push_forward(functools.partial(_composed_gradient, **parameters), primals, tangents)
    return values, changes


ad.primitive_jvps[_sums] = _differentiate_sums
ad.primitive_jvps[_comparison_map] = _differentiate_map
ad.primitive_jvps[_gradient] = _differentiate_gradient
