"""Spectral residual based similarity.

Zhang and Li, "SR-SIM: a fast and high performance IQA index based on spectral residual", ICIP 2012,
in the convention of the authors' `SR_SIM.m`: unrounded luma, reduced by `round(min(H, W) / 256)`
with a mean filter and zero borders, Scharr gradients. The form with colour adds the chrominance
term of FSIMc with the constants that piq chose.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_power, signed_power, similarity
from jiqa.core.channels import split_channels
from jiqa.core.color import rgb_to_yiq
from jiqa.core.filters import downsample_box, downsampling_factor, gradient_magnitude
from jiqa.core.registry import image_function, metric
from jiqa.core.saliency import spectral_residual

PAPER = 'Zhang and Li, "SR-SIM: a fast and high performance IQA index based on spectral residual", '
PAPER += "ICIP 2012"

SALIENCY_CONSTANT, GRADIENT_CONSTANT, CHROMA_CONSTANT = 0.40, 225.0, 200.0
GRADIENT_POWER, CHROMA_POWER = 0.50, 0.03


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    color="Y of YIQ; sr_simc also I and Q",
    protocols={"sr_simc": {"color": True}},
)
def sr_sim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    color: bool = False,
    downsample: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Similarity of spectral residual saliency and gradients, weighted by saliency.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        color: Whether chrominances are compared too.
        downsample: Whether the images are reduced by `round(min(H, W) / 256)` first.
        weights: Further pooling weights `[..., H, W]`, or None; reduced with the images.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(sr_sim(image, image).round(6))
    1.0
    """
    local, saliency = _compare(reference, distorted, data_range, color, downsample)
    factor = downsampling_factor(reference.shape) if downsample else 1
    weights = pooling.fit_weights(weights, factor, *local.shape[-2:])
    return pooling.importance_mean(local, saliency, weights)


@image_function
def sr_sim_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    color: bool = False,
    downsample: bool = True,
) -> jax.Array:
    """The local similarity that `sr_sim` pools; arguments as there.

    Returns:
        `[..., H', W']`, reduced as in `sr_sim`; 1 where the images are alike.

    >>> sr_sim_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (15, 20)
    """
    return _compare(reference, distorted, data_range, color, downsample)[0]


def _compare(
    reference: jax.Array, distorted: jax.Array, data_range: float, color: bool, downsample: bool
) -> tuple[jax.Array, jax.Array]:
    """Local similarity and the larger saliency, each `[..., H', W']`."""
    factor = downsampling_factor(reference.shape) if downsample else 1
    x, y = (
        downsample_box(_to_yiq(image) * (255 / data_range), factor, border="zero")
        for image in (reference, distorted)
    )
    (light_x, *chroma_x), (light_y, *chroma_y) = (split_channels(image) for image in (x, y))
    saliency_x, saliency_y = (
        spectral_residual(light, data_range=255.0) for light in (light_x, light_y)
    )
    gradient_x, gradient_y = gradient_magnitude(light_x), gradient_magnitude(light_y)
    structure = similarity(gradient_x, gradient_y, GRADIENT_CONSTANT)[..., 0]
    local = similarity(saliency_x, saliency_y, SALIENCY_CONSTANT)
    local = local * safe_power(structure, GRADIENT_POWER)
    if color and chroma_x:
        pairs = zip(chroma_x, chroma_y, strict=True)
        first, second = (similarity(*pair, CHROMA_CONSTANT) for pair in pairs)
        local = local * signed_power(first * second, CHROMA_POWER)[..., 0]
    return local, jnp.maximum(saliency_x, saliency_y)


def _to_yiq(images: jax.Array) -> jax.Array:
    return rgb_to_yiq(images) if images.shape[-1] == 3 else images
