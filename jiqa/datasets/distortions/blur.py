"""Blur: Gaussian, of a lens out of focus, of motion; and sharpening."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import lab_to_rgb, rgb_to_lab
from jiqa.datasets.distortions.registry import distortion

SHARPEN_RADIUS = 3.0


def smooth(
    image: jax.Array, deviation: ArrayLike, radius: ArrayLike, *, most: int, border: str
) -> jax.Array:
    """Gaussian blur whose deviation may be traced.

    Each axis is multiplied by a matrix: on every device that is faster than a convolution with one
    channel, and takes as long for wide as for narrow windows.

    Args:
        image: `[H, W, C]`.
        deviation: In pixels.
        radius: The window reaches that many pixels to either side.
        most: The greatest radius, a constant.
        border: "replicate" or "symmetric".

    Returns:
        The same shape.

    >>> print(smooth(jnp.eye(3)[..., None], 1.0, 0, most=2, border="replicate")[0, :, 0])
    [1. 0. 0.]
    """
    offsets = np.arange(-most, most + 1)
    taps = jnp.exp(-(offsets**2) / (2 * jnp.asarray(deviation, image.dtype) ** 2))
    taps = jnp.where(np.abs(offsets) <= radius, taps, 0)
    taps = taps / taps.sum()
    for axis, equation in ((0, "kh,hwc->kwc"), (1, "kw,hwc->hkc")):
        length = image.shape[axis]
        place = np.arange(length)[:, None]
        neighbours = _fold(place + offsets, length, border)
        matrix = jnp.zeros((length, length), image.dtype).at[place, neighbours].add(taps)
        image = jnp.einsum(equation, matrix, image, precision="highest")
    return image


def _fold(places: np.ndarray, length: int, border: str) -> np.ndarray:
    """Places within an axis that those outside it stand for."""
    if border == "replicate":
        return np.clip(places, 0, length - 1)
    places = places % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)


def convolve(image: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution with a square kernel by Fourier transforms, the border replicated.

    Args:
        image: `[H, W, C]`.
        kernel: `[K, K]`, K odd.

    Returns:
        The same shape.

    >>> print(convolve(jnp.eye(3)[..., None], jnp.ones((1, 1)))[0, :, 0].round(6))
    [1. 0. 0.]
    """
    height, width, _ = image.shape
    radius = kernel.shape[0] // 2
    padded = jnp.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    shape = (padded.shape[0] + 2 * radius, padded.shape[1] + 2 * radius)
    spectrum = jnp.fft.rfft2(padded, shape, axes=(0, 1))
    spectrum *= jnp.fft.rfft2(kernel.astype(image.dtype), shape)[..., None]
    result = jnp.fft.irfft2(spectrum, shape, axes=(0, 1))
    return result[2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width]


def disk(radius: ArrayLike, most: int) -> jax.Array:
    """The image of a point out of focus: how much of each pixel a disk covers, with unit sum.

    Args:
        radius: In pixels; it may be traced.
        most: The greatest radius, a whole constant.

    Returns:
        `[2 most + 1, 2 most + 1]`.

    >>> print(disk(1.0, 1).round(3))
    [[0.025 0.145 0.025]
     [0.145 0.318 0.145]
     [0.025 0.145 0.025]]
    """
    radius = jnp.asarray(radius)
    centres = jnp.arange(-most, most + 1)
    fractions = (jnp.arange(64) + 0.5) / 64 - 0.5
    chord = safe_sqrt(radius**2 - (centres[:, None] + fractions) ** 2)
    upper = jnp.minimum(centres[:, None, None] + 0.5, chord)
    lower = jnp.maximum(centres[:, None, None] - 0.5, -chord)
    covered = jnp.maximum(upper - lower, 0).mean(-1)
    return covered / covered.sum()


def line(length: ArrayLike, angle: ArrayLike, most: int) -> jax.Array:
    """The track of a point that moves straight on, as `fspecial('motion')` has it, with unit sum.

    Args:
        length: In pixels, at least 1; it may be traced.
        angle: In radians.
        most: The greatest length, a constant.

    Returns:
        `[K, K]`, K odd.

    >>> print(line(3.0, 0.0, 3)[1])
    [0.333... 0.333... 0.333...]
    """
    half = (jnp.asarray(length) - 1) / 2
    offsets = jnp.arange(-(most // 2), most // 2 + 1)
    y, x = offsets[:, None], offsets[None]
    along = x * jnp.cos(angle) - y * jnp.sin(angle)
    across = x * jnp.sin(angle) + y * jnp.cos(angle)
    beyond = jnp.maximum(jnp.abs(along) - half, 0)
    weights = jnp.maximum(1 - safe_sqrt(across**2 + beyond**2), 0)
    return weights / weights.sum()


@distortion(
    "kadid",
    1,
    group="blur",
    parameter="deviation in pixels",
    levels=(0.1, 0.5, 1, 2, 5),
    differentiable=True,
)
def gaussian_blur(image: jax.Array, deviation: ArrayLike) -> jax.Array:
    """Gaussian blur, the window cut off at two deviations."""
    radius = jnp.ceil(2 * jnp.asarray(deviation))
    return smooth(image, deviation, radius, most=10, border="replicate")


@distortion(
    "kadid",
    2,
    group="blur",
    parameter="radius in pixels",
    levels=(1, 2, 4, 6, 8),
    differentiable=True,
)
def lens_blur(image: jax.Array, radius: ArrayLike) -> jax.Array:
    """Blur of a lens out of focus: a disk."""
    return convolve(image, disk(radius, 8))


@distortion(
    "kadid",
    3,
    group="blur",
    parameter="length in pixels",
    levels=(1, 2, 4, 6, 10),
    differentiable=True,
)
def motion_blur(image: jax.Array, length: ArrayLike, key: jax.Array) -> jax.Array:
    """Blur of a straight motion in a random direction."""
    angle = jax.random.uniform(key, maxval=jnp.pi, dtype=image.dtype)
    return convolve(image, line(length, angle, 10))


@distortion(
    "dbcnn",
    1,
    group="blur",
    parameter="window in pixels, six deviations",
    levels=(7, 15, 39, 91, 199),
    differentiable=True,
)
def gaussian_window_blur(image: jax.Array, window: ArrayLike) -> jax.Array:
    """Gaussian blur by a window of six deviations, the border mirrored."""
    window = jnp.asarray(window, image.dtype)
    return smooth(image, window / 6, (window - 1) / 2, most=99, border="symmetric")


@distortion(
    "tid",
    8,
    group="blur",
    parameter="deviation in pixels",
    between=(0.2, 40.0),
    differentiable=True,
)
def wide_gaussian_blur(image: jax.Array, deviation: ArrayLike) -> jax.Array:
    """Gaussian blur, the border mirrored."""
    return smooth(image, deviation, jnp.inf, most=120, border="symmetric")


@distortion(
    "kadid",
    24,
    group="sharpness",
    parameter="amount",
    levels=(1, 2, 3, 6, 12),
    differentiable=True,
    needs_color=True,
)
def high_sharpen(image: jax.Array, amount: ArrayLike) -> jax.Array:
    """Lightness less a blurred one, added to it some times over."""
    lab = rgb_to_lab(image)
    lightness = lab[..., :1]
    radius = int(2 * SHARPEN_RADIUS)
    blurred = smooth(lightness, SHARPEN_RADIUS, radius, most=radius, border="replicate")
    return lab_to_rgb(lab.at[..., :1].add(amount * (lightness - blurred)))
