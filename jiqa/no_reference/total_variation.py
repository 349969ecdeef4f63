"""Total variation, the regulariser of Rudin, Osher and Fatemi.

Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60,
1992. The sum over neighbours, as packages have it, or its mean for each pixel.
"""

import jax
import jax.numpy as jnp

from jiqa.core import color, pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.registry import metric

INFINITY = float("inf")


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=None,
    paper='Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", '
    "Physica D 60, 1992",
    color="all channels in one sum; luma= converts first",
)
def total_variation(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    norm: str = "l1",
    mean: bool = False,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Total variation: how much neighbouring pixels differ.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        norm: "l1" adds up absolute differences to the right and below (anisotropic); "isotropic"
            adds up the lengths of both together, a difference beyond the border being 0; "l2" is
            the root of the sum of all squared differences, "l2_squared" that sum.
        mean: Whether the sum is divided by the number of pixels times channels.
        weights: Weights `[..., H, W]` of the differences from a pixel to the right and below,
            relative to their mean, or None.

    Returns:
        `[...]` from 0, in units of the images (their squares for "l2_squared").

    Raises:
        ValueError: Unknown norm.

    >>> board = (jnp.indices((4, 4)).sum(0) % 2)[..., None] * 1.0
    >>> float(total_variation(board))
    24.0
    """
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    *batch, height, width, channels = image.shape
    rows = image.reshape(*batch, height, width * channels)  # of which compilers make vectors
    whole = [(0, 0)] * len(batch)
    down = jnp.pad(jnp.diff(rows, axis=-2), [*whole, (0, 1), (0, 0)])
    across = jnp.pad(rows[..., channels:] - rows[..., :-channels], [*whole, (0, 0), (0, channels)])
    if norm == "l1":
        variation = jnp.abs(down) + jnp.abs(across)
    elif norm == "isotropic":
        variation = safe_sqrt(down**2 + across**2)
    elif norm in ("l2", "l2_squared"):
        variation = down**2 + across**2
    else:
        raise ValueError(f"norm={norm!r} is unknown; use l1, isotropic, l2 or l2_squared.")
    shape = (*batch, height, width * channels, 1) if weights is None else image.shape
    total = pooling.total(variation.reshape(shape), weights).sum(-1)
    if mean:
        total = total / (height * width * channels)
    return safe_sqrt(total) if norm == "l2" else total
