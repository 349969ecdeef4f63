"""Maps of what draws the eye, from one image and without learning."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.color import (
    gray_to_rgb,
    linear_rgb_to_xyz,
    luma,
    rgb_to_opponent,
    srgb_to_linear,
    xyz_to_lab,
)
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

SURROUNDS = (12, 24, 28, 48, 56, 112)  # pixels from the centre, of fine-grained saliency

GRAPH_SIZE = (24, 32)  # rows and columns of the map on which walks are made
STEPS = 30  # of a walk, after which its shares change no more
LEAST_CONTRAST = 1e-6  # so that walks on constant images have steps

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


def fine_grained(images: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """Saliency as contrast of each pixel with surrounds of several sizes.

    Montabone and Soto, "Human detection using a mobile platform and novel features derived from a
    visual saliency mechanism", Image and Vision Computing 28(3), 2010, with its surrounds of 12 to
    112 pixels; surrounds end at the border.

    Args:
        images: `[..., H, W, C]` in [0, data_range], C 1 or 3; colour is reduced to BT.601 luma.
        data_range: The range of the images.

    Returns:
        `[..., H, W]` from 0 to 1; all 0 for a constant image.

    >>> fine_grained(jnp.zeros((20, 30, 3))).shape
    (20, 30)
    """
    gray = luma(images, "bt601", data_range=data_range)
    centered = gray - gray.mean((-3, -2), keepdims=True)
    contrast = [jnp.abs(centered - _surround_mean(centered, size)) for size in SURROUNDS]
    return _to_unit_range(sum(contrast, start=jnp.zeros((), gray.dtype)))[..., 0]


def graph_based(images: jax.Array, *, data_range: float = 1.0, sigma: float = 0.15) -> jax.Array:
    """Graph-based visual saliency: where a walk between unlike places stays longest.

    Harel, Koch and Perona, "Graph-based visual saliency", NIPS 2006: on a small map, the chance of
    a step from one place to another grows with their contrast and falls with their distance. Its
    equilibrium is the activation; a second walk, drawn to activation, concentrates it. Features
    are brightness and two opponent colours, and activations are added.

    Args:
        images: `[..., H, W, C]` in [0, data_range], C 1 or 3.
        data_range: The range of the images.
        sigma: Width of the fall with distance, relative to the map's width.

    Returns:
        `[..., H, W]` from 0 to 1; constant images give the same value everywhere, 0.

    >>> graph_based(jnp.zeros((20, 30, 3))).shape
    (20, 30)
    """
    features = imresize(rgb_to_opponent(gray_to_rgb(images)) / data_range, GRAPH_SIZE)
    nodes = jnp.moveaxis(features, -1, -3).reshape(*features.shape[:-3], 3, -1)
    closeness = jnp.asarray(_closeness(sigma), nodes.dtype)
    unlike = jnp.abs(nodes[..., :, None] - nodes[..., None, :]) + LEAST_CONTRAST
    activation = _equilibrium(unlike * closeness)
    activation = _equilibrium(activation[..., :, None] * closeness).sum(-2)
    full = imresize(
        activation.reshape(*activation.shape[:-1], *GRAPH_SIZE, 1),
        (images.shape[-3], images.shape[-2]),
    )
    return _to_unit_range(full)[..., 0]


def center_prior(images: jax.Array, *, sigma: float = 0.25) -> jax.Array:
    """A Gaussian about the centre: the baseline that every saliency method has to beat.

    Args:
        images: `[..., H, W, C]`; only their size is used.
        sigma: Its deviation, relative to each side.

    Returns:
        `[..., H, W]`, 1 at the centre.

    >>> center_prior(jnp.zeros((5, 5, 3)))[2, 2].item()
    1.0
    """
    rows, columns = (
        np.exp(-(((np.arange(side) + 0.5) / side - 0.5) ** 2) / (2 * sigma**2))
        for side in images.shape[-3:-1]
    )
    prior = jnp.asarray(np.outer(rows, columns), images.dtype)
    return jnp.broadcast_to(prior, images.shape[:-1])


def _surround_mean(images: jax.Array, size: int) -> jax.Array:
    """Mean of the square of `2 size + 1` pixels about each pixel, as far as it is in the image."""
    for axis in (-3, -2):
        length = images.shape[axis]
        ends = np.clip(np.arange(length)[:, None] + [-size, size + 1], 0, length)
        zero = jnp.zeros_like(jax.lax.slice_in_dim(images, 0, 1, axis=axis))
        sums = jnp.concatenate([zero, jnp.cumsum(images, axis)], axis)
        number = np.moveaxis(np.diff(ends).reshape(-1, 1, 1), 0, axis)
        images = sums.take(ends[:, 1], axis) - sums.take(ends[:, 0], axis)
        images = images / jnp.asarray(number, images.dtype)
    return images


@functools.cache
def _closeness(sigma: float) -> np.ndarray:
    """How near each two places of the small map are, `[N, N]`."""
    rows, columns = np.indices(GRAPH_SIZE).reshape(2, -1)
    squared = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    return np.exp(-squared / (2 * (sigma * GRAPH_SIZE[1]) ** 2))


def _equilibrium(weights: jax.Array) -> jax.Array:
    """The share of time that a walk spends in each place; `weights[..., to, from]`."""
    steps = weights / weights.sum(-2, keepdims=True)
    start = jnp.full(weights.shape[:-1], 1 / weights.shape[-1], weights.dtype)

    def step(share: jax.Array, _: None) -> tuple[jax.Array, None]:
        return jnp.einsum("...ij,...j->...i", steps, share, precision="highest"), None

    return jax.lax.scan(step, start, None, length=STEPS)[0]


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
    lowest = -pooling.largest(-images)[..., None, None, :]
    highest = pooling.largest(images)[..., None, None, :]
    return safe_divide(images - lowest, highest - lowest)
