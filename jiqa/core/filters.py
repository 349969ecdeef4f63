"""Windows, linear filters, down-sampling and image gradients, with MATLAB's conventions.

All functions take images `[..., H, W, C]`, filter along H and W and leave the other axes alone.
Filtering is correlation (the window is not flipped), as in MATLAB's `filter2` and `imfilter`.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_sqrt, to_float
from jiqa.kernels.separable import separable

NEGLIGIBLE = 1e-13  # singular value, relative to the largest, that is rounding

Border = Literal["valid", "zero", "symmetric", "reflect", "replicate", "circular"]

PAD_MODES = {
    "zero": "constant",
    "symmetric": "symmetric",  # abc|cba
    "reflect": "reflect",  # abc|ba
    "replicate": "edge",  # abc|ccc
    "circular": "wrap",  # abc|abc
}

# Kernels whose response to a ramp of slope one is two (they span two pixels): the normalisation
# of the FSIM (Scharr) and GMSD (Prewitt) papers. Each is smoothing along one axis, difference
# along the other.
GRADIENT_SMOOTHING = {
    "scharr": np.array([3.0, 10.0, 3.0]) / 16,
    "prewitt": np.array([1.0, 1.0, 1.0]) / 3,
    "sobel": np.array([1.0, 2.0, 1.0]) / 4,
}
CENTRAL_DIFFERENCE = np.array([-1.0, 0.0, 1.0])


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """Samples of a Gaussian at `size` points, centred, with unit sum (one axis of `fspecial`).

    Args:
        size: Number of taps, odd or even.
        sigma: Standard deviation in pixels.

    Returns:
        Float64 array `[size]`.

    >>> gaussian_window(3, 0.5).round(4)
    array([0.1065, 0.787 , 0.1065])
    """
    offsets = np.arange(size) - (size - 1) / 2
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    return window / window.sum()


def uniform_window(size: int) -> np.ndarray:
    """The mean of `size` neighbours as a window `[size]`.

    >>> uniform_window(4)
    array([0.25, 0.25, 0.25, 0.25])
    """
    return np.full(size, 1 / size)


def correlate_separable(
    images: jax.Array,
    rows: np.ndarray,
    columns: np.ndarray | None = None,
    *,
    border: Border = "valid",
    stride: int = 1,
) -> jax.Array:
    """Correlation with the outer product of two one-dimensional windows.

    Args:
        images: `[..., H, W, C]`.
        rows: Window `[h]` that runs along H.
        columns: Window `[w]` that runs along W; None means `rows`.
        border: "valid" shrinks the result; "zero", "symmetric", "reflect", "replicate" and
            "circular" extend the image so that the result has its size. An even window is centred
            as in `imfilter`, on element `floor((size + 1) / 2)`, counted from one.
        stride: Keeps every `stride`-th sample of the result along both axes, from the first.

    Returns:
        `[..., H', W', C]` with `H' = ceil((H - h + 1) / stride)` for "valid", else
        `ceil(H / stride)`.

    Raises:
        ValueError: The window is larger than the image, or the border is unknown.

    >>> image = jnp.arange(12.0).reshape(3, 4, 1)
    >>> print(correlate_separable(image, uniform_window(2))[..., 0])
    [[2.5 3.5 4.5]
     [6.5 7.5 8.5]]
    """
    columns = rows if columns is None else columns
    images = pad(to_float(images), len(rows), len(columns), border, stride=stride)
    return separable(images, rows.tolist(), columns.tolist(), stride=stride)


def separable_terms(kernel: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Windows along H and W whose outer products add up to a kernel, by its singular values.

    >>> kernel = np.outer([1, 2, 1], [1, 0, -1]) + np.eye(3)
    >>> terms = separable_terms(kernel)
    >>> len(terms), bool(np.allclose(sum(np.outer(*term) for term in terms), kernel))
    (3, True)
    """
    down, strengths, across = np.linalg.svd(kernel)
    rank = np.count_nonzero(strengths > NEGLIGIBLE * strengths[0])
    return [(down[:, i] * strengths[i], across[i]) for i in range(rank)]


