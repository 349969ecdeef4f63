"""Colorfulness, a number for how vivid the colours of an image are.

Hasler and Suesstrunk, "Measuring colorfulness in natural images", SPIE 5007 (Human Vision and
Electronic Imaging VIII), 2003: the third of the paper's measures, M(3), in opponents of sRGB.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.registry import metric

INFINITY = float("inf")


@metric(
    kind="no_reference",
    higher_is_better=True,
    score_range=(0, INFINITY),
    identical=None,
    paper='Hasler and Suesstrunk, "Measuring colorfulness in natural images", SPIE 5007, 2003',
    color="red against green and yellow against blue",
)
def colorfulness(
    image: jax.Array, *, data_range: float = 1.0, weights: jax.Array | None = None
) -> jax.Array:
    """Spread of the opponent colours and their distance from gray.

    `sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2)` with `rg = R - G` and
    `yb = (R + G) / 2 - B`, on 0 to 255.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0, for gray images: 15 is slightly, 33 moderately, 59 quite and 109 extremely
        colorful by the paper's observers.

    >>> float(colorfulness(jnp.ones((4, 4, 3)) * jnp.array([1.0, 0.0, 0.5])).round(3))
    76.5
    """
    if image.shape[-1] == 1:
        return jnp.zeros_like(image, shape=image.shape[:-3])
    red, green, blue = jnp.split(image * (255 / data_range), 3, axis=-1)
    opponents = jnp.concatenate([red - green, (red + green) / 2 - blue], axis=-1)
    spread = pooling.standard_deviation(opponents, weights)
    return _length(spread) + 0.3 * _length(pooling.mean(opponents, weights))


def _length(opponents: jax.Array) -> jax.Array:
    return safe_sqrt(jnp.sum(opponents**2, axis=-1))
