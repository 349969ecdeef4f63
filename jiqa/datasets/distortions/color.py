"""Colour: diffusion, shift, saturation and chromatic aberration."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import safe_divide
from jiqa.core.color import (
    hsv_to_rgb,
    lab_to_rgb,
    luma,
    rgb_to_hsv,
    rgb_to_lab,
    rgb_to_ycbcr,
    ycbcr_to_rgb,
)
from jiqa.core.filters import correlate_separable, gaussian_window, gradient_magnitude
from jiqa.datasets.distortions.blur import smooth
from jiqa.datasets.distortions.registry import distortion


@distortion(
    "kadid",
    4,
    group="color",
    parameter="amount",
    levels=(1, 3, 6, 8, 12),
    differentiable=True,
    needs_color=True,
)
def color_diffusion(image: jax.Array, amount: ArrayLike) -> jax.Array:
    """Colour that runs and grows: a* and b* blurred and multiplied."""
    deviation = 1.5 * jnp.asarray(amount, image.dtype) + 2
    lab = rgb_to_lab(image)
    radius = jnp.ceil(2 * deviation)
    blurred = smooth(lab[..., 1:], deviation, radius, most=40, border="replicate")
    return lab_to_rgb(lab.at[..., 1:].set(amount * blurred))


@distortion(
    "kadid",
    5,
    group="color",
    parameter="shift in pixels",
    levels=(1, 3, 6, 8, 12),
    needs_color=True,
)
def color_shift(image: jax.Array, amount: ArrayLike, key: jax.Array) -> jax.Array:
    """Green that is shifted to the lower right, where there are edges."""
    edges = gradient_magnitude(luma(image, "bt601"), "sobel", border="replicate")
    edges = smooth(edges, 4.0, 8, most=8, border="replicate")
    low, high = jnp.quantile(edges, jnp.asarray([0.01, 0.99], image.dtype))
    blend = jnp.clip(safe_divide(edges - low, high - low), 0, 1)
    direction = jax.random.uniform(key, (2,), image.dtype)
    direction = amount * direction / jnp.linalg.norm(direction)
    green = shift(image[..., 1:2], *jnp.round(direction))
    return image.at[..., 1:2].set(blend * green + (1 - blend) * image[..., 1:2])


def shift(image: jax.Array, down: ArrayLike, right: ArrayLike) -> jax.Array:
    """Moves an image by pixels, fractions by linear interpolation; the border is replicated.

    >>> print(shift(jnp.arange(3.0)[None, :, None], 0, 1.5)[0, :, 0])
    [0.  0.  0.5]
    """
    for axis, distance in ((0, down), (1, right)):
        length = image.shape[axis]
        place = jnp.clip(np.arange(length) - jnp.asarray(distance, image.dtype), 0, length - 1)
        before = jnp.floor(place).astype(jnp.int32)
        share = jnp.expand_dims(place - before, (1 - axis, 2))
        after = jnp.minimum(before + 1, length - 1)
        image = (1 - share) * jnp.take(image, before, axis) + share * jnp.take(image, after, axis)
    return image


@distortion(
    "kadid",
    7,
    group="color",
    parameter="factor",
    levels=(0.4, 0.2, 0.1, 0, -0.4),
    differentiable=True,
    needs_color=True,
)
def saturation_hsv(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Saturation of HSV times a factor; a negative one gives complementary colours.

    Complementary colours are brighter than their value: if one is beyond white, all are darkened.
    """
    hsv = rgb_to_hsv(image)
    factors = jnp.stack([jnp.ones(()), factor, jnp.ones(())]).astype(image.dtype)
    changed = hsv_to_rgb(factors * hsv)
    return changed / jnp.maximum(changed.max(), 1)


@distortion(
    "kadid",
    8,
    group="color",
    parameter="factor",
    levels=(1, 2, 3, 6, 9),
    differentiable=True,
    needs_color=True,
)
def saturation_lab(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """a* and b* times a factor, cut off at the gamut."""
    factors = jnp.stack([jnp.ones(()), factor, factor]).astype(image.dtype)
    return lab_to_rgb(factors * rgb_to_lab(image))


@distortion(
    "tid",
    18,
    group="color",
    parameter="by how much the factor is below 1",
    between=(1e-3, 20.0),
    differentiable=True,
    needs_color=True,
)
def saturation_change(image: jax.Array, reduction: ArrayLike) -> jax.Array:
    """Colour differences of YCbCr, reduced and beyond grey inverted."""
    factor = 1 - jnp.asarray(reduction, image.dtype)
    components = rgb_to_ycbcr(image)
    neutral = jnp.asarray([0, 128 / 255, 128 / 255], image.dtype)
    factors = jnp.stack([jnp.ones_like(factor), factor, factor])
    return ycbcr_to_rgb(neutral + factors * (components - neutral))


@distortion(
    "tid",
    23,
    group="color",
    parameter="shift of red in pixels",
    between=(0.05, 60.0),
    differentiable=True,
    needs_color=True,
    approximate="blue is shifted half as far as red, to the same side",
)
def chromatic_aberration(image: jax.Array, distance: ArrayLike) -> jax.Array:
    """Red and, half as far, blue shifted to the right, then a slight blur."""
    red = shift(image[..., :1], 0, distance)
    blue = shift(image[..., 2:], 0, jnp.asarray(distance) / 2)
    shifted = jnp.concatenate([red, image[..., 1:2], blue], -1)
    return correlate_separable(shifted, gaussian_window(3, 0.5), border="replicate")
