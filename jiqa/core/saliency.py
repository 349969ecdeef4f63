"""Maps of what draws the eye, from one image and without learning."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.color import gray_to_rgb, linear_rgb_to_xyz, luma, srgb_to_linear, xyz_to_lab
from jiqa.core.filters import correlate_separable, gaussian_window, imresize, uniform_window

# sRGB to XYZ, and the reference white D50, in the digits of the authors of SDSP.
SDSP_RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
SDSP_WHITE = (0.9642, 1.0, 0.8251)
SDSP_SIDE = 256  # pixels to which every image is resized

LEAST_AMPLITUDE = 1e-6  # of a spectrum, for images of 0 to 255; less is rounding


def spectral_residual(
    images: jax.Array,
    *,
    data_range: float = 1.0,
    scale: float = 0.25,
    average_size: int = 3,
    window_size: int = 10,
    sigma: float = 3.8,
) -> jax.Array:
    """Saliency as what is left of the log spectrum less its local average.

    Hou and Zhang, "Saliency detection: a spectral residual approach", CVPR 2007, with the
    parameters and borders of the authors of SR-SIM.

    Args:
        images: `[..., H, W, C]` in [0, data_range], C 1 or 3; colour is reduced to BT.601 luma.
        data_range: The range of the images.
        scale: Factor by which the images are resized first.
        average_size: Side of the window that averages the log spectrum.
        window_size: Side of the Gaussian window that smooths the map.
        sigma: Its standard deviation.

    Returns:
        `[..., H, W]`, about 0 to 1; all 0 for a constant image.

    >>> spectral_residual(jnp.zeros((20, 30, 3))).shape
    (20, 30)
    """
    gray = luma(images, "bt601", data_range=data_range) * (255 / data_range)
    spectrum = jnp.fft.fft2(imresize(gray, scale), axes=(-3, -2))
    power = spectrum.real**2 + spectrum.imag**2
    log_amplitude = jnp.log(jnp.maximum(power, LEAST_AMPLITUDE**2)) / 2
    average = correlate_separable(log_amplitude, uniform_window(average_size), border="replicate")
    # The residual with the old phase is the spectrum over its averaged amplitude.
    residual = jnp.fft.ifft2(spectrum * jnp.exp(-average), axes=(-3, -2))
    energy = residual.real**2 + residual.imag**2
    smooth = correlate_separable(energy, gaussian_window(window_size, sigma), border="zero")
    return imresize(_to_unit_range(smooth), (images.shape[-3], images.shape[-2]))[..., 0]


def sdsp(
    images: jax.Array,
    *,
    data_range: float = 1.0,
    frequency: float = 0.002,
    bandwidth: float = 6.2,
    center_sigma: float = 114.0,
    color_sigma: float = 0.25,
) -> jax.Array:
    """Saliency by simple priors: band-passed detail, the centre, and warm colours.

    Zhang, Gu and Li, "SDSP: a novel saliency detection method by combining simple priors",
    ICIP 2013, in the convention of the authors' `SDSP.m`; the defaults are its parameters, VSI
    has its own.

    Args:
        images: `[..., H, W, C]` in [0, data_range], sRGB, C 1 or 3; grey images are neutral.
        data_range: The range of the images.
        frequency: Centre of the log-Gabor filter in cycles a pixel (omega_0).
        bandwidth: Deviation of the log-Gabor filter on the log axis (sigma_F).
        center_sigma: Width of the prior of the centre, of an image of 256 pixels (sigma_D).
        color_sigma: Width of the prior of warm colours (sigma_C).

    Returns:
        `[..., H, W]` from 0 to 1; all 0 for images without colour.

    >>> sdsp(jnp.zeros((20, 30, 3))).shape
    (20, 30)
    """
    small = imresize(gray_to_rgb(images) * (255 / data_range), (SDSP_SIDE, SDSP_SIDE), "bilinear")
    linear = srgb_to_linear(small, data_range=255.0)
    xyz = linear_rgb_to_xyz(linear, matrix=SDSP_RGB_TO_XYZ)
    lab = xyz_to_lab(xyz, white=SDSP_WHITE)
    filtered = jnp.fft.irfft2(
        jnp.fft.rfft2(lab, axes=(-3, -2)) * _log_gabor(frequency, bandwidth),
        axes=(-3, -2),
    ).astype(lab.dtype)
    detail = safe_sqrt(jnp.sum(filtered**2, -1))
    from_center = np.arange(1, SDSP_SIDE + 1) - SDSP_SIDE / 2
    near_center = np.exp(-((from_center[:, None] ** 2 + from_center**2) / center_sigma**2))
    warmth = jnp.sum(_to_unit_range(lab[..., 1:]) ** 2, -1)
    colored = 1 - jnp.exp(-warmth / color_sigma**2)
    saliency = detail * jnp.asarray(near_center, lab.dtype) * colored
    size = images.shape[-3], images.shape[-2]
    full = imresize(saliency[..., None], size, "bilinear")
    return _to_unit_range(full)[..., 0]


@functools.cache
def _log_gabor(frequency: float, bandwidth: float) -> Any:
    """The non-negative half of a radial log-Gabor filter inside the unit of Nyquist."""
    down = np.fft.fftfreq(SDSP_SIDE)[:, None]
    across = np.fft.rfftfreq(SDSP_SIDE)
    squared = down**2 + across**2
    radius = np.sqrt(np.where((squared > 0.25) | (squared == 0), 1, squared))
    # Outside of the circle the authors' radius is 0, and their filter that of its first element.
    response = np.exp(-(np.log(radius / frequency) ** 2) / (2 * bandwidth**2))
    response[squared > 0.25] = 0
    response[0, 0] = 0
    return response[..., None]


def _to_unit_range(images: jax.Array) -> jax.Array:
    """Every image and channel stretched to [0, 1] (`mat2gray`); constant ones become 0."""
    lowest = images.min((-3, -2), keepdims=True)
    highest = images.max((-3, -2), keepdims=True)
    return safe_divide(images - lowest, highest - lowest)
