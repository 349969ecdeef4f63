"""Peak signal-to-noise ratio that counts blocking: PSNR-B.

Yim and Bovik, "Quality assessment of deblocked images", IEEE Transactions on Image Processing
20(1), 2011. The paper's numbers of pairs across block edges are followed to the letter,
`H W / B - 1` and not the `H (W / B - 1)` pairs that exist; so do the packages sewar and
torchmetrics.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import map_difference, safe_divide
from jiqa.core.color import apply_luma
from jiqa.core.filters import check_window_fits
from jiqa.core.registry import metric
from jiqa.full_reference.pixel import INFINITY, decibel_ratio


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=INFINITY,
    paper='Yim and Bovik, "Quality assessment of deblocked images", IEEE TIP 20(1), 2011',
    color="all channels in one sum; luma= converts first",
    protocols={"psnr_b_y": {"luma": "matlab"}},
    loss_options={"cap": 100.0},
)
def psnr_b(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Peak signal-to-noise ratio with the blocking of the distorted image added to the error.

    The order of the images matters: blocking is looked for in the second alone, so equal images
    that show it score below infinity. There is no map: blocking is a difference of two means;
    `mse_map` shows the error.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range], larger than a block.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        block_size: Side of the codec's blocks in pixels, from the top left corner.
        cap: The highest value returned, such as 100 for correlations and losses; None is none.
        weights: Weights `[..., H, W]` of the errors, and of the steps between two pixels by their
            mean, or None.

    Returns:
        `[...]` in decibel, at most PSNR; infinite for equal images without blocking unless capped.

    Raises:
        ValueError: The images are not larger than a block.

    >>> image = jnp.linspace(0, 1, 16)[:, None, None] * jnp.ones((16, 1))
    >>> float(psnr_b(image, image))
    inf
    >>> step = jnp.where(jnp.arange(16) < 8, -0.1, 0.1)[:, None]
    >>> bool(psnr_b(image, image + 0.1) > psnr_b(image, image + step))
    True
    """
    check_window_fits(reference.shape, block_size + 1, block_size + 1)
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    error = pooling.mean(map_difference(jnp.square, reference, distorted), weights)
    error = (error + _blocking_effect(distorted, block_size, weights)).mean(-1)
    decibel = decibel_ratio(jnp.full_like(error, data_range**2), error)
    return decibel if cap is None else jnp.minimum(decibel, cap)


def _blocking_effect(images: jax.Array, size: int, weights: jax.Array | None) -> jax.Array:
    """How far the squared step across block edges exceeds that elsewhere, `[..., C]`."""
    height, width = images.shape[-3:-1]
    fitted = pooling.fit_weights(weights, 1, height, width)
    fitted = jnp.ones((height, width), images.dtype) if fitted is None else fitted
    at_edges = elsewhere = jnp.zeros((), images.dtype)
    for axis in (-3, -2):
        steps = jnp.diff(images, axis=axis) ** 2
        pairs = _means_of_neighbours(fitted[..., None], axis)
        place = np.arange(steps.shape[axis])
        edge = np.broadcast_to(place[:, None] if axis == -3 else place, steps.shape[-3:-1])
        edge = (edge % size == size - 1)[..., None]
        at_edges += _sum_where(edge, steps, pairs)
        elsewhere += _sum_where(~edge, steps, pairs)
    edge_pairs = 2 * (height * width / size - 1)
    other_pairs = height * (width - 1) + width * (height - 1) - edge_pairs
    excess = at_edges / edge_pairs - elsewhere / other_pairs
    return math.log2(size) / math.log2(min(height, width)) * jnp.maximum(excess, 0)


def _means_of_neighbours(values: jax.Array, axis: int) -> jax.Array:
    length, axis = values.shape[axis], values.ndim + axis
    before, after = (jax.lax.slice_in_dim(values, i, length - 1 + i, axis=axis) for i in (0, 1))
    return (before + after) / 2


def _sum_where(chosen: np.ndarray, steps: jax.Array, weights: jax.Array) -> jax.Array:
    """The sum of chosen steps, their weights relative to the mean; 0 where none of them counts."""
    weights = weights * chosen
    total = jnp.sum(weights * steps, axis=(-3, -2))
    return safe_divide(total, jnp.sum(weights, axis=(-3, -2))) * chosen.sum()
