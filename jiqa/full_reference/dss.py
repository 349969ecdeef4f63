"""DCT subband similarity.

Balanov, Schwartz, Moshe and Peleg, "Image quality assessment based on DCT subband similarity",
ICIP 2015, in the convention of the authors' `dss_index.m`: blocks of 8 x 8 pixels from the top
left, an incomplete last row or column of blocks cut off; each frequency's coefficients form an
image, compared under a 3 x 3 Gaussian window with zero borders and pooled by the mean of the worst
5 %, a number rounded half up and here at least one. The authors' grey images are of whole numbers.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, gaussian_window
from jiqa.core.pyramids import block_dct
from jiqa.core.registry import image_function, metric

PAPER = 'Balanov, Schwartz, Moshe and Peleg, "Image quality assessment based on DCT subband '
PAPER += 'similarity", ICIP 2015'

BLOCK = 8
NEGLIGIBLE = 1e-2  # frequencies of less weight are left out


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-1, 1),
    identical=1,
    paper=PAPER,
    protocols={"dss_y": {"luma": "matlab"}},
)
def dss(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    sigma: float = 1.55,
    constants: tuple[float, float] = (1000.0, 300.0),
    percent: float = 5.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Similarity of the local variances of DCT coefficients, frequency by frequency.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        sigma: Deviation of the Gaussian that weighs frequencies, in steps of the DCT.
        constants: Of the lowest frequency and of the others, for images of 0 to 255.
        percent: Share of the blocks, the least similar ones, that is pooled.
        weights: Pooling weights `[..., H, W]`, averaged in each block, or None: the least similar
            blocks that hold that share of the weights are pooled.

    Returns:
        `[...]` up to 1, which equal images give; hardly ever below 0.

    Raises:
        ValueError: The image is smaller than 8 x 8.

    >>> image = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
    >>> print(dss(image, image).round(6))
    1.0
    """
    contrast, structure = _compare(reference, distorted, data_range, luma, sigma, constants)
    rows, columns = contrast.shape[-4:-2]
    count = max(1, math.floor(percent / 100 * rows * columns + 0.5))
    weights = pooling.block_weights(weights, BLOCK, rows, columns)
    similarity = _mean_of_worst(contrast, count, weights)
    lowest = _mean_of_worst(structure, count, weights)
    return _combine(similarity, lowest, sigma).mean(-1)


@image_function
def dss_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    sigma: float = 1.55,
    constants: tuple[float, float] = (1000.0, 300.0),
) -> jax.Array:
    """The similarity of each block over all frequencies, averaged over channels; see `dss`.

    Returns:
        `[..., H / 8, W / 8]`, rounded down; 1 where the blocks are alike.

    >>> dss_map(jnp.zeros((16, 31, 3)), jnp.ones((16, 31, 3))).shape
    (2, 3)
    """
    contrast, structure = _compare(reference, distorted, data_range, luma, sigma, constants)
    return _combine(contrast, structure, sigma).mean(-1)


def _compare(
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    luma: str | None,
    sigma: float,
    constants: tuple[float, float],
) -> tuple[jax.Array, jax.Array]:
    """Similarity of contrast of all frequencies, and of structure of the lowest.

    Returns:
        `[..., H / 8, W / 8, C, K]` and `[..., H / 8, W / 8, C, 1]`.
    """
    pair = apply_luma(luma, reference, distorted, data_range=data_range)
    frequencies, _ = _weighted_frequencies(sigma)
    x, y = (_subbands(image * (255 / data_range), frequencies) for image in pair)
    constant = jnp.asarray(np.where(frequencies == 0, *constants), x.dtype)
    variance_x, variance_y, covariance = _local_moments(x, y)
    deviation_x, deviation_y = safe_sqrt(variance_x), safe_sqrt(variance_y)
    # (2 s t + c) / (s^2 + t^2 + c), in a form that is 1 where s and t are equal.
    contrast = 1 - (deviation_x - deviation_y) ** 2 / (variance_x + variance_y + constant)
    structure = (covariance + constant) / (deviation_x * deviation_y + constant)
    return contrast, structure[..., :1]


def _combine(contrast: jax.Array, structure: jax.Array, sigma: float) -> jax.Array:
    """The weighted sum over frequencies `[..., K]`, the lowest times its structure."""
    _, weights = _weighted_frequencies(sigma)
    similarity = jnp.concatenate([contrast[..., :1] * structure, contrast[..., 1:]], axis=-1)
    return jnp.sum(similarity * jnp.asarray(weights, similarity.dtype), axis=-1)


def _weighted_frequencies(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies as indices into 64, the lowest first, and their weights with unit sum."""
    steps = np.exp(-((np.arange(BLOCK) + 0.5) ** 2) / (2 * sigma**2))
    weights = np.outer(steps, steps).ravel()
    frequencies = np.flatnonzero(weights >= NEGLIGIBLE)
    return frequencies, weights[frequencies] / weights[frequencies].sum()


def _subbands(images: jax.Array, frequencies: np.ndarray) -> jax.Array:
    """DCT coefficients as images of one value a block, `[..., H / 8, W / 8, C, K]`."""
    height, width = (side // BLOCK * BLOCK for side in images.shape[-3:-1])
    if min(height, width) == 0:
        raise ValueError(f"dss: images are {images.shape[-3:-1]}; they need at least 8 x 8 pixels.")
    coefficients = block_dct(images[..., :height, :width, :], BLOCK)
    return coefficients.reshape(*coefficients.shape[:-2], BLOCK**2)[..., frequencies]


def _local_moments(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    window = gaussian_window(3, 1.5)

    def mean(values: jax.Array) -> jax.Array:
        planes = values.reshape(*values.shape[:-2], -1)
        return correlate_separable(planes, window, border="zero").reshape(values.shape)

    mean_x, mean_y = mean(x), mean(y)
    variance_x = jnp.maximum(mean(x**2) - mean_x**2, 0)
    variance_y = jnp.maximum(mean(y**2) - mean_y**2, 0)
    return variance_x, variance_y, mean(x * y) - mean_x * mean_y


def _mean_of_worst(values: jax.Array, count: int, weights: jax.Array | None) -> jax.Array:
    """Mean of the lowest values over the blocks, `[..., C, K]`."""
    planes = values.reshape(*values.shape[:-2], -1)
    worst = pooling.mean_of_worst(planes, count, weights)
    return worst.reshape(*worst.shape[:-1], *values.shape[-2:])
