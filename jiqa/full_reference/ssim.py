"""Structural similarity.

Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE Transactions on Image Processing 13(4), 2004. The default is the authors'
`ssim_index.m` applied to each channel. What makes packages differ is an argument here: the window
and its size, the border, the covariance's normalisation, the authors' down-sampling, and luma.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import (
    Border,
    correlate_separable,
    downsample_box,
    gaussian_window,
    uniform_window,
)
from jiqa.core.registry import image_function, metric

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

    Returns:
        `[...]` from -1 to 1, 1 for equal images.

    Raises:
        ValueError: The image is smaller than the window, or an unknown window or border.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(ssim(image, image).round(6))
    1.0
    >>> bool(ssim(image, image, window_size=7) > ssim(image, image**2, window_size=7))
    True
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    factor = downsampling_factor(reference.shape) if downsample else 1
    luminance, contrast_structure = similarity(
        downsample_box(reference, factor),
        downsample_box(distorted, factor),
        make_window(window, window_size, sigma),
        constants=((k1 * data_range) ** 2, (k2 * data_range) ** 2),
        border=border,
        sample_covariance=sample_covariance,
    )
    similarity_map = luminance * contrast_structure
    weights = pooling.fit_weights(weights, factor, *similarity_map.shape[-3:-1])
    return pooling.mean(similarity_map, weights).mean(-1)


@image_function
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
) -> jax.Array:
    """The map whose mean is `ssim`, averaged over channels; arguments as there.

    Returns:
        `[..., H', W']`; for the "valid" border `H' = H - window_size + 1`, and entry (i, j) belongs
        to the pixel (i, j) + (window_size - 1) / 2.

    >>> ssim_map(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).shape
    (6, 10)
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    factor = downsampling_factor(reference.shape) if downsample else 1
    luminance, contrast_structure = similarity(
        downsample_box(reference, factor),
        downsample_box(distorted, factor),
        make_window(window, window_size, sigma),
        constants=((k1 * data_range) ** 2, (k2 * data_range) ** 2),
        border=border,
        sample_covariance=sample_covariance,
    )
    return jnp.mean(luminance * contrast_structure, axis=-1)


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
    mean_x, mean_y, variances, covariance = local_statistics(reference, distorted, window)
    variance_x = correlate_separable(reference**2, window) - mean_x**2
    deviation_x = safe_sqrt(variance_x)
    deviation_y = safe_sqrt(variances - variance_x)
    return Factors(
        luminance=(2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1),
        contrast=(2 * deviation_x * deviation_y + c2) / (variances + c2),
        structure=(covariance + c2 / 2) / (deviation_x * deviation_y + c2 / 2),
    )


def similarity(
    reference: jax.Array,
    distorted: jax.Array,
    window: np.ndarray,
    *,
    constants: tuple[float, float],
    border: Border = "valid",
    sample_covariance: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """The luminance map and the contrast-structure map, whose product is SSIM.

    Args:
        reference: `[..., H, W, C]`, floating.
        distorted: The same shape.
        window: One-dimensional window with unit sum, applied along both axes.
        constants: C1 and C2, in the images' squared units.
        border: As in `ssim`.
        sample_covariance: As in `ssim`.

    Returns:
        Two maps `[..., H', W', C]`.

    >>> image = jnp.ones((8, 8, 1))
    >>> luminance, _ = similarity(image, 2 * image, uniform_window(8), constants=(0.0, 1.0))
    >>> print(luminance[0, 0, 0].round(4))
    0.8
    """
    c1, c2 = constants
    mean_x, mean_y, variances, covariance = local_statistics(reference, distorted, window, border)
    if sample_covariance:
        count = len(window) ** 2
        variances, covariance = (m * count / (count - 1) for m in (variances, covariance))
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def local_statistics(
    reference: jax.Array, distorted: jax.Array, window: np.ndarray, border: Border = "valid"
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Windowed means, sum of variances and covariance: four moments suffice for SSIM.

    Args:
        reference: `[..., H, W, C]`, floating.
        distorted: The same shape.
        window: One-dimensional window with unit sum, applied along both axes.
        border: As in `ssim`.

    Returns:
        Mean of the reference, mean of the distorted image, sum of their variances, covariance;
        each `[..., H', W', C]`.

    >>> [m.shape for m in local_statistics(jnp.ones((9, 9, 1)), jnp.ones((9, 9, 1)), np.ones(2))]
    [(8, 8, 1), (8, 8, 1), (8, 8, 1), (8, 8, 1)]
    """
    powers = jnp.stack([reference, distorted, reference**2 + distorted**2, reference * distorted])
    mean_x, mean_y, mean_power, mean_product = correlate_separable(powers, window, border=border)
    # In this order of operations equal images score exactly 1.
    variances = mean_power - (mean_x**2 + mean_y**2)
    return mean_x, mean_y, variances, mean_product - mean_x * mean_y


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


def downsampling_factor(shape: tuple[int, ...]) -> int:
    """The authors' rule: the shorter side over 256, rounded, at least 1.

    >>> downsampling_factor((384, 500, 3))
    2
    """
    return max(1, int(min(shape[-3:-1]) / 256 + 0.5))
