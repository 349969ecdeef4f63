"""Images as patches, for networks that score patches and pool what they say."""

import jax


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

    >>> as_patches(jax.numpy.zeros((2, 70, 100, 3)), 32).shape
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

    >>> merge_batch(jax.numpy.zeros((2, 6, 32, 32, 3))).shape
    (12, 32, 32, 3)
    """
    return patches.reshape(-1, *patches.shape[2:])
