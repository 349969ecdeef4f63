"""The pointwise mathematics of SSIM from four windowed moments, shared by every form.

The moments are the windowed means of x, y, (x - y)^2 and x y. The variances of x and y add up to
the variance of x - y and twice the covariance, so both comparisons of SSIM are a / (a + d) with a d
that is exactly zero for equal images. Written as 1 - d / (a + d) they are then exactly 1, however a
compiler contracts products and sums and a processor divides. Only plain arithmetic is used, so that
the same lines serve `jax.numpy` and the insides of a Pallas kernel.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax


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
    """Windowed means of x, y, (x - y)^2 and x y."""

    x: Any
    y: Any
    difference: Any
    product: Any


def powers(x: jax.Array, y: jax.Array) -> Moments:
    """What is averaged under the window: x, y, (x - y)^2 and x y.

    >>> powers(2.0, 5.0)
    Moments(x=2.0, y=5.0, difference=9.0, product=10.0)
    """
    return Moments(x, y, (x - y) * (x - y), x * y)


def compare(moments: Moments, similarity: Similarity) -> tuple[Any, Any]:
    """The luminance comparison and the contrast-structure comparison; their product is SSIM."""
    (means_alike, means_apart), (alike, apart) = _terms(moments, similarity)
    return 1 - means_apart / (means_alike + means_apart), 1 - apart / (alike + apart)


def differentiate(moments: Moments, similarity: Similarity, luminance: bool) -> tuple[Any, Moments]:
    """A comparison and its derivatives with respect to the four moments.

    Args:
        moments: The moments.
        similarity: The constants.
        luminance: Whether the comparison is SSIM, or contrast-structure alone.

    Returns:
        The comparison and its partial derivatives.
    """
    x, y, *_ = moments
    scale = 2 * similarity.covariance_scale
    means, (alike, apart) = _terms(moments, similarity)
    share = 1 / (alike + apart)
    rest = apart * share
    value = 1 - rest
    by_product = scale * share * rest
    by_difference = -scale / 2 * share * value
    by_x = -y * by_product - 2 * (x - y) * by_difference
    by_y = -x * by_product + 2 * (x - y) * by_difference
    if luminance:
        alike, apart = means
        share = 1 / (alike + apart)
        rest = apart * share
        ratio, slope = 1 - rest, 2 * value * share
        by_x = ratio * by_x + slope * (y * rest - (x - y) * ratio)
        by_y = ratio * by_y + slope * (x * rest + (x - y) * ratio)
        by_difference, by_product, value = ratio * by_difference, ratio * by_product, ratio * value
    return value, Moments(by_x, by_y, by_difference, by_product)


def chain(own: Any, other: Any, by_own: Any, by_difference: Any, by_product: Any) -> Any:
    """The gradient with respect to one image, from what the windows owe to its `powers`.

    Args:
        own: The image.
        other: The image it is compared with.
        by_own: Derivatives with respect to the image's mean, spread over the windows.
        by_difference: The same with respect to (x - y)^2.
        by_product: The same with respect to x y.

    Returns:
        The derivative at every pixel.
    """
    return by_own + 2 * (own - other) * by_difference + other * by_product


def _terms(moments: Moments, similarity: Similarity) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """What is alike and what is apart, for the means and for contrast and structure."""
    x, y, difference, product = moments
    scale, apart = similarity.covariance_scale, (x - y) * (x - y)
    covariance, variance = scale * (product - x * y), scale * (difference - apart)
    return (2 * (x * y) + similarity.c1, apart), (2 * covariance + similarity.c2, variance)
