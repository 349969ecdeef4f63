"""Shannon's entropy of the histogram of levels.

Shannon, "A mathematical theory of communication", Bell System Technical Journal 27, 1948; on 256
whole levels, as MATLAB's `entropy` of uint8 images.
"""

import math

import jax
import jax.numpy as jnp

from jiqa.core import color, pooling
from jiqa.core.arrays import safe_log
from jiqa.core.registry import metric

LEVELS = 256


@metric(
    kind="no_reference",
    higher_is_better=True,
    score_range=(0, 8),
    identical=None,
    paper='Shannon, "A mathematical theory of communication", Bell System Technical Journal 27, '
    "1948",
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    differentiable=False,
)
def entropy(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Information of a pixel's level, in bits.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Weights `[..., H, W]` with which pixels are counted, or None.

    Returns:
        `[...]` in [0, 8]: 0 for a flat image, 8 where all 256 levels are as frequent.

    >>> float(entropy(jnp.arange(256.0).reshape(16, 16, 1), data_range=255.0).round(4))
    8.0
    """
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    levels = jnp.clip(jnp.round(image * ((LEVELS - 1) / data_range)), 0, LEVELS - 1)
    share = _count(levels, weights)
    share = share / share.sum(-1, keepdims=True)
    return (-jnp.sum(share * safe_log(share), axis=-1) / math.log(2)).mean(-1)


def _count(levels: jax.Array, weights: jax.Array | None) -> jax.Array:
    """How often each level occurs, or the sum of its pixels' weights, `[..., C, 256]`."""
    *batch, height, width, channels = levels.shape
    fitted = pooling.fit_weights(weights, 1, height, width)
    if fitted is not None:
        fitted = jnp.broadcast_to(fitted[..., None], levels.shape)
    samples, counted = (
        None if each is None else jnp.moveaxis(each, -1, -3).reshape(-1, height * width)
        for each in (levels.astype(jnp.int32), fitted)
    )
    counts = jax.vmap(lambda *pixels: jnp.bincount(*pixels, length=LEVELS))(samples, counted)
    return counts.reshape(*batch, channels, LEVELS).astype(levels.dtype)
