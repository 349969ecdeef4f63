"""Noise: white, coloured, correlated, masked, of impulses, multiplicative, pink."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import luma, rgb_to_ycbcr, ycbcr_to_rgb
from jiqa.core.filters import correlate_separable, gaussian_window, uniform_window
from jiqa.datasets.distortions.registry import distortion

COLOR_RATIO = 2.0  # deviation of noise in colour differences to that in luma
LOW_PASS = gaussian_window(7, 1.0)
MASKING_WINDOW = uniform_window(7)
LEAST_MASKING = 0.01  # deviation of the image below which it masks no less, so that noise is found


def normal(image: jax.Array, key: jax.Array) -> jax.Array:
    """Independent normal numbers of the image's shape."""
    return jax.random.normal(key, image.shape, image.dtype)


@distortion("tid", 1, group="noise", parameter="variance", between=(1e-5, 1.0), differentiable=True)
@distortion(
    "kadid",
    11,
    group="noise",
    parameter="variance",
    levels=(0.001, 0.002, 0.003, 0.005, 0.01),
    differentiable=True,
)
@distortion(
    "dbcnn",
    2,
    group="noise",
    parameter="variance",
    levels=(2**-10, 2**-7.5, 2**-5.5, 2**-3.5, 1),
    differentiable=True,
)
def white_noise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise, independent in every sample."""
    return image + jnp.sqrt(variance) * normal(image, key)


@distortion(
    "kadid",
    12,
    group="noise",
    parameter="variance",
    levels=(0.0001, 0.0005, 0.001, 0.002, 0.003),
    differentiable=True,
    needs_color=True,
)
def color_component_noise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise in luma and colour differences, of MATLAB's `rgb2ycbcr`."""
    components = rgb_to_ycbcr(image, limited=True)
    noisy = components + jnp.sqrt(variance) * normal(image, key)
    return ycbcr_to_rgb(noisy, limited=True)


@distortion(
    "tid",
    2,
    group="noise",
    parameter="variance in luma",
    between=(1e-6, 1.0),
    differentiable=True,
    needs_color=True,
    approximate="the ratio of noise in colour to that in luma, 2, is ours",
)
def color_noise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise, stronger in colour differences than in luma."""
    scale = jnp.asarray([1, COLOR_RATIO, COLOR_RATIO], image.dtype) * jnp.sqrt(variance)
    return ycbcr_to_rgb(rgb_to_ycbcr(image) + scale * normal(image, key))


@distortion(
    "tid",
    3,
    group="noise",
    parameter="variance",
    between=(1e-5, 1.0),
    differentiable=True,
    approximate="the window of correlation, 3 x 3, is ours",
)
def correlated_noise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise whose neighbours are alike: the mean of 3 x 3 white samples."""
    grain = correlate_separable(normal(image, key), uniform_window(3), border="circular")
    return image + jnp.sqrt(variance) * 3 * grain


@distortion(
    "tid",
    4,
    group="noise",
    parameter="deviation relative to the local one",
    between=(1e-3, 100.0),
    differentiable=True,
    approximate="masking is the local deviation of luma, not PSNR-HVS-M's",
)
def masked_noise(image: jax.Array, ratio: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise where texture hides it: as strong as luma varies within 7 x 7 pixels."""
    brightness = luma(image, "bt601")
    mean = correlate_separable(brightness, MASKING_WINDOW, border="symmetric")
    square = correlate_separable(brightness**2, MASKING_WINDOW, border="symmetric")
    deviation = safe_sqrt(square - mean**2) + LEAST_MASKING
    return image + ratio * deviation * normal(image, key)


@distortion(
    "tid",
    5,
    group="noise",
    parameter="variance",
    between=(1e-5, 4.0),
    differentiable=True,
    approximate="the high-pass filter, 1 less a Gaussian of deviation 1, is ours",
)
def high_frequency_noise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise without its low frequencies."""
    white = normal(image, key)
    grain = white - correlate_separable(white, LOW_PASS, border="circular")
    energy = float(1 - 2 * LOW_PASS[3] ** 2 + np.sum(LOW_PASS**2) ** 2)
    return image + jnp.sqrt(variance / energy) * grain


@distortion("tid", 6, group="noise", parameter="density", between=(1e-5, 1.0))
@distortion(
    "kadid",
    13,
    group="noise",
    parameter="density",
    levels=(0.001, 0.005, 0.01, 0.02, 0.03),
)
def impulse_noise(image: jax.Array, density: ArrayLike, key: jax.Array) -> jax.Array:
    """Salt and pepper: samples that are 0 or 1, each channel by itself."""
    where = jax.random.uniform(key, image.shape, image.dtype)
    impulse = jnp.where(where < density / 2, 0, 1).astype(image.dtype)
    return jnp.where(where < density, impulse, image)


@distortion(
    "tid",
    19,
    group="noise",
    parameter="variance relative to the squared sample",
    between=(1e-5, 10.0),
    differentiable=True,
)
@distortion(
    "kadid",
    14,
    group="noise",
    parameter="variance relative to the squared sample",
    levels=(0.001, 0.005, 0.01, 0.02, 0.05),
    differentiable=True,
)
def multiplicative_noise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """Normal noise in proportion to each sample."""
    return image * (1 + jnp.sqrt(variance) * normal(image, key))


@distortion(
    "dbcnn",
    6,
    group="noise",
    parameter="greatest value",
    levels=(0.3, 0.7, 1.2, 2, 4),
    differentiable=True,
)
def pink_noise(image: jax.Array, greatest: ArrayLike, key: jax.Array) -> jax.Array:
    """Noise whose amplitude falls as one over the frequency, each channel by itself."""
    height, width, _ = image.shape
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    frequency = np.sqrt(rows**2 + columns**2)
    frequency[0, 0] = np.inf
    spectrum = jnp.fft.rfft2(normal(image, key), axes=(0, 1))
    spectrum *= jnp.asarray(1 / frequency, image.dtype)[..., None]
    field = jnp.fft.irfft2(spectrum, (height, width), axes=(0, 1))
    return image + greatest * field / jnp.abs(field).max(axis=(0, 1))
