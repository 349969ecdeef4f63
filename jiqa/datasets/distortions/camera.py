"""A simulated camera: from light through lens, sensor and processing to a JPEG file."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import pass_through
from jiqa.core.color import linear_to_srgb, srgb_to_linear
from jiqa.core.filters import correlate_separable
from jiqa.datasets.distortions.blur import convolve, disk, line, smooth
from jiqa.datasets.distortions.jpeg import jpeg_decoded, quality_scale
from jiqa.datasets.distortions.registry import distortion

READ_NOISE = 3.0  # electrons
MOST_RADIUS, MOST_LENGTH = 8, 24
SHARPENING_DEVIATION = 1.0

# What each level of the whole camera has.
CHAIN = {
    "radius": (0.5, 0.8, 1.3, 2.0, 3.0),
    "length": (1.0, 2.0, 3.0, 5.0, 9.0),
    "electrons": (10_000.0, 3_000.0, 1_000.0, 300.0, 100.0),
    "sharpening": (0.3, 0.5, 0.7, 1.0, 1.3),
    "quality": (92.0, 80.0, 60.0, 40.0, 20.0),
}


def expose(
    light: jax.Array, electrons: ArrayLike, key: jax.Array, *, read_noise: float = READ_NOISE
) -> jax.Array:
    """What a sensor counts: photo-electrons, Poisson distributed, and normal read noise.

    Args:
        light: Linear light of any shape, in [0, 1].
        electrons: How many white gives, on average; it may be traced.
        key: A typed key.
        read_noise: Deviation in electrons.

    Returns:
        Linear light with noise, the same shape; not clipped. The gradient is that of the mean.

    >>> light = jnp.full((100, 100), 0.5)
    >>> noise = expose(light, 100.0, jax.random.key(0)) - light
    >>> print(jnp.std(noise).round(2))  # sqrt(50 + 9) / 100
    0.08
    """
    shot, read = jax.random.split(key)
    mean = electrons * jnp.clip(light, 0, 1)
    count = jax.random.poisson(shot, jax.lax.stop_gradient(mean)).astype(light.dtype)
    count += read_noise * jax.random.normal(read, light.shape, light.dtype)
    return pass_through(count / electrons, mean / electrons)


def mosaic(image: jax.Array) -> jax.Array:
    """Which sample of each pixel a sensor with red, green, green and blue filters has.

    Args:
        image: `[H, W, 3]`; red is at the top left.

    Returns:
        1 where there is a sample, else 0, `[H, W, 3]`.

    >>> print(mosaic(jnp.ones((2, 2, 3))).argmax(-1))
    [[0 1]
     [1 2]]
    """
    height, width, _ = image.shape
    channel = np.arange(height)[:, None] % 2 + np.arange(width) % 2
    return jnp.asarray(np.arange(3) == channel[..., None], image.dtype)


def demosaic(samples: jax.Array, mask: jax.Array) -> jax.Array:
    """Fills in missing samples by the mean of the nearest, each channel by itself.

    Args:
        samples: `[H, W, 3]`, of which those count where the mask is 1.
        mask: As `mosaic` gives it.

    Returns:
        `[H, W, 3]`.

    >>> image = jnp.ones((5, 6, 3)) * jnp.array([0.2, 0.5, 0.7])
    >>> bool(jnp.allclose(demosaic(image, mosaic(image)), image))
    True
    """
    window = np.array([1.0, 2.0, 1.0])
    total, weight = (correlate_separable(x, window, border="zero") for x in (samples * mask, mask))
    return jnp.where(mask > 0, samples, total / weight)


def simulate_camera(
    image: jax.Array,
    key: jax.Array,
    *,
    radius: ArrayLike,
    length: ArrayLike,
    electrons: ArrayLike,
    sharpening: ArrayLike,
    quality: ArrayLike,
) -> jax.Array:
    """An image as a camera would take it of a scene that looks like it.

    In linear light: defocus, motion, a sensor with a Bayer mosaic, shot and read noise, and
    bilinear demosaicking; then, in sRGB, sharpening and JPEG. A grey image has no mosaic.

    Args:
        image: `[H, W, C]` of sRGB in [0, 1].
        key: A typed key.
        radius: Of the disk of defocus in pixels, up to 8.
        length: Of the motion in pixels, 1 (none) to 24, its direction random.
        electrons: How many white gives on average: fewer are noisier.
        sharpening: How much of the difference to a blurred image is added.
        quality: Of libjpeg.

    Returns:
        The same shape, in [0, 1]. The gradient passes straight through noise and rounding.

    >>> image = jnp.full((16, 16, 3), 0.5)
    >>> taken = simulate_camera(image, jax.random.key(0), radius=1, length=3, electrons=1e6,
    ...                         sharpening=0.5, quality=95)
    >>> bool(abs(taken - image).max() < 0.02)
    True
    """
    turn, noise = jax.random.split(key)
    angle = jax.random.uniform(turn, maxval=jnp.pi, dtype=image.dtype)
    light = convolve(srgb_to_linear(image), disk(radius, MOST_RADIUS))
    light = convolve(light, line(length, angle, MOST_LENGTH))
    light = expose(light, electrons, noise)
    if image.shape[-1] == 3:
        light = demosaic(light, mosaic(light))
    signal = linear_to_srgb(jnp.clip(light, 0, 1))
    blurred = smooth(signal, SHARPENING_DEVIATION, 3, most=3, border="replicate")
    signal = jnp.clip(signal + sharpening * (signal - blurred), 0, 1)
    return jpeg_decoded(signal, quality_scale(quality))


@distortion(
    "camera",
    1,
    group="blur",
    parameter="radius in pixels",
    levels=(0.8, 1.3, 2, 3, 5),
    differentiable=True,
)
def defocus(image: jax.Array, radius: ArrayLike) -> jax.Array:
    """A lens out of focus, in linear light."""
    return linear_to_srgb(convolve(srgb_to_linear(image), disk(radius, MOST_RADIUS)))


@distortion(
    "camera",
    2,
    group="blur",
    parameter="length in pixels",
    levels=(2, 4, 7, 11, 16),
    differentiable=True,
)
def motion(image: jax.Array, length: ArrayLike, key: jax.Array) -> jax.Array:
    """A straight motion in a random direction, in linear light."""
    angle = jax.random.uniform(key, maxval=jnp.pi, dtype=image.dtype)
    return linear_to_srgb(convolve(srgb_to_linear(image), line(length, angle, MOST_LENGTH)))


@distortion(
    "camera",
    3,
    group="noise",
    parameter="electrons of white",
    levels=(8000, 2000, 500, 150, 50),
    differentiable=True,
)
def sensor_noise(image: jax.Array, electrons: ArrayLike, key: jax.Array) -> jax.Array:
    """Shot and read noise of a sensor, in linear light."""
    return linear_to_srgb(expose(srgb_to_linear(image), electrons, key))


@distortion(
    "camera",
    4,
    group="spatial",
    parameter="electrons of white",
    levels=(8000, 800, 250, 100, 40),
    differentiable=True,
    needs_color=True,
)
def bayer_sensor(image: jax.Array, electrons: ArrayLike, key: jax.Array) -> jax.Array:
    """A noisy sensor with a Bayer mosaic, and bilinear demosaicking."""
    light = expose(srgb_to_linear(image), electrons, key)
    return linear_to_srgb(jnp.clip(demosaic(light, mosaic(light)), 0, 1))


@distortion(
    "camera",
    5,
    group="spatial",
    parameter="level of all parts",
    levels=(1, 2, 3, 4, 5),
    differentiable=True,
)
def chain(image: jax.Array, level: ArrayLike, key: jax.Array) -> jax.Array:
    """A whole camera: defocus, motion, noise, mosaic, sharpening and JPEG, all worse together."""
    places = jnp.arange(1.0, 6.0)
    settings = {
        name: jnp.interp(jnp.asarray(level, jnp.float32), places, jnp.asarray(values))
        for name, values in CHAIN.items()
    }
    return simulate_camera(image, key, **settings)
