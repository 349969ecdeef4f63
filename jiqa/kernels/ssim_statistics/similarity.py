"""The pointwise mathematics of SSIM from four windowed moments, shared by every form.

The moments are the windowed means of x, y, x^2 + y^2 and x y. Only plain arithmetic is used, so
that the same lines serve `jax.numpy` and the insides of a Pallas kernel.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Similarity:
    """What is computed at every position; static.

    Attributes:
        window: One-dimensional window with unit sum, applied along both axes.
        c1: The constant of the luminance comparison, in squared units of the images.
        c2: The constant of the contrast and structure comparison.
        covariance_scale: Factor of the variances and the covariance: 1, or N / (N - 1).
    """

    window: tuple[float, ...]
    c1: float
    c2: float
    covariance_scale: float = 1.0


class Moments(NamedTuple):
    """Windowed means of x, y, x^2 + y^2 and x y."""

    x: Any
    y: Any
    power: Any
    product: Any


def compare(moments: Moments, similarity: Similarity) -> tuple[Any, Any]:
    """The luminance comparison and the contrast-structure comparison; their product is SSIM.

    In this order of operations equal images give exactly 1.
    """
    x, y, power, product = moments
    scale = similarity.covariance_scale
    squares, mean_product = x * x + y * y, x * y
    luminance = (2 * mean_product + similarity.c1) / (squares + similarity.c1)
    covariance = scale * (product - mean_product)
    variances = scale * (power - squares)
    return luminance, (2 * covariance + similarity.c2) / (variances + similarity.c2)


def differentiate(moments: Moments, similarity: Similarity, luminance: bool) -> tuple[Any, Moments]:
    """A comparison and its derivatives with respect to the four moments.

    Args:
        moments: The moments.
        similarity: The constants.
        luminance: Whether the comparison is SSIM, or contrast-structure alone.

    Returns:
        The comparison and its partial derivatives.
    """
    x, y, power, product = moments
    scale = similarity.covariance_scale
    squares, mean_product = x * x + y * y, x * y
    per_variance = 1 / (scale * (power - squares) + similarity.c2)
    value = (2 * scale * (product - mean_product) + similarity.c2) * per_variance
    by_product = 2 * scale * per_variance
    by_power = -scale * value * per_variance
    by_x = by_product * (x * value - y)
    by_y = by_product * (y * value - x)
    if luminance:
        per_squares = 1 / (squares + similarity.c1)
        ratio = (2 * mean_product + similarity.c1) * per_squares
        slope = 2 * value * per_squares
        by_x = ratio * by_x + slope * (y - x * ratio)
        by_y = ratio * by_y + slope * (x - y * ratio)
        by_power, by_product, value = ratio * by_power, ratio * by_product, ratio * value
    return value, Moments(by_x, by_y, by_power, by_product)


def compute_dtype(dtype: Any) -> Any:
    """Double precision is computed in double, everything else in single precision.

    >>> compute_dtype(jnp.bfloat16), compute_dtype("float64")
    (dtype('float32'), dtype('float64'))
    """
    return jnp.dtype("float64" if jnp.dtype(dtype) == jnp.float64 else "float32")


def powers(x: jax.Array, y: jax.Array) -> Moments:
    """What is averaged under the window: x, y, x^2 + y^2 and x y.

    >>> powers(2.0, 3.0)
    Moments(x=2.0, y=3.0, power=13.0, product=6.0)
    """
    return Moments(x, y, x * x + y * y, x * y)