def correlate(
    images: jax.Array, kernel: np.ndarray, *, border: Border = "valid", stride: int = 1
) -> jax.Array:
    """Correlation with a two-dimensional kernel.

    It is a sum of products of one-dimensional windows, which takes a fourth to a thirteenth of the
    time of a convolution on CPUs, as many of them as the kernel's rank.

    Args:
        images: `[..., H, W, C]`.
        kernel: `[h, w]`.
        border: As in `correlate_separable`.
        stride: As in `correlate_separable`.

    Returns:
        `[..., H', W', C]`.

    Raises:
        ValueError: The kernel is larger than the image, or the border is unknown.

    >>> laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    >>> correlate(jnp.ones((5, 6, 3)), laplacian).shape
    (3, 4, 3)
    """
    height, width = kernel.shape
    images = pad(images, height, width, border)
    parts = [correlate_separable(images, *term, stride=stride) for term in separable_terms(kernel)]
    return functools.reduce(jnp.add, parts)


def pad(
    images: jax.Array, height: int, width: int, border: Border, *, stride: int = 1
) -> jax.Array:
    """Extends images so that a valid correlation with a `height` x `width` window keeps their size.

    Args:
        images: `[..., H, W, C]`.
        height: Window size along H.
        width: Window size along W.
        border: As in `correlate_separable`; "valid" extends nothing.
        stride: Where only every `stride`-th result is wanted, the end of the images is extended
            no further than those need.

    Returns:
        `[..., H + height - 1, W + width - 1, C]`, or less where a stride allows it; the images
        for "valid".

    Raises:
        ValueError: The border is unknown, or is "valid" and the window larger than the image.

    >>> pad(jnp.ones((4, 4, 1)), 2, 3, "zero").shape
    (5, 6, 1)
    >>> pad(jnp.ones((4, 5, 1)), 2, 2, "zero", stride=2).shape
    (4, 6, 1)
    """
    if border == "valid":
        check_window_fits(images.shape, height, width)
        return images
    if border not in PAD_MODES:
        raise ValueError(f"border={border!r} is unknown; use one of valid, {', '.join(PAD_MODES)}.")
    widths = [(0, 0)] * images.ndim
    for axis, taps in ((-3, height), (-2, width)):
        unused = (images.shape[axis] - 1) % stride
        widths[axis] = ((taps - 1) // 2, max(0, taps // 2 - unused))
    return jnp.pad(images, widths, mode=PAD_MODES[border])


def check_window_fits(shape: tuple[int, ...], height: int, width: int) -> None:
    """Raises ValueError where images `[..., H, W, C]` are smaller than a window.

    >>> check_window_fits((8, 20, 3), 11, 11)
    Traceback (most recent call last):
    ValueError: images are 8 x 20 pixels, smaller than the 11 x 11 window; use larger images.
    """
    if shape[-3] < height or shape[-2] < width:
        raise ValueError(
            f"images are {shape[-3]} x {shape[-2]} pixels, smaller than the {height} x {width} "
            "window; use larger images."
        )


def check_least_side(metric: str, shape: tuple[int, ...], least: int) -> None:
    """Raises ValueError where the shorter side of images `[..., H, W, C]` is below `least` pixels.

    >>> check_least_side("vif", (71, 80, 1), 72)
    Traceback (most recent call last):
    ValueError: vif: images are 71 x 80 pixels; both sides must be at least 72.
    """
    height, width = shape[-3:-1]
    if min(height, width) < least:
        raise ValueError(
            f"{metric}: images are {height} x {width} pixels; both sides must be at least {least}."
        )


def downsample_box(images: jax.Array, factor: int, *, border: Border = "symmetric") -> jax.Array:
    """Mean over `factor` x `factor` neighbours, then every `factor`-th sample.

    The convention of the authors of SSIM and MS-SSIM: `imfilter(..., 'symmetric')` and
    `(1:factor:end)`, so odd sizes keep their last row and column. Those of FSIM, VSI, MDSI and
    others take `conv2(..., 'same')`, which is the border "zero".

    Args:
        images: `[..., H, W, C]`.
        factor: Whole number of pixels; 1 returns the images.
        border: As in `correlate_separable`.

    Returns:
        `[..., ceil(H / factor), ceil(W / factor), C]`.

    >>> print(downsample_box(jnp.arange(5.0).reshape(1, 5, 1), 2).ravel())
    [0.5 2.5 4. ]
    """
    if factor == 1:
        return images
    return correlate_separable(images, uniform_window(factor), border=border, stride=factor)


def downsampling_factor(shape: tuple[int, ...]) -> int:
    """How much images `[..., H, W, C]` are reduced to be seen from a usual distance.

    The rule of the authors of SSIM, FSIM, VSI, SR-SIM and MDSI: the shorter side over 256, rounded
    half up, at least 1.

    >>> downsampling_factor((384, 512, 3))
    2
    """
    return max(1, int(min(shape[-3:-1]) / 256 + 0.5))


def pad_to_multiple(images: jax.Array, size: int, border: Border) -> jax.Array:
    """Extends images below and to the right to whole blocks.

    Args:
        images: `[..., H, W, C]`.
        size: Side of a block.
        border: As in `correlate_separable`, but for "valid".

    Returns:
        `[..., H', W', C]`, the next multiples of `size`.

    >>> pad_to_multiple(jnp.ones((9, 8, 1)), 8, "replicate").shape
    (16, 8, 1)
    """
    widths = [(0, 0)] * images.ndim
    widths[-3:-1] = [(0, -length % size) for length in images.shape[-3:-1]]
    return jnp.pad(images, widths, mode=PAD_MODES[border])


def split_blocks(images: jax.Array, size: int) -> jax.Array:
    """Cuts images into square blocks, in rows from the top left corner.

    Args:
        images: `[..., H, W, C]`, both sides multiples of `size`.
        size: Side of a block.

    Returns:
        `[..., C, N, size, size]`.

    >>> split_blocks(jnp.zeros((2, 8, 12, 3)), 4).shape
    (2, 3, 6, 4, 4)
    """
    *batch, height, width, channels = images.shape
    blocks = images.reshape(*batch, height // size, size, width // size, size, channels)
    order = (*range(len(batch)), *(len(batch) + axis for axis in (4, 0, 2, 1, 3)))
    return blocks.transpose(order).reshape(*batch, channels, -1, size, size)


def gradient(
    images: jax.Array, operator: str = "scharr", *, border: Border = "zero"
) -> tuple[jax.Array, jax.Array]:
    """Derivatives along W and along H by a 3 x 3 operator.

    Args:
        images: `[..., H, W, C]`.
        operator: "scharr", "prewitt" or "sobel", scaled so that a ramp of slope one gives two.
        border: As in `correlate_separable`; the authors of FSIM and GMSD use "zero"
            (`conv2(..., 'same')`).

    Returns:
        Horizontal and vertical derivative, each `[..., H, W, C]`; brighter to the right or
        towards the bottom is positive.

    Raises:
        ValueError: Unknown operator.

    >>> ramp = jnp.arange(5.0) * jnp.ones((5, 1))
    >>> horizontal, vertical = gradient(ramp[..., None], "sobel", border="valid")
    >>> float(horizontal[1, 1, 0]), float(vertical[1, 1, 0])
    (2.0, 0.0)
    """
    smoothing = gradient_smoothing(operator)
    horizontal = correlate_separable(images, smoothing, CENTRAL_DIFFERENCE, border=border)
    vertical = correlate_separable(images, CENTRAL_DIFFERENCE, smoothing, border=border)
    return horizontal, vertical


def gradient_smoothing(operator: str) -> np.ndarray:
    """The three weights, of unit sum, that a 3 x 3 gradient operator puts across its difference.

    Args:
        operator: "scharr", "prewitt" or "sobel".

    Returns:
        `[3]`, symmetric.

    Raises:
        ValueError: Unknown operator.

    >>> print(gradient_smoothing("sobel"))
    [0.25 0.5  0.25]
    """
    if operator not in GRADIENT_SMOOTHING:
        raise ValueError(f"operator={operator!r} is unknown; use {', '.join(GRADIENT_SMOOTHING)}.")
    return GRADIENT_SMOOTHING[operator]


def gradient_magnitude(
    images: jax.Array, operator: str = "scharr", *, border: Border = "zero"
) -> jax.Array:
    """Length of the gradient of `gradient`, with a finite derivative where it is zero.

    Args:
        images: `[..., H, W, C]`.
        operator: As in `gradient`.
        border: As in `gradient`.

    Returns:
        `[..., H, W, C]`.

    >>> float(gradient_magnitude(jnp.ones((5, 5, 1)), border="valid").sum())
    0.0
    """
    horizontal, vertical = gradient(images, operator, border=border)
    return safe_sqrt(horizontal**2 + vertical**2)


def imresize(
    images: jax.Array,
    size: float | tuple[int, int],
    method: Literal["bicubic", "bilinear"] = "bicubic",
    *,
    antialias: bool = True,
) -> jax.Array:
    """MATLAB's `imresize` of floating images.

    Args:
        images: `[..., H, W, C]`.
        size: A scale for both axes (the result has `ceil(scale * H)` rows), or `(rows, columns)`.
        method: "bicubic" (Keys' kernel with a = -0.5) or "bilinear".
        antialias: Whether the kernel is stretched by `1 / scale` where the image shrinks.

    Returns:
        `[..., H', W', C]` in the images' dtype; nothing is rounded or clipped.

    Raises:
        ValueError: Unknown method, or a size or scale that is not positive.

    >>> imresize(jnp.ones((7, 10, 3)), 0.5).shape
    (4, 5, 3)
    """
    if method not in RESIZE_KERNELS:
        raise ValueError(f"method={method!r} is unknown; use {', '.join(RESIZE_KERNELS)}.")
    if size == 0.5:
        # All samples have one window, and filters are faster than products of matrices.
        window = _resize_matrix(16, 8, 0.5, method, antialias)[3, 3:11]
        return correlate_separable(images, window, border="symmetric", stride=2)
    height, width = images.shape[-3:-1]
    if isinstance(size, tuple):
        rows, columns = size
        scales = (rows / height, columns / width)
    else:
        rows, columns = math.ceil(size * height), math.ceil(size * width)
        scales = (size, size)
    if min(rows, columns, *scales) <= 0:
        raise ValueError(f"size={size} must be positive.")
    images = _resize_axis(images, -3, rows, scales[0], method, antialias)
    return _resize_axis(images, -2, columns, scales[1], method, antialias)


def _resize_axis(
    images: jax.Array, axis: int, target: int, scale: float, method: str, antialias: bool
) -> jax.Array:
    length = images.shape[axis]
    if (target, scale) == (length, 1):
        return images
    matrix = jnp.asarray(_resize_matrix(length, target, scale, method, antialias), images.dtype)
    equation = "kh,...hwc->...kwc" if axis == -3 else "kw,...hwc->...hkc"
    return jnp.einsum(equation, matrix, images, precision="highest")


def _resize_matrix(
    length: int, target: int, scale: float, method: str, antialias: bool
) -> np.ndarray:
    """Weights `[target, length]` with which samples contribute to the resized axis."""
    kernel, support = RESIZE_KERNELS[method]
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    positions = (np.arange(target) + 0.5) / scale - 0.5
    first = np.floor(positions - support * stretch / 2).astype(int)
    neighbours = first[:, None] + np.arange(math.ceil(support * stretch) + 3)
    weights = kernel((positions[:, None] - neighbours) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = neighbours % (2 * length)
    mirrored = np.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
    matrix = np.zeros((target, length))
    np.add.at(matrix, (np.arange(target)[:, None], mirrored), weights)
    return matrix


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


RESIZE_KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "bicubic": (_cubic, 4.0),
    "bilinear": (_triangle, 2.0),
}
