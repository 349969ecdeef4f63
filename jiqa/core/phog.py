"""The pyramid histogram of oriented gradients, a descriptor of shape and layout.

Bosch, Zisserman and Munoz, "Representing shape with a spatial pyramid kernel", CIVR 2007: Canny's
edges, each weighted by the length of its gradient, are counted by orientation in the cells of a
grid that is refined by two at each level. Gradients are Sobel's, as in the paper (the authors' code
has central differences); cells part the sides as evenly as whole pixels allow and nest.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import color
from jiqa.core.arrays import safe_divide, to_float
from jiqa.core.edges import canny, whole_levels
from jiqa.core.filters import check_window_fits, gradient


def phog(
    images: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str = "matlab",
    bins: int = 8,
    angle: int = 180,
    levels: int = 3,
) -> jax.Array:
    """The pyramid histogram of oriented gradients.

    Args:
        images: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: The range of the images.
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`.
        bins: Orientation bins; the paper uses 20 for 180 degrees and 40 for 360.
        angle: 180 where opposite gradients count as one orientation, or 360.
        levels: Levels beyond the whole image; the last has `4^levels` cells.

    Returns:
        `[..., bins * (4^(levels + 1) - 1) / 3]` with a sum of 1, or zeros for an image without
        edges: level after level, row after row of cells, bins from the gradient to the right on
        towards the bottom.

    Raises:
        ValueError: Unknown angle or preset, or images smaller than the finest grid.

    >>> image = jnp.where(jnp.arange(32) < 16, 0.0, 1.0) * jnp.ones((32, 1))
    >>> descriptor = phog(image[..., None], levels=1)
    >>> descriptor.shape, float(descriptor[0])
    ((40,), 0.5)
    """
    if angle not in (180, 360):
        raise ValueError(f"angle={angle} is unknown; use 180 or 360.")
    check_window_fits(images.shape, 2**levels, 2**levels)
    brightness = color.luma(to_float(images), luma, data_range=data_range)
    brightness = whole_levels(brightness * (255 / data_range))
    horizontal, vertical = gradient(brightness, "sobel", border="replicate")
    turns = jnp.arctan2(vertical, horizontal) / math.radians(angle) % 1
    chosen = jnp.floor(turns * bins).astype(int) % bins == jnp.arange(bins)
    strength = jnp.where(canny(brightness), jnp.hypot(horizontal, vertical), 0)
    grids = [cell_sums(jnp.where(chosen, strength, 0), 2**levels)]
    for _ in range(levels):
        grids.append(merge_cells(grids[-1]))
    batch = brightness.shape[:-3]
    descriptor = jnp.concatenate([grid.reshape(*batch, -1) for grid in reversed(grids)], axis=-1)
    return safe_divide(descriptor, descriptor.sum(-1, keepdims=True))


def histogram_intersection(first: jax.Array, second: jax.Array) -> jax.Array:
    """The overlap of histograms of sum 1.

    Args:
        first: `[..., n]`.
        second: The same shape.

    Returns:
        `[...]`, 1 for equal histograms, 0 for those without a common entry.

    >>> print(histogram_intersection(jnp.array([0.5, 0.5]), jnp.array([0.25, 0.75])))
    0.75
    """
    return jnp.sum(jnp.minimum(first, second), axis=-1)


def chi_squared_distance(first: jax.Array, second: jax.Array) -> jax.Array:
    """The chi-squared distance of histograms, `sum((x - y)^2 / (x + y))`, that the paper uses.

    Args:
        first: `[..., n]`.
        second: The same shape.

    Returns:
        `[...]`, 0 for equal histograms, 2 for those of sum 1 without a common entry.

    >>> print(chi_squared_distance(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])))
    2.0
    """
    return jnp.sum(safe_divide((first - second) ** 2, first + second), axis=-1)


def cell_sums(values: jax.Array, cells: int) -> jax.Array:
    """Sums over a grid of cells that part the sides as evenly as whole samples allow.

    Args:
        values: `[..., H, W, K]`.
        cells: Cells along each side.

    Returns:
        `[..., cells, cells, K]`.

    >>> cell_sums(jnp.ones((4, 6, 1)), 2)[..., 0].tolist()
    [[6.0, 6.0], [6.0, 6.0]]
    """
    height, width = values.shape[-3:-1]
    down = jnp.asarray(_membership(height, cells), values.dtype)
    across = jnp.asarray(_membership(width, cells), values.dtype)
    return jnp.einsum("rh,...hwk,cw->...rck", down, values, across, precision="highest")


def _membership(length: int, cells: int) -> np.ndarray:
    """Which samples of an axis belong to which cell, `[cells, length]`."""
    return np.arange(length) * cells // length == np.arange(cells)[:, None]


def merge_cells(grid: jax.Array) -> jax.Array:
    """The sums of the next coarser grid, of half as many cells along each side.

    >>> merge_cells(jnp.ones((4, 4, 8))).shape
    (2, 2, 8)
    """
    *batch, rows, columns, bins = grid.shape
    return grid.reshape(*batch, rows // 2, 2, columns // 2, 2, bins).sum((-4, -2))
