"""Tone: brightness and contrast."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jiqa.core.color import lab_to_rgb, rgb_to_lab
from jiqa.datasets.distortions.registry import distortion

OVEREXPOSURE = (0.15, 0.30, 0.45, 0.60, 0.75)


def bend(values: jax.Array, middle: ArrayLike) -> jax.Array:
    """A tone curve through (0, 0), (0.5, middle) and (1, 1), clipped to [0, 1].

    The cubic spline through three points is their parabola.

    >>> print(bend(jnp.array([0.0, 0.5, 1.0]), 0.7))
    [0.  0.7 1. ]
    """
    return jnp.clip(values + 4 * (middle - 0.5) * values * (1 - values), 0, 1)


@distortion(
    "kadid",
    16,
    group="tone",
    parameter="amount",
    levels=(0.1, 0.2, 0.4, 0.7, 1.1),
    differentiable=True,
    needs_color=True,
)
def brighten(image: jax.Array, amount: ArrayLike) -> jax.Array:
    """A rising tone curve, two thirds of it on RGB and one on lightness."""
    middle = 0.5 + amount / 2
    lab = rgb_to_lab(image)
    lightness = 100 * bend(lab[..., :1] / 100, middle)
    lighter = lab_to_rgb(jnp.concatenate([lightness, lab[..., 1:]], -1))
    return (2 * bend(image, middle) + jnp.clip(lighter, 0, 1)) / 3


@distortion(
    "kadid",
    17,
    group="tone",
    parameter="amount",
    levels=(0.05, 0.1, 0.2, 0.4, 0.8),
    differentiable=True,
)
def darken(image: jax.Array, amount: ArrayLike) -> jax.Array:
    """A falling tone curve."""
    return bend(image, 0.5 - amount / 2)


@distortion(
    "kadid",
    18,
    group="tone",
    parameter="offset",
    levels=(0.15, 0.08, 0, -0.08, -0.15),
    differentiable=True,
    severity=(3, 2, 4, 1, 5),
)
def mean_shift(image: jax.Array, offset: ArrayLike) -> jax.Array:
    """A constant that is added, brighter to darker."""
    return image + offset


@distortion(
    "kadid",
    25,
    group="tone",
    parameter="amount",
    levels=(0.3, 0.15, 0, -0.4, -0.6),
    differentiable=True,
    severity=(3, 4, 2, 5, 1),
)
def contrast_change(image: jax.Array, amount: ArrayLike) -> jax.Array:
    """A tone curve through (0.3, 0.25 - c / 4), (0.5, 0.5) and (0.7, 0.75 + c / 4).

    It is the identity at c = -0.2; c = 0 and -0.4 are as far from it.
    """
    # The spline through five points that are symmetric about the middle is one odd cubic.
    cubic = -(0.05 + jnp.asarray(amount) / 4) / 0.042
    offset = image - 0.5
    return 0.5 + (1 - cubic / 4) * offset + cubic * offset**3


@distortion(
    "tid",
    16,
    group="tone",
    parameter="offset",
    between=(1e-3, 1.0),
    variants=(1, -1, 1, -1, 1),
    differentiable=True,
    approximate="which levels are brighter, the odd ones, is ours",
)
def alternating_shift(image: jax.Array, offset: ArrayLike, variant: ArrayLike) -> jax.Array:
    """A constant that is added or subtracted, in turn."""
    return image + offset * variant


@distortion(
    "tid",
    17,
    group="tone",
    parameter="change of the factor's logarithm",
    between=(1e-3, 8.0),
    variants=(-1, 1, -1, 1, -1),
    differentiable=True,
    severity=(2, 4, 1, 3, 5),
)
def alternating_contrast(image: jax.Array, change: ArrayLike, variant: ArrayLike) -> jax.Array:
    """Contrast about mid-grey, lower and higher in turn.

    Observers prefer the higher to the lower, so opinion falls from level 2 over 4, 1 and 3 to 5.
    """
    return 0.5 + jnp.exp(jnp.asarray(change) * variant) * (image - 0.5)


@distortion(
    "dbcnn",
    5,
    group="tone",
    parameter="range left",
    levels=(0.6, 0.4, 0.2, 0.1, 0.02),
    differentiable=True,
)
def contrast_stretch(image: jax.Array, span: ArrayLike) -> jax.Array:
    """The first to the 99th percentile of each channel, mapped to a range about mid-grey."""
    ends = jnp.asarray([0.01, 0.99], image.dtype)
    low, high = jnp.quantile(image, ends, axis=(0, 1))
    width = jnp.where(high > low, high - low, 1)
    return 0.5 + jnp.asarray(span) * (jnp.clip((image - low) / width, 0, 1) - 0.5)


@distortion("dbcnn", 8, group="tone", parameter="offset", levels=OVEREXPOSURE, differentiable=True)
def overexposure(image: jax.Array, offset: ArrayLike) -> jax.Array:
    """A constant that is added."""
    return image + offset


@distortion("dbcnn", 9, group="tone", parameter="offset", levels=OVEREXPOSURE, differentiable=True)
def underexposure(image: jax.Array, offset: ArrayLike) -> jax.Array:
    """A constant that is subtracted."""
    return image - offset
