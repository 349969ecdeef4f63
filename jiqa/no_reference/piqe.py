"""PIQE: the distortion that blocks of an image show, without any training.

Venkatanath, Praneeth, Chandrasekhar, Channappayya and Medasani, "Blind image quality evaluation
using perception based features", NCC 2015, in the convention of MATLAB's `piqe`: rounded grey,
blocks of 16 x 16 pixels of an image whose end is mirrored to whole blocks, sample variances. MATLAB
removes from a block's surround the first of its two middle columns and, instead of the second, the
one after; so does this.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide
from jiqa.core.color import to_levels
from jiqa.core.filters import pad_to_multiple, split_blocks
from jiqa.core.registry import image_function, metric
from jiqa.core.statistics import mscn

PAPER = 'Venkatanath et al., "Blind image quality evaluation using perception based features", '
PAPER += "NCC 2015"
BLOCK = 16
SEGMENT = 6  # pixels of a block's edge that are looked at together
ACTIVE = 0.1  # variance of a block above which it counts
IMPAIRED = 0.1  # deviation of a segment below which it is seen as an artifact
CENTER = np.array([7, 8])  # columns of a block
SURROUND = np.setdiff1d(np.arange(BLOCK), [7, 9])
INFINITY = float("inf")


class PiqeMasks(NamedTuple):
    """What PIQE finds in each block, `[..., H, W, C]` each.

    Attributes:
        active: Whether the block varies enough to count.
        artifacts: Whether it counts and has a flat segment along its edges.
        noise: Whether it counts and varies as noise does.
        distortion: What it adds to the score, mostly 0 to 1.
    """

    active: jax.Array
    artifacts: jax.Array
    noise: jax.Array
    distortion: jax.Array


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(-INFINITY, INFINITY),
    identical=None,
    paper=PAPER,
    color="grey, MATLAB's rounded; luma=None averages over channels",
    differentiable=False,
)
def piqe(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Share of an image's active blocks that are distorted, weighed by how much.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range]; rounded to levels of 255.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Weights `[..., H, W]`, averaged in each block, with which blocks are counted, or
            None. `piqe_masks` shows the blocks.

    Returns:
        `[...]`, mostly 0 (best) to 100; images without an active block have 100.

    >>> float(piqe(jnp.full((40, 50, 1), 0.5)))
    100.0
    """
    blocks = _judge(image, data_range, luma)
    if weights is not None:
        whole = pad_to_multiple(weights[..., None], BLOCK, "symmetric")
        weights = split_blocks(whole, BLOCK).mean((-2, -1))[..., 0, None, :]
    count, distortion = (
        pooling.total(jnp.moveaxis(each, -2, -1)[..., None, :, :], weights)
        for each in (blocks.active.astype(image.dtype), blocks.distortion)
    )
    return (100 * (distortion + 1) / (count + 1)).mean(-1)


@image_function
def piqe_masks(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = "matlab"
) -> PiqeMasks:
    """Where `piqe` finds activity, artifacts and noise; arguments as there.

    Returns:
        `PiqeMasks`, of one channel for luma other than None.

    >>> [mask.shape for mask in piqe_masks(jnp.zeros((40, 50, 3)))][0]
    (40, 50, 1)
    """
    height, width = image.shape[-3:-1]
    columns = -(-width // BLOCK)

    def to_pixels(blocks: jax.Array) -> jax.Array:
        grid = blocks.reshape(*blocks.shape[:-1], -1, columns)
        pixels = grid.repeat(BLOCK, -2).repeat(BLOCK, -1)[..., :height, :width]
        return jnp.moveaxis(pixels, -3, -1)

    return PiqeMasks(*map(to_pixels, _judge(image, data_range, luma)))


def _judge(image: jax.Array, data_range: float, luma: str | None) -> PiqeMasks:
    """The masks with one value for each block, `[..., C, N]`."""
    levels = jnp.floor(to_levels(image, luma, data_range=data_range) + 0.5)
    blocks = split_blocks(mscn(pad_to_multiple(levels, BLOCK, "symmetric")), BLOCK)
    variance = blocks.var((-2, -1), ddof=1)
    active = variance > ACTIVE
    artifacts = active & _has_flat_segment(blocks)
    noise = active & _is_noisy(blocks, jnp.sqrt(variance))
    distortion = jnp.where(artifacts, 1 - variance, 0) + jnp.where(noise, variance, 0)
    return PiqeMasks(active, artifacts, noise, distortion)


def _has_flat_segment(blocks: jax.Array) -> jax.Array:
    """Whether any segment along the four edges hardly varies."""
    edges = jnp.stack(
        [blocks[..., 0, :], blocks[..., -1, :], blocks[..., :, 0], blocks[..., :, -1]], -2
    )
    starts = range(BLOCK - SEGMENT + 1)
    segments = jnp.stack([edges[..., start : start + SEGMENT] for start in starts], -2)
    return jnp.any(segments.std(-1, ddof=1) < IMPAIRED, (-2, -1))


def _is_noisy(blocks: jax.Array, deviation: jax.Array) -> jax.Array:
    """Whether center and surround vary alike, compared with the whole block."""
    center = blocks[..., CENTER].std((-2, -1), ddof=1)
    surround = blocks[..., SURROUND].std((-2, -1), ddof=1)
    ratio = safe_divide(center, surround)
    return deviation > 2 * safe_divide(jnp.abs(deviation - ratio), jnp.maximum(deviation, ratio))
