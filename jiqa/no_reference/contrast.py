"""Contrast of one image: root mean square, Michelson, and Weber, the latter two of small blocks.

Peli, "Contrast in complex images", Journal of the Optical Society of America A 7(10), 1990, defines
and compares the three. Michelson's and Weber's compare one light with another, so for photographs
they are taken in each block and averaged, as in the measures of enhancement of Agaian, Panetta and
Grigoryan, "Transform-based image enhancement algorithms with performance measure", IEEE
Transactions on Image Processing 10(3), 2001.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core import color, pooling
from jiqa.core.arrays import safe_divide
from jiqa.core.filters import check_window_fits
from jiqa.core.registry import image_function, metric

contrast_metric = partial(
    metric,
    kind="no_reference",
    higher_is_better=True,
    identical=None,
    paper='Peli, "Contrast in complex images", JOSA A 7(10), 1990',
)


@contrast_metric(score_range=(0, 0.5))
def rms_contrast(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Standard deviation of the image relative to its range.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` in [0, 0.5]; 0.5 for an image that is half black and half white.

    >>> board = (jnp.indices((4, 4)).sum(0) % 2)[..., None] * 1.0
    >>> float(rms_contrast(board))
    0.5
    """
    image = _brightness(image, luma, data_range)
    return pooling.standard_deviation(image, weights).mean(-1)


@contrast_metric(score_range=(0, 1))
def michelson_contrast(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean over blocks of `(max - min) / (max + min)`.

    Args:
        image: As in `rms_contrast`, at least a block in size.
        data_range: As in `rms_contrast`.
        luma: As in `rms_contrast`.
        block_size: Side of the blocks in pixels; beyond the last whole block pixels are unused.
        weights: Pooling weights `[..., H, W]`, averaged in each block, or None.

    Returns:
        `[...]` in [0, 1]; black blocks count as 0.

    Raises:
        ValueError: The image is smaller than a block.

    >>> board = 0.25 + 0.5 * (jnp.indices((8, 8)).sum(0) % 2)[..., None]
    >>> float(michelson_contrast(board))
    0.5
    """
    contrast = _michelson(image, data_range, luma, block_size)
    weights = pooling.block_weights(weights, block_size, *contrast.shape[-3:-1])
    return pooling.mean(contrast, weights).mean(-1)


@image_function
def michelson_contrast_map(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None, block_size: int = 8
) -> jax.Array:
    """The contrast of each block, averaged over channels; see `michelson_contrast`.

    Returns:
        `[..., H / block_size, W / block_size]`, rounded down.

    >>> michelson_contrast_map(jnp.ones((16, 31, 3))).shape
    (2, 3)
    """
    return _michelson(image, data_range, luma, block_size).mean(-1)


@contrast_metric(score_range=(0, 2))
def weber_contrast(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean over blocks of the mean of `|pixel - mean| / mean`.

    Args:
        image: As in `rms_contrast`, at least a block in size.
        data_range: As in `rms_contrast`.
        luma: As in `rms_contrast`.
        block_size: As in `michelson_contrast`.
        weights: As in `michelson_contrast`.

    Returns:
        `[...]` in [0, 2]; black blocks count as 0.

    Raises:
        ValueError: The image is smaller than a block.

    >>> board = 0.25 + 0.5 * (jnp.indices((8, 8)).sum(0) % 2)[..., None]
    >>> float(weber_contrast(board))
    0.5
    """
    contrast = _weber(image, data_range, luma, block_size)
    weights = pooling.block_weights(weights, block_size, *contrast.shape[-3:-1])
    return pooling.mean(contrast, weights).mean(-1)


@image_function
def weber_contrast_map(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None, block_size: int = 8
) -> jax.Array:
    """The contrast of each block, averaged over channels; see `weber_contrast`.

    Returns:
        `[..., H / block_size, W / block_size]`, rounded down.

    >>> weber_contrast_map(jnp.ones((16, 31, 3))).shape
    (2, 3)
    """
    return _weber(image, data_range, luma, block_size).mean(-1)


def _michelson(image: jax.Array, data_range: float, luma: str | None, size: int) -> jax.Array:
    blocks = _blocks(_brightness(image, luma, data_range), size)
    highest, lowest = blocks.max((-4, -2)), blocks.min((-4, -2))
    return safe_divide(highest - lowest, highest + lowest)


def _weber(image: jax.Array, data_range: float, luma: str | None, size: int) -> jax.Array:
    blocks = _blocks(_brightness(image, luma, data_range), size)
    mean = blocks.mean((-4, -2), keepdims=True)
    deviation = jnp.abs(blocks - mean).mean((-4, -2))
    return safe_divide(deviation, mean[..., :, 0, :, 0, :])


def _brightness(image: jax.Array, luma: str | None, data_range: float) -> jax.Array:
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    return image / data_range


def _blocks(image: jax.Array, size: int) -> jax.Array:
    """Whole blocks from the top left corner, `[..., n, size, m, size, C]`."""
    check_window_fits(image.shape, size, size)
    *batch, height, width, channels = image.shape
    rows, columns = height // size, width // size
    whole = image[..., : rows * size, : columns * size, :]
    return whole.reshape(*batch, rows, size, columns, size, channels)
