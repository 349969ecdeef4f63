"""Visual saliency-induced index.

Zhang, Shen and Li, "VSI: a visual saliency-induced index for perceptual image quality assessment",
IEEE Transactions on Image Processing 23(10), 2014, in the convention of the authors' `VSI.m`: SDSP
saliency, the colour space LMN, reduced by `round(min(H, W) / 256)` with a mean filter and zero
borders, Scharr gradients, and the real part of the power of a chrominance similarity that may be
negative.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_power, signed_power, similarity
from jiqa.core.channels import split_channels, unstack_channels
from jiqa.core.color import gray_to_rgb, rgb_to_lmn
from jiqa.core.filters import downsample_box, downsampling_factor, gradient_magnitude
from jiqa.core.registry import image_function, metric
from jiqa.core.saliency import sdsp

PAPER = 'Zhang, Shen and Li, "VSI: a visual saliency-induced index for perceptual image quality '
PAPER += 'assessment", IEEE TIP 23(10), 2014'

SALIENCY_CONSTANT, GRADIENT_CONSTANT, CHROMA_CONSTANT = 1.27, 386.0, 130.0
GRADIENT_POWER, CHROMA_POWER = 0.40, 0.020
SDSP_OPTIONS = {
    "frequency": 0.0210,
    "bandwidth": 1.34,
    "center_sigma": 145.0,
    "color_sigma": 0.001,
}


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    color="L, M and N; grey images are neutral",
)
def vsi(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    downsample: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Similarity of saliency, gradients and chrominances, weighted by saliency.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        downsample: Whether the images are reduced by `round(min(H, W) / 256)` first.
        weights: Further pooling weights `[..., H, W]`, or None; reduced with the images.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    >>> image = jnp.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)
    >>> print(vsi(image, image).round(6))
    1.0
    """
    local, saliency = _compare(reference, distorted, data_range, downsample)
    factor = downsampling_factor(reference.shape) if downsample else 1
    weights = pooling.fit_weights(weights, factor, *local.shape[-2:])
    return pooling.importance_mean(local, saliency, weights)


@image_function
def vsi_map(
    reference: jax.Array, distorted: jax.Array, *, data_range: float = 1.0, downsample: bool = True
) -> jax.Array:
    """The local similarity that `vsi` pools; arguments as there.

    Returns:
        `[..., H', W']`, reduced as in `vsi`; 1 where the images are alike.

    >>> vsi_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (15, 20)
    """
    return _compare(reference, distorted, data_range, downsample)[0]


def _compare(
    reference: jax.Array, distorted: jax.Array, data_range: float, downsample: bool
) -> tuple[jax.Array, jax.Array]:
    """Local similarity and the larger saliency, each `[..., H', W']`."""
    factor = downsampling_factor(reference.shape) if downsample else 1
    images = [gray_to_rgb(image) * (255 / data_range) for image in (reference, distorted)]
    saliency_x, saliency_y = (
        downsample_box(
            sdsp(image, data_range=255.0, **SDSP_OPTIONS)[..., None], factor, border="zero"
        )[..., 0]
        for image in images
    )
    x, y = (downsample_box(rgb_to_lmn(image), factor, border="zero") for image in images)
    (light_x, chroma_x), (light_y, chroma_y) = (split_channels(image, 1, 2) for image in (x, y))
    gradient_x, gradient_y = (gradient_magnitude(light)[..., 0] for light in (light_x, light_y))
    structure = similarity(gradient_x, gradient_y, GRADIENT_CONSTANT)
    first, second = unstack_channels(similarity(chroma_x, chroma_y, CHROMA_CONSTANT))
    local = similarity(saliency_x, saliency_y, SALIENCY_CONSTANT)
    local = local * safe_power(structure, GRADIENT_POWER)
    local = local * signed_power(first * second, CHROMA_POWER)
    return local, jnp.maximum(saliency_x, saliency_y)
