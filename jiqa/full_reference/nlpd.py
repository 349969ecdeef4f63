"""Normalised Laplacian pyramid distance.

Laparra, Balle, Berardino and Simoncelli, "Perceptual image quality assessment using a normalized
Laplacian pyramid", Human Vision and Electronic Imaging 2016, in the convention of the authors'
`NLP_dist.m`: images of 0 to 1 in six levels, of which each is divided by a constant and a weighted
sum of its neighbours' magnitudes, both learned from photographs. The window of Burt and Adelson
extends images symmetrically on the way down and repeats their last sample on the way up; beyond a
level its magnitudes are zero.

The package pyiqa follows the same code but for one small weight that it leaves out, which changes
scores by up to 0.5 % (0.0072, of the second neighbour in the finest level), and takes luma that is
not rounded. The distance called NLPD in frame-analytics is another one of the same name, with other
weights and exponents, twenty times as large.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, pad
from jiqa.core.registry import metric

PAPER = 'Laparra, Balle, Berardino and Simoncelli, "Perceptual image quality assessment using a '
PAPER += 'normalized Laplacian pyramid", HVEI 2016'

WINDOW = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
# Of each level, finest first: the constant, and the weights of neighbours at (row, column).
CONSTANTS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
NEIGHBOURS = (
    {(-1, 0): 0.1015, (1, 0): 0.1011, (0, -2): 0.0072, (0, -1): 0.1460, (0, 1): 0.1493},
    {(-1, 0): 0.0837, (1, 0): 0.0757, (0, -1): 0.1846, (0, 1): 0.1986},
    {(-1, 0): 0.0467, (1, 0): 0.0477, (0, -1): 0.2243, (0, 1): 0.2138},
    {(0, -1): 0.2616, (0, 1): 0.2503},
    {(0, -1): 0.2552, (0, 1): 0.2598},
    {(0, -1): 0.0717, (0, 1): 0.2215},
)


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, math.inf),
    identical=0,
    paper=PAPER,
    protocols={"nlpd_y": {"luma": "matlab"}},
)
def nlpd(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Distance of locally normalised contrasts, over the levels of a Laplacian pyramid.

    The mean over levels of the root mean squared difference. There is no map: each level has its
    root.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Pooling weights `[..., H, W]`, or None; halved from level to level.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    >>> image = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
    >>> print(nlpd(image, image).round(6))
    0.0
    """
    pair = apply_luma(luma, reference, distorted, data_range=data_range)
    distance = jnp.zeros((), reference.dtype)
    for level, bands in enumerate(_laplacian_pyramid(jnp.stack(pair) / data_range)):
        x, y = _normalize(bands, level)
        fitted = pooling.fit_weights(weights, 1, *x.shape[-3:-1])
        distance = distance + safe_sqrt(pooling.mean((x - y) ** 2, fitted))
        weights = pooling.halve_weights(weights)
    return distance.mean(-1) / len(CONSTANTS)


def _laplacian_pyramid(images: jax.Array) -> list[jax.Array]:
    bands = []
    for _ in CONSTANTS[1:]:
        coarse = correlate_separable(images, WINDOW, border="symmetric", stride=2)
        bands.append(images - _expand(coarse, *images.shape[-3:-1]))
        images = coarse
    return [*bands, images]


def _expand(coarse: jax.Array, height: int, width: int) -> jax.Array:
    """Zeros between the samples, then the window; beyond the image its last sample is repeated."""
    other = coarse.ndim - 3
    coarse = jnp.pad(coarse, [(0, 0)] * other + [(1, 1), (1, 1), (0, 0)], mode="edge")
    widths = [(0, 0, 0)] * other + [(0, 1, 1), (0, 1, 1), (0, 0, 0)]
    spread = jax.lax.pad(coarse, jnp.zeros((), coarse.dtype), widths)
    return correlate_separable(spread[..., : height + 4, : width + 4, :], 2 * WINDOW)


def _normalize(band: jax.Array, level: int) -> jax.Array:
    """The band over its constant and the weighted magnitudes of its neighbours."""
    height, width = band.shape[-3:-1]
    magnitude = pad(jnp.abs(band), 5, 5, "zero")
    neighbours = sum(
        weight * magnitude[..., 2 + row : 2 + row + height, 2 + column : 2 + column + width, :]
        for (row, column), weight in NEIGHBOURS[level].items()
    )
    return band / (CONSTANTS[level] + neighbours)
