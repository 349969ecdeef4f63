"""Images as patches, for networks that score patches and pool what they say."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.filters import check_window_fits


def as_patches(images: jax.Array, size: int) -> jax.Array:
    """Patches of images: all that fit side by side, or those that images already are.

    What is left over at the lower and right border is split evenly between both sides and unused,
    as BIECON's authors do.

    Args:
        images: `[B, H, W, C]`, or patches `[B, P, size, size, C]`, which are handed back.
        size: Side of a patch.

    Returns:
        `[B, P, size, size, C]`, row by row.

    Raises:
        ValueError: Images are smaller than a patch.

    >>> as_patches(jnp.zeros((2, 70, 100, 3)), 32).shape
    (2, 6, 32, 32, 3)
    """
    if images.ndim == 5:
        return images
    rows, columns = grid(images.shape, size)
    batch, height, width, channels = images.shape
    top, left = (height - rows * size) // 2, (width - columns * size) // 2
    cut = images[:, top : top + rows * size, left : left + columns * size]
    cells = cut.reshape(batch, rows, size, columns, size, channels).swapaxes(2, 3)
    return cells.reshape(batch, rows * columns, size, size, channels)


def spread_squares(images: jax.Array, side: int, rows: int, columns: int) -> jax.Array:
    """Squares in even steps over images, of which the outermost touch the borders.

    Args:
        images: `[B, H, W, C]`, or squares `[B, P, side, side, C]`, which are handed back.
        side: Of the squares.
        rows: How many along H, less where squares would be the same.
        columns: The same along W.

    Returns:
        `[B, P, side, side, C]`, row by row.

    Raises:
        ValueError: Images are smaller than a square.

    >>> spread_squares(jnp.zeros((2, 8, 10, 3)), 8, 5, 5).shape
    (2, 3, 8, 8, 3)
    """
    if images.ndim == 5:
        return images
    check_window_fits(images.shape, side, side)
    tops, lefts = (
        np.unique(np.linspace(0, length - side, count).round().astype(int))
        for length, count in zip(images.shape[1:3], (rows, columns), strict=True)
    )
    squares = [
        images[:, top : top + side, left : left + side]
        for top, left in itertools.product(tops, lefts)
    ]
    return jnp.stack(squares, 1)


def grid(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Rows and columns of the patches that `as_patches` takes from images of a shape.

    >>> grid((2, 70, 100, 3), 32)
    (2, 3)
    """
    rows, columns = shape[-3] // size, shape[-2] // size
    if not rows or not columns:
        raise ValueError(
            f"images are {shape[-3]} x {shape[-2]} pixels, smaller than a patch of {size}."
        )
    return rows, columns


def merge_batch(patches: jax.Array) -> jax.Array:
    """Patches of all images in one batch: `[B, P, ...]` as `[B * P, ...]`.

    >>> merge_batch(jnp.zeros((2, 6, 32, 32, 3))).shape
    (12, 32, 32, 3)
    """
    return patches.reshape(-1, *patches.shape[2:])
