"""Gradient magnitude similarity deviation on multiple scales, of luma and with colour.

Zhang, Sander and Bermak, "Gradient magnitude similarity deviation on multiple scales for color
image quality assessment", ICASSP 2017. The authors published no code; the conventions are those of
the packages piq and piqa, which agree: the first scale is the full image, each further one is
halved by a 2 x 2 mean with zeros beyond an odd border, gradients are Prewitt's with zero borders,
luma is not rounded, and the deviation divides by N. Chroma is compared at the coarsest scale.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.channels import split_channels
from jiqa.core.color import apply_luma, gray_to_rgb, rgb_to_yiq
from jiqa.core.filters import downsample_box, gradient_magnitude
from jiqa.core.registry import metric

PAPER = 'Zhang, Sander and Bermak, "Gradient magnitude similarity deviation on multiple scales '
PAPER += 'for color image quality assessment", ICASSP 2017'

SCALE_WEIGHTS = (0.096, 0.596, 0.289, 0.019)


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 1),
    identical=0,
    paper=PAPER,
    color="luma of YIQ; luma=None averages over channels",
)
def ms_gmsd(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "bt601",
    scale_weights: Sequence[float] = SCALE_WEIGHTS,
    constant: float = 170 / 255**2,
    masking: float = 0.5,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Standard deviation of the similarity of gradient magnitudes over several scales.

    The root of the weighted sum of the squared deviations. There is no map: a deviation is that of
    a whole scale; `gmsd_map` shows one.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        scale_weights: Weights of the squared deviations from the finest scale to the coarsest.
        constant: The paper's c relative to `data_range` squared.
        masking: The paper's alpha, below 2; 0 gives the similarity of GMSD.
        weights: Pooling weights `[..., H, W]`, or None; halved with the images.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    >>> image = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
    >>> print(ms_gmsd(image, image))
    0.0
    """
    pair = jnp.stack(apply_luma(luma, reference, distorted, data_range=data_range))
    constant = constant * data_range**2
    return _deviation(pair, scale_weights, constant, masking, weights).mean(-1)


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, math.inf),
    identical=0,
    paper=PAPER,
    color="YIQ; grey counts as three equal channels",
)
def ms_gmsdc(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    scale_weights: Sequence[float] = SCALE_WEIGHTS,
    constant: float = 170 / 255**2,
    masking: float = 0.5,
    chroma_scale: float = 0.01,
    chroma_share: float = 0.32,
    decay: float = 15.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Multi-scale gradient magnitude similarity deviation with the error of chroma.

    `g L + (1 - g) C` with L the MS-GMSD of luma, C the scaled root mean squared error of I and Q,
    and `g = 2 / (1 + chroma_share exp(-decay L)) - 1`: the worse the luma, the less colour counts.
    There is no map, as in `ms_gmsd`.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        scale_weights: As in `ms_gmsd`.
        constant: As in `ms_gmsd`.
        masking: As in `ms_gmsd`.
        chroma_scale: The paper's first beta: the factor of the error, for images of 0 to 255.
        chroma_share: The second beta; 0 leaves chroma out.
        decay: The third beta.
        weights: As in `ms_gmsd`.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    >>> red, blue = jnp.zeros((32, 32, 3)).at[..., 0].set(0.114), jnp.zeros((32, 32, 3))
    >>> blue = blue.at[..., 2].set(0.299)
    >>> bool(ms_gmsd(red, blue) < 1e-3), bool(ms_gmsdc(red, blue) > 0.1)
    (True, True)
    """
    pair = rgb_to_yiq(gray_to_rgb(jnp.stack([reference, distorted])))
    constant = constant * data_range**2
    light, chroma = split_channels(pair, 1, 2)
    luma = _deviation(light, scale_weights, constant, masking, weights)[..., 0]
    error = (chroma[0] - chroma[1]) * (255 / data_range)
    for _ in scale_weights[1:]:
        error = downsample_box(error, 2, border="zero")
        weights = pooling.halve_weights(weights)
    weights = pooling.fit_weights(weights, 1, *error.shape[-3:-1])
    chroma = chroma_scale * safe_sqrt(jnp.sum(pooling.mean(error**2, weights), axis=-1))
    share = 2 / (1 + chroma_share * jnp.exp(-decay * luma)) - 1
    return share * luma + (1 - share) * chroma


def _deviation(
    pair: jax.Array,
    scale_weights: Sequence[float],
    constant: float,
    masking: float,
    weights: jax.Array | None,
) -> jax.Array:
    """Root of the weighted sum over scales of squared deviations, `[..., C]`."""
    total = jnp.zeros((), pair.dtype)
    for scale, scale_weight in enumerate(scale_weights):
        if scale > 0:
            pair = downsample_box(pair, 2, border="zero")
            weights = pooling.halve_weights(weights)
        similarity = _similarity(pair, constant, masking)
        fitted = pooling.fit_weights(weights, 1, *similarity.shape[-3:-1])
        total = total + scale_weight * pooling.standard_deviation(similarity, fitted) ** 2
    return safe_sqrt(total)


def _similarity(pair: jax.Array, constant: float, masking: float) -> jax.Array:
    """`((2 - a) g h + c) / (g^2 + h^2 - a g h + c)` of the gradients' lengths g and h.

    Written so that it is 1 where they are equal.
    """
    g, h = gradient_magnitude(pair, "prewitt", border="zero")
    return 1 - (g - h) ** 2 / (g**2 + h**2 - masking * g * h + constant)
