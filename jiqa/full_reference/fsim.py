"""Feature similarity.

Zhang, Zhang, Mou and Zhang, "FSIM: a feature similarity index for image quality assessment", IEEE
Transactions on Image Processing 20(8), 2011, in the convention of the authors' `FeatureSIM.m`:
unrounded YIQ, reduced by `round(min(H, W) / 256)` with a mean filter and zero borders, Kovesi's
phase congruency (`phasecong2`, 4 scales and 4 orientations), Scharr gradients, and the real part of
the power of a chrominance similarity that may be negative.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_sqrt, signed_power, similarity
from jiqa.core.channels import split_channels
from jiqa.core.color import rgb_to_yiq
from jiqa.core.filters import downsample_box, downsampling_factor, gradient_magnitude
from jiqa.core.pyramids import log_gabor_filters, log_gabor_responses
from jiqa.core.registry import image_function, metric
from jiqa.core.statistics import median_of_nonnegative

PAPER = 'Zhang, Zhang, Mou and Zhang, "FSIM: a feature similarity index for image quality '
PAPER += 'assessment", IEEE TIP 20(8), 2011'

CONGRUENCY_CONSTANT, GRADIENT_CONSTANT, CHROMA_CONSTANT = 0.85, 160.0, 200.0
CHROMA_POWER = 0.03
SMALLEST_AMPLITUDE = 1e-4  # added to the length of the mean response
NOISE_DEVIATIONS = 2.0  # above the mean energy of noise, less counts as noise
NOISE_RESCALING = 1.7  # Kovesi's, for this measure of congruency


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    color="Y of YIQ; fsimc also I and Q",
    protocols={"fsimc": {"color": True}},
)
def fsim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    color: bool = False,
    downsample: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Similarity of phase congruency and gradients, weighted by phase congruency.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        color: Whether chrominances are compared too (FSIMc).
        downsample: Whether the images are reduced by `round(min(H, W) / 256)` first.
        weights: Further pooling weights `[..., H, W]`, or None; reduced with the images.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(fsim(image, image).round(6))
    1.0
    """
    local, congruency = _compare(reference, distorted, data_range, color, downsample)
    factor = downsampling_factor(reference.shape) if downsample else 1
    weights = pooling.fit_weights(weights, factor, *local.shape[-2:])
    return pooling.importance_mean(local, congruency, weights)


@image_function
def fsim_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    color: bool = False,
    downsample: bool = True,
) -> jax.Array:
    """The local similarity that `fsim` pools; arguments as there.

    Returns:
        `[..., H', W']`, reduced as in `fsim`; 1 where the images are alike.

    >>> fsim_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (15, 20)
    """
    return _compare(reference, distorted, data_range, color, downsample)[0]


def phase_congruency(images: jax.Array) -> jax.Array:
    """How far the phases of all scales agree: edges and lines of whatever contrast.

    Kovesi, "Image features from phase congruency", Videre 1(3), 1999, with the parameters of FSIM.

    Args:
        images: `[..., H, W, C]` in the range 0 to 255.

    Returns:
        `[..., H, W, C]` from 0 to 1; 0 for a constant image.

    >>> float(phase_congruency(jnp.ones((8, 8, 1))).max())
    0.0
    """
    filters, noise = _filter_bank(images.shape[-3], images.shape[-2])
    energy, amplitude = jnp.zeros_like(images), jnp.zeros_like(images)
    for orientation in range(filters.shape[1]):
        bank = filters[:, orientation : orientation + 1]
        scales = [
            (response.real, response.imag) for response in log_gabor_responses(images, bank)[:, 0]
        ]
        amplitude += sum(safe_sqrt(even**2 + odd**2) for even, odd in scales)
        mean_even, mean_odd = (sum(parts) for parts in zip(*scales, strict=True))
        length = safe_sqrt(mean_even**2 + mean_odd**2) + SMALLEST_AMPLITUDE
        mean_even, mean_odd = mean_even / length, mean_odd / length
        congruent = sum(
            even * mean_even + odd * mean_odd - jnp.abs(even * mean_odd - odd * mean_even)
            for even, odd in scales
        )
        threshold = float(noise[orientation]) * _median_length(*scales[0])
        energy += jnp.maximum(congruent - threshold, 0)
    return safe_divide(energy, amplitude)


def _median_length(even: jax.Array, odd: jax.Array) -> jax.Array:
    """The root of the median of `even^2 + odd^2` in each image and channel."""
    power = jnp.moveaxis(even**2 + odd**2, -1, -3)
    median = median_of_nonnegative(power.reshape(*power.shape[:-2], -1))
    return safe_sqrt(median)[..., None, None, :]


@functools.cache
def _filter_bank(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-Gabor filters `[scale, orientation, H, W]`, and each orientation's threshold of noise.

    The threshold is for a response at the finest scale whose squares have the median 1.
    """
    filters = log_gabor_filters(height, width)
    in_space = np.fft.ifft2(filters).real * math.sqrt(height * width)
    # The squared sum of the filters has each product of two of them twice.
    squares = (in_space**2).sum((0, 2, 3))
    products = ((in_space.sum(0) ** 2).sum((1, 2)) - squares) / 2
    power = 1 / (math.log(2) * (filters[0] ** 2).sum((1, 2)))
    rayleigh = np.sqrt(power * (squares + 2 * products))
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt(2 - math.pi / 2)
    return filters, rayleigh * (mean + NOISE_DEVIATIONS * deviation) / NOISE_RESCALING


def _compare(
    reference: jax.Array, distorted: jax.Array, data_range: float, color: bool, downsample: bool
) -> tuple[jax.Array, jax.Array]:
    """Local similarity and the larger phase congruency, each `[..., H', W']`."""
    factor = downsampling_factor(reference.shape) if downsample else 1
    x, y = (
        downsample_box(_to_yiq(image) * (255 / data_range), factor, border="zero")
        for image in (reference, distorted)
    )
    (light_x, *chroma_x), (light_y, *chroma_y) = (split_channels(image) for image in (x, y))
    congruency_x, congruency_y = phase_congruency(light_x), phase_congruency(light_y)
    gradient_x, gradient_y = gradient_magnitude(light_x), gradient_magnitude(light_y)
    local = similarity(congruency_x, congruency_y, CONGRUENCY_CONSTANT)
    local = (local * similarity(gradient_x, gradient_y, GRADIENT_CONSTANT))[..., 0]
    if color and chroma_x:
        pairs = zip(chroma_x, chroma_y, strict=True)
        first, second = (similarity(*pair, CHROMA_CONSTANT) for pair in pairs)
        local = local * signed_power(first * second, CHROMA_POWER)[..., 0]
    return local, jnp.maximum(congruency_x, congruency_y)[..., 0]


def _to_yiq(images: jax.Array) -> jax.Array:
    return rgb_to_yiq(images) if images.shape[-1] == 3 else images
