"""The standard deviation of white Gaussian noise in an image, by two estimates.

- Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2), 1996:
  the mean absolute response to a mask that is blind to the Laplacian of structure.
- Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81(3), 1994: the
  median absolute diagonal wavelet coefficient over 0.6745, with Daubechies' wavelet of two
  vanishing moments and mirrored borders, as scikit-image's `estimate_sigma` but for that it leaves
  out coefficients that are exactly zero.
"""

import math
from functools import partial
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import color, pooling
from jiqa.core.filters import check_window_fits, correlate_separable, uniform_window
from jiqa.core.registry import image_function, metric

INFINITY = float("inf")
SECOND_DIFFERENCE = np.array([1.0, -2.0, 1.0])
ROOT3 = math.sqrt(3)
# The high-pass filter of Daubechies' wavelet of four taps.
DAUBECHIES = np.array([1 - ROOT3, ROOT3 - 3, 3 + ROOT3, -1 - ROOT3]) / (4 * math.sqrt(2))

noise_metric = partial(
    metric,
    kind="no_reference",
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=None,
)


@noise_metric(
    paper='Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996',
)
def noise_level(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Standard deviation of noise by Immerkaer's mask; fine texture raises it.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 3 x 3 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0, in units of the images.

    Raises:
        ValueError: The image is smaller than 3 x 3 pixels.

    >>> noise = jax.random.normal(jax.random.key(0), (256, 256, 1))
    >>> print(noise_level(0.5 + 0.05 * noise).round(3))
    0.05
    """
    response = _response(image, data_range, luma)
    weights = pooling.fit_weights(weights, 1, *response.shape[-3:-1])
    return pooling.mean(response, weights).mean(-1)


@image_function
def noise_level_map(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None
) -> jax.Array:
    """What each pixel adds to `noise_level`, of which it is the mean over pixels and channels.

    Returns:
        `[..., H - 2, W - 2]`, averaged over channels.

    >>> noise_level_map(jnp.ones((4, 5, 3))).shape
    (2, 3)
    """
    return _response(image, data_range, luma).mean(-1)


@noise_metric(
    paper='Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika '
    "81(3), 1994",
)
def noise_level_wavelet(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Standard deviation of noise by the median wavelet coefficient; edges hardly raise it.

    Args:
        image: As in `noise_level`, at least 2 x 2 pixels.
        data_range: As in `noise_level`.
        luma: As in `noise_level`.
        weights: Weights `[..., H, W]`, averaged over the pixels of each coefficient, or None.

    Returns:
        `[...]` from 0, in units of the images.

    Raises:
        ValueError: The image is smaller than 2 x 2 pixels.

    >>> noise = jax.random.normal(jax.random.key(0), (256, 256, 1))
    >>> print(noise_level_wavelet(0.5 + 0.05 * noise).round(3))
    0.05
    """
    check_window_fits(image.shape, 2, 2)
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    diagonal = _coefficients(image, DAUBECHIES)
    if weights is not None:
        weights = _coefficients(weights[..., None], uniform_window(len(DAUBECHIES)))[..., 0]
    median = pooling.median(jnp.abs(diagonal), weights).mean(-1)
    return median / NormalDist().inv_cdf(0.75)


def _coefficients(image: jax.Array, window: np.ndarray) -> jax.Array:
    """Every second response to the window along both axes, of the mirrored image."""
    widths = [(0, 0)] * (image.ndim - 3) + [(2, 3), (2, 3), (0, 0)]
    return correlate_separable(jnp.pad(image, widths, mode="symmetric"), window, stride=2)


def _response(image: jax.Array, data_range: float, luma: str | None) -> jax.Array:
    """The magnitude of the response to the mask, `[..., H - 2, W - 2, C]`, as a deviation."""
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    return math.sqrt(math.pi / 2) / 6 * jnp.abs(correlate_separable(image, SECOND_DIFFERENCE))
