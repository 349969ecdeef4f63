"""Structural similarity.

Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE Transactions on Image Processing 13(4), 2004. The default is the authors'
`ssim_index.m` applied to each channel. What makes packages differ is an argument here: the window
and its size, the border, the covariance's normalisation, the authors' down-sampling, and luma.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt, to_float
from jiqa.core.color import apply_luma
from jiqa.core.filters import (
    Border,
    correlate_separable,
    downsample_box,
    downsampling_factor,
    gaussian_window,
    pad,
    uniform_window,
)
from jiqa.core.registry import image_function, metric
from jiqa.kernels.ssim_statistics import Similarity, comparison_map, ssim_statistics

PAPER = 'Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to '
PAPER += 'structural similarity", IEEE TIP 13(4), 2004'


class Factors(NamedTuple):
    """The three comparisons whose product is SSIM, each a map `[..., H', W']`."""

    luminance: jax.Array
    contrast: jax.Array
    structure: jax.Array


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-1, 1),
    identical=1,
    paper=PAPER,
    reads_any_dtype=True,
    protocols={
        "ssim_y": {"luma": "matlab"},
        "ssim_y_downsampled": {"luma": "matlab", "downsample": True},
    },
)
def ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    downsample: bool = False,
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    border: Border = "valid",
    sample_covariance: bool = False,
    k1: float = 0.01,
    k2: float = 0.03,
    weights: jax.Array | None = None,
    implementation: str | None = None,
) -> jax.Array:
    """Structural similarity of local luminance, contrast and structure.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        downsample: Whether to shrink by `round(min(H, W) / 256)` first, with a box filter, as the
            authors' `ssim.m` does and their page recommends for images seen from afar.
        window: "gaussian" or "uniform".
        window_size: Taps along each side.
        sigma: Standard deviation of the Gaussian in pixels.
        border: "valid" as the authors; else see `jiqa.core.filters.correlate_separable`.
        sample_covariance: Whether variances and covariance are divided by N - 1, N the number of
            pixels in the window, as scikit-image does by default.
        k1: First constant of the paper.
        k2: Second constant of the paper.
        weights: Pooling weights `[..., H, W]`, or None.
        implementation: A kernel of `jiqa.kernels.forms.FORMS`, or None for the platform's best.

    Returns:
        `[...]` from -1 to 1, 1 for equal images.

    Raises:
        ValueError: The image is smaller than the window, or an unknown window, border or
            implementation.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(ssim(image, image).round(6))
    1.0
    >>> bool(ssim(image, image, window_size=7) > ssim(image, image**2, window_size=7))
    True
    """
    taps = make_window(window, window_size, sigma)
    comparison = make_similarity(taps, k1, k2, data_range, sample_covariance)
    factor = downsampling_factor(reference.shape) if downsample else 1
    reference, distorted = _prepare(
        reference, distorted, taps, data_range=data_range, luma=luma, factor=factor, border=border
    )
    size = (reference.shape[-3] - len(taps) + 1, reference.shape[-2] - len(taps) + 1)
    weights = pooling.fit_weights(weights, factor, *size)
    statistics = ssim_statistics(
        reference, distorted, comparison, weights=weights, implementation=implementation
    )
    return statistics.ssim.mean(-1)


@partial(image_function, reads_any_dtype=True)
def ssim_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    downsample: bool = False,
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    border: Border = "valid",
    sample_covariance: bool = False,
    k1: float = 0.01,
    k2: float = 0.03,
    implementation: str | None = None,
) -> jax.Array:
    """The map whose mean is `ssim`, averaged over channels; arguments as there.

    Returns:
        `[..., H', W']`; for the "valid" border `H' = H - window_size + 1`, and entry (i, j) belongs
        to the pixel (i, j) + (window_size - 1) / 2.

    >>> ssim_map(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).shape
    (6, 10)
    """
    taps = make_window(window, window_size, sigma)
    comparison = make_similarity(taps, k1, k2, data_range, sample_covariance)
    factor = downsampling_factor(reference.shape) if downsample else 1
    reference, distorted = _prepare(
        reference, distorted, taps, data_range=data_range, luma=luma, factor=factor, border=border
    )
    return comparison_map(reference, distorted, comparison, implementation=implementation).mean(-1)


@image_function
def ssim_factors(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    window_size: int = 11,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Factors:
    """The luminance, contrast and structure comparisons of `ssim` (equations 6, 9 and 10).

    Their product is the SSIM map of each channel (the paper's C3 = C2 / 2).

    Args:
        reference: As in `ssim`.
        distorted: As in `ssim`.
        data_range: As in `ssim`.
        luma: As in `ssim`.
        window_size: Taps of the Gaussian window along each side.
        sigma: As in `ssim`.
        k1: As in `ssim`.
        k2: As in `ssim`.

    Returns:
        Three maps `[..., H - window_size + 1, W - window_size + 1, C]`.

    >>> ssim_factors(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).structure.shape
    (6, 10, 3)
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    window = gaussian_window(window_size, sigma)
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    x, y = to_float(reference), to_float(distorted)
    moments = correlate_separable(jnp.stack([x, y, x**2, y**2, x * y]), window)
    mean_x, mean_y, square_x, square_y, product = moments
    variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
    deviations = safe_sqrt(variance_x) * safe_sqrt(variance_y)
    return Factors(
        luminance=(2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1),
        contrast=(2 * deviations + c2) / (variance_x + variance_y + c2),
        structure=(product - mean_x * mean_y + c2 / 2) / (deviations + c2 / 2),
    )


def _prepare(
    reference: jax.Array,
    distorted: jax.Array,
    taps: np.ndarray,
    *,
    data_range: float,
    luma: str | None,
    factor: int,
    border: Border,
) -> tuple[jax.Array, jax.Array]:
    """Luma, reduction and border, so that what is left is a valid window over both images."""
    pair = apply_luma(luma, reference, distorted, data_range=data_range)
    reference, distorted = (
        pad(downsample_box(image, factor), len(taps), len(taps), border) for image in pair
    )
    return reference, distorted


def make_similarity(
    window: np.ndarray, k1: float, k2: float, data_range: float, sample_covariance: bool = False
) -> Similarity:
    """What the kernels compute at every position.

    >>> make_similarity(uniform_window(2), 0.01, 0.03, 100.0)
    Similarity(window=(0.5, 0.5), c1=1.0, c2=9.0, covariance_scale=1.0)
    """
    count = len(window) ** 2
    return Similarity(
        window=tuple(window.tolist()),
        c1=(k1 * data_range) ** 2,
        c2=(k2 * data_range) ** 2,
        covariance_scale=count / (count - 1) if sample_covariance else 1.0,
    )


def make_window(window: str, window_size: int, sigma: float) -> np.ndarray:
    """The one-dimensional window of a name, with unit sum.

    >>> make_window("uniform", 2, 1.5)
    array([0.5, 0.5])
    """
    if window == "gaussian":
        return gaussian_window(window_size, sigma)
    if window == "uniform":
        return uniform_window(window_size)
    raise ValueError(f"window={window!r} is unknown; use gaussian or uniform.")
