"""The contrast sensitivity of the eye, as WSNR, MAD and REDLOG model it, and as JPEG uses it.

Mannos and Sakrison, "The effects of a visual fidelity criterion on the encoding of images", IEEE
Transactions on Information Theory 20(4), 1974, made lower along the diagonals as by Mitsa and
Varkur, ICASSP 1993, and constant at low frequencies.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

LOW_FREQUENCY, LOW_SENSITIVITY = 7.8909, 0.9809

# The steps of JPEG for the 8 x 8 cosine coefficients of luma: ITU-T T.81 (1992), table K.1.
JPEG_LUMA_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def contrast_sensitivity(height: int, width: int, step: float) -> np.ndarray:
    """Contrast sensitivity on the grid of the authors' codes, which is half a sample off zero.

    Args:
        height: Rows of the images.
        width: Columns of the images.
        step: Cycles per degree of visual angle from one frequency to the next.

    Returns:
        Float64 `[height, width]`, zero frequency in the centre; 0.9809 below 7.8909 cycles a
        degree.

    >>> print(contrast_sensitivity(2, 4, 20.0).round(3))
    [[0.101 0.494 0.494 0.101]
     [0.101 0.494 0.494 0.101]]
    """
    y, x = np.mgrid[:height, :width] + 0.5
    frequency = ((x - width / 2) + 1j * (y - height / 2)) * step
    radius = np.abs(frequency) / (0.15 * np.cos(4 * np.angle(frequency)) + 0.85)
    sensitivity = 2.6 * (0.0192 + 0.114 * radius) * np.exp(-((0.114 * radius) ** 1.1))
    return np.where(radius < LOW_FREQUENCY, LOW_SENSITIVITY, sensitivity)


def half_plane(response: np.ndarray) -> np.ndarray:
    """Means over opposite frequencies, one conjugated, as a filter of `rfft2`.

    With it the filtered image is the real part of what the whole response gives.

    Args:
        response: `[height, width]`, real or complex, zero frequency in the centre.

    Returns:
        `[height, width // 2 + 1]`, zero frequency at [0, 0].

    >>> print(half_plane(np.array([[1.0, 2.0, 3.0, 5.0]])))
    [[3.  3.5 1. ]]
    """
    response = np.fft.ifftshift(response)
    opposite = np.roll(response[::-1, ::-1], (1, 1), axis=(0, 1))
    return ((response + opposite.conj()) / 2)[:, : response.shape[1] // 2 + 1]


def filter_by_contrast_sensitivity(images: jax.Array, pixels_per_degree: float) -> jax.Array:
    """What the eye's contrast sensitivity leaves; both axes in units of the width, as the authors.

    Args:
        images: `[..., H, W, C]`.
        pixels_per_degree: Of visual angle.

    Returns:
        `[..., H, W, C]`.

    >>> print(filter_by_contrast_sensitivity(jnp.ones((8, 8, 1)), 32.0)[0, 0].round(4))
    [0.9809]
    """
    height, width = images.shape[-3:-1]
    response = jnp.asarray(_half_plane_sensitivity(height, width, pixels_per_degree), images.dtype)
    spectrum = jnp.fft.rfft2(images, axes=(-3, -2)) * response[..., None]
    return jnp.fft.irfft2(spectrum, (height, width), axes=(-3, -2))


@functools.cache
def _half_plane_sensitivity(height: int, width: int, pixels_per_degree: float) -> np.ndarray:
    return half_plane(contrast_sensitivity(height, width, pixels_per_degree / width))
