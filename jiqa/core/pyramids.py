"""Multi-scale transforms: Gaussian, Laplacian and Haar pyramids, log-Gabor banks, block DCT.

All take images `[..., H, W, C]` and transform each channel over H and W. Sizes, scales and
orientations are static. Steerable pyramids are in `jiqa.core.steerable`.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.filters import correlate_separable

# The binomial window of matlabPyrTools ('binom5'), with sum sqrt(2): each level of a pyramid made
# with it is twice as bright as the one before.
BINOMIAL = math.sqrt(2) * np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def gaussian_pyramid(
    images: jax.Array, levels: int, window: np.ndarray = BINOMIAL
) -> list[jax.Array]:
    """The images, smoothed and halved again and again.

    Args:
        images: `[..., H, W, C]`.
        levels: Number of images in the result, the full one included.
        window: Low-pass window of odd length; `BINOMIAL / sqrt(2)` keeps the brightness.

    Returns:
        `levels` arrays; each has `ceil(n / 2)` of the rows and columns of the one before.

    Raises:
        ValueError: A level would be smaller than the window.

    >>> [level.shape for level in gaussian_pyramid(jnp.ones((20, 13, 1)), 3)]
    [(20, 13, 1), (10, 7, 1), (5, 4, 1)]
    """
    pyramid = [images]
    for _ in range(levels - 1):
        _check_level(pyramid[-1].shape, len(window) // 2 + 1)
        pyramid.append(correlate_separable(pyramid[-1], window, border="reflect", stride=2))
    return pyramid


def laplacian_pyramid(
    images: jax.Array, levels: int, window: np.ndarray = BINOMIAL
) -> list[jax.Array]:
    """Differences between the levels of the Gaussian pyramid, then its last level.

    Burt and Adelson, 1983, in the convention of matlabPyrTools' `buildLpyr` ('reflect1' edges).

    Args:
        images: `[..., H, W, C]`.
        levels: Number of images in the result.
        window: As in `gaussian_pyramid`, with sum sqrt(2).

    Returns:
        `levels` arrays, finest first.

    Raises:
        ValueError: A level would be smaller than the window.

    >>> bands = laplacian_pyramid(jnp.ones((16, 16, 1)), 3)
    >>> [band.shape for band in bands], bool(jnp.allclose(bands[0], 0, atol=1e-6))
    ([(16, 16, 1), (8, 8, 1), (4, 4, 1)], True)
    """
    smooth = gaussian_pyramid(images, levels, window)
    bands = [
        fine - expand(coarse, fine.shape, window) for fine, coarse in itertools.pairwise(smooth)
    ]
    return [*bands, smooth[-1]]


def reconstruct_laplacian(bands: list[jax.Array], window: np.ndarray = BINOMIAL) -> jax.Array:
    """The images of which `laplacian_pyramid` made these bands.

    >>> image = jnp.arange(64.0).reshape(8, 8, 1)
    >>> bool(jnp.allclose(reconstruct_laplacian(laplacian_pyramid(image, 3)), image))
    True
    """
    images = bands[-1]
    for band in reversed(bands[:-1]):
        images = band + expand(images, band.shape, window)
    return images


def expand(images: jax.Array, shape: tuple[int, ...], window: np.ndarray = BINOMIAL) -> jax.Array:
    """Doubles the size: zeros between the samples, then the window with 'reflect' border.

    Args:
        images: `[..., ceil(H / 2), ceil(W / 2), C]`.
        shape: Shape `(..., H, W, C)` of the result.
        window: As in `gaussian_pyramid`.

    Returns:
        `[..., H, W, C]`.

    >>> expand(jnp.ones((4, 4, 1)), (8, 7, 1)).shape
    (8, 7, 1)
    """
    spread = jnp.zeros((*images.shape[:-3], *shape[-3:]), images.dtype)
    spread = spread.at[..., ::2, ::2, :].set(images)
    return correlate_separable(spread, window, border="reflect")


def haar_responses(images: jax.Array, scales: int) -> list[tuple[jax.Array, jax.Array]]:
    """Undecimated Haar filters of size 2, 4, 8, ..., as HaarPSI uses them.

    The filter of scale s has `2 ** s` taps a side, all `2 ** -s` but for the sign of one half;
    borders are zero and even filters are placed as MATLAB's `conv2(..., 'same')` places them.

    Args:
        images: `[..., H, W, C]`.
        scales: Number of scales.

    Returns:
        For each scale the response to vertical change (sign differs between upper and lower half)
        and to horizontal change, each `[..., H, W, C]`.

    >>> [(vertical, horizontal)] = haar_responses(jnp.arange(9.0).reshape(3, 3, 1), 1)
    >>> float(vertical[0, 0, 0]), float(horizontal[0, 0, 0])
    (-3.0, -1.0)
    """
    responses = []
    for scale in range(1, scales + 1):
        smooth = np.full(2**scale, 2.0**-scale)
        step = np.repeat([1.0, -1.0], 2 ** (scale - 1))
        vertical = correlate_separable(images, step, smooth, border="zero")
        horizontal = correlate_separable(images, smooth, step, border="zero")
        responses.append((vertical, horizontal))
    return responses


def haar_transform(images: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """One level of the orthonormal, decimated Haar transform.

    Args:
        images: `[..., H, W, C]`, H and W even.

    Returns:
        Approximation, horizontal change, vertical change and diagonal, each
        `[..., H / 2, W / 2, C]`.

    Raises:
        ValueError: H or W is odd.

    >>> float(haar_transform(jnp.ones((2, 2, 1)))[0][0, 0, 0])
    2.0
    """
    if images.shape[-3] % 2 or images.shape[-2] % 2:
        raise ValueError(f"haar_transform: sides must be even, not {images.shape[-3:-1]}.")
    top, bottom = images[..., ::2, :, :], images[..., 1::2, :, :]
    mean, change = (top + bottom) / 2, (top - bottom) / 2

    def across(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        return rows[..., ::2, :] + rows[..., 1::2, :], rows[..., ::2, :] - rows[..., 1::2, :]

    return (*across(mean), *across(change))


def inverse_haar_transform(
    approximation: jax.Array, horizontal: jax.Array, vertical: jax.Array, diagonal: jax.Array
) -> jax.Array:
    """The images of which `haar_transform` made these four.

    >>> image = jnp.arange(16.0).reshape(4, 4, 1)
    >>> bool(jnp.allclose(inverse_haar_transform(*haar_transform(image)), image))
    True
    """

    def weave(even: jax.Array, odd: jax.Array, axis: int) -> jax.Array:
        pair = jnp.stack([even, odd], axis=axis)
        shape = list(even.shape)
        shape[axis] *= 2
        return pair.reshape(shape)

    left_right = [
        weave((low + high) / 2, (low - high) / 2, -2)
        for low, high in ((approximation, horizontal), (vertical, diagonal))
    ]
    mean, change = left_right
    return weave(mean + change, mean - change, -3)


def log_gabor_filters(
    height: int,
    width: int,
    *,
    scales: int = 4,
    orientations: int = 4,
    shortest_wavelength: float = 6.0,
    multiplier: float = 2.0,
    bandwidth: float = 0.55,
    angular_ratio: float = 1.2,
    low_pass: bool = True,
) -> np.ndarray:
    """Log-Gabor filters in the frequency domain (Field, 1987; grids of Kovesi's `phasecong2`).

    Args:
        height: Rows of the images.
        width: Columns of the images.
        scales: Number of wavelengths.
        orientations: Number of orientations over half a turn.
        shortest_wavelength: In pixels.
        multiplier: Factor from one wavelength to the next.
        bandwidth: Ratio of the Gaussian's deviation on the log axis to the centre frequency.
        angular_ratio: Angle between orientations over the angular Gaussian's deviation.
        low_pass: Whether to keep out of the corners of the frequency plane, as `phasecong2` does.

    Returns:
        Float64 `[scales, orientations, height, width]`, zero frequency at [0, 0]. The defaults are
        those of FSIM.

    >>> float(log_gabor_filters(32, 48)[:, :, 0, 0].max())
    0.0
    """
    radius, angle = kovesi_grid(height, width)
    window = 1 / (1 + (radius / 0.45) ** 30) if low_pass else np.ones_like(radius)
    radius[0, 0] = 1
    wavelengths = shortest_wavelength * multiplier ** np.arange(scales)
    octaves = np.log(radius * wavelengths[:, None, None])
    radial = np.exp(-(octaves**2) / (2 * math.log(bandwidth) ** 2)) * window
    radial[:, 0, 0] = 0
    deviation = math.pi / orientations / angular_ratio
    difference = angle - (np.arange(orientations) * math.pi / orientations)[:, None, None]
    difference = np.abs(np.arctan2(np.sin(difference), np.cos(difference)))
    angular = np.exp(-(difference**2) / (2 * deviation**2))
    return radial[:, None] * angular


def kovesi_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Radius and angle of the frequencies; odd sides are divided by `n - 1`, as Kovesi does.

    Args:
        height: Rows of the images.
        width: Columns of the images.

    Returns:
        Radius in cycles per pixel and angle in radians, counter-clockwise from the right, each
        `[height, width]` with zero frequency at [0, 0].

    >>> print(kovesi_grid(1, 4)[0])
    [[0.   0.25 0.5  0.25]]
    """

    def axis(length: int) -> np.ndarray:
        odd = length % 2
        return (np.arange(length) - length // 2) / (length - odd if length > 1 else 1)

    x, y = np.meshgrid(axis(width), axis(height))
    return np.fft.ifftshift(np.hypot(x, y)), np.fft.ifftshift(np.arctan2(-y, x))


def log_gabor_responses(images: jax.Array, filters: np.ndarray) -> jax.Array:
    """Complex responses of a log-Gabor bank: the real part is even, the imaginary part odd.

    Args:
        images: `[..., H, W, C]`.
        filters: `[scales, orientations, H, W]` of `log_gabor_filters`.

    Returns:
        Complex `[scales, orientations, ..., H, W, C]`.

    >>> log_gabor_responses(jnp.ones((3, 16, 16, 1)), log_gabor_filters(16, 16)).shape
    (4, 4, 3, 16, 16, 1)
    """
    spectrum = jnp.fft.fft2(images, axes=(-3, -2))
    batch = (1,) * (images.ndim - 3)
    bank = jnp.asarray(filters, images.dtype).reshape(
        *filters.shape[:2], *batch, *images.shape[-3:-1], 1
    )
    return jnp.fft.ifft2(spectrum * bank, axes=(-3, -2))


def block_dct(images: jax.Array, size: int = 8) -> jax.Array:
    """Orthonormal two-dimensional DCT-II of non-overlapping blocks.

    Args:
        images: `[..., H, W, C]`, H and W multiples of `size`.
        size: Side of the blocks.

    Returns:
        `[..., H / size, W / size, C, size, size]`, vertical frequency before horizontal.

    Raises:
        ValueError: A side is not a multiple of `size`.

    >>> float(block_dct(jnp.ones((8, 8, 1)))[0, 0, 0, 0, 0].round(5))
    8.0
    """
    *batch, height, width, channels = images.shape
    if height % size or width % size:
        raise ValueError(f"block_dct: {height} x {width} is not a multiple of {size}; crop first.")
    blocks = images.reshape(*batch, height // size, size, width // size, size, channels)
    basis = jnp.asarray(dct_matrix(size), images.dtype)
    return jnp.einsum("uh,vw,...yhxwc->...yxcuv", basis, basis, blocks, precision="highest")


def inverse_block_dct(coefficients: jax.Array) -> jax.Array:
    """The images `[..., H, W, C]` of which `block_dct` made these coefficients.

    >>> image = jnp.arange(64.0).reshape(8, 8, 1)
    >>> bool(jnp.allclose(inverse_block_dct(block_dct(image, 4)), image, atol=1e-4))
    True
    """
    *batch, rows, columns, channels, size, _ = coefficients.shape
    basis = jnp.asarray(dct_matrix(size), coefficients.dtype)
    blocks = jnp.einsum("uh,vw,...yxcuv->...yhxwc", basis, basis, coefficients, precision="highest")
    return blocks.reshape(*batch, rows * size, columns * size, channels)


def dct_matrix(size: int) -> np.ndarray:
    """Rows are the orthonormal cosines of DCT-II, float64 `[size, size]`.

    >>> dct_matrix(2).round(4)
    array([[ 0.7071,  0.7071],
           [ 0.7071, -0.7071]])
    """
    frequency, sample = np.mgrid[:size, :size]
    matrix = np.cos(math.pi * frequency * (2 * sample + 1) / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def _check_level(shape: tuple[int, ...], least: int) -> None:
    if min(shape[-3:-1]) < least:
        raise ValueError(
            f"a pyramid level of {shape[-3]} x {shape[-2]} pixels is below the least side of "
            f"{least}; use larger images or fewer levels."
        )
