"""Peak signal-to-noise ratio that counts blocking: PSNR-B.

Yim and Bovik, "Quality assessment of deblocked images", IEEE Transactions on Image Processing
20(1), 2011. The paper's numbers of pairs across block edges are followed to the letter,
`H W / B - 1` and not the `H (W / B - 1)` pairs that exist; so do the packages sewar and
torchmetrics.
"""

import math

import jax
import jax.numpy as jnp

from jiqa.core import pooling
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
) -> jax.Array:
    """Peak signal-to-noise ratio with the blocking of the distorted image added to the error.

    The order of the images matters: blocking is looked for in the second alone, so equal images
    that show it score below infinity.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range], larger than a block.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        block_size: Side of the codec's blocks in pixels, from the top left corner.
        cap: The highest value returned, such as 100 for correlations and losses; None is none.

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
    error = pooling.mean((reference - distorted) ** 2) + _blocking_effect(distorted, block_size)
    error = error.mean(-1)
    decibel = decibel_ratio(jnp.full_like(error, data_range**2), error)
    return decibel if cap is None else jnp.minimum(decibel, cap)


def _blocking_effect(images: jax.Array, size: int) -> jax.Array:
    """How far the squared step across block edges exceeds that elsewhere, `[..., C]`."""
    height, width = images.shape[-3:-1]
    down = jnp.sum(jnp.diff(images, axis=-3) ** 2, axis=-2)
    across = jnp.sum(jnp.diff(images, axis=-2) ** 2, axis=-3)
    at_edges = sum(jnp.sum(steps[..., size - 1 :: size, :], axis=-2) for steps in (down, across))
    everywhere = jnp.sum(down, axis=-2) + jnp.sum(across, axis=-2)
    edge_pairs = 2 * (height * width / size - 1)
    other_pairs = height * (width - 1) + width * (height - 1) - edge_pairs
    excess = at_edges / edge_pairs - (everywhere - at_edges) / other_pairs
    return math.log2(size) / math.log2(min(height, width)) * jnp.maximum(excess, 0)
