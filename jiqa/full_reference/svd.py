"""Metrics of the singular values of image blocks: M-SVD and the projection on singular vectors.

Shnayderman, Gusev and Eskicioglu, "An SVD-based grayscale image quality measure for local and
global assessment", IEEE Transactions on Image Processing 15(2), 2006: the distance of the singular
values of a block is its distortion, and the score says how unevenly distortion is spread. Blocks
start at the top left corner, and pixels beyond the last whole block are unused.

Torkamani-Azar and Amirshahi, "A new approach for image quality assessment using SVD", ISSPA 2007,
as the abstract of the same group's "Image quality assessment using block-based weighted SVD"
(Signal, Image and Video Processing, 2018) has it: distorted blocks are projected on the singular
vectors of the reference blocks, and the coefficients are the attribute of quality. The papers'
text could not be read; how coefficients are compared and pooled is jiqa's choice, made so that it
follows opinion on images of LIVE at least as well as PSNR.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import check_window_fits
from jiqa.core.registry import image_function, metric

INFINITY = float("inf")


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=0,
    paper='Shnayderman, Gusev and Eskicioglu, "An SVD-based grayscale image quality measure for '
    'local and global assessment", IEEE TIP 15(2), 2006',
    protocols={"m_svd_y": {"luma": "matlab"}},
)
def m_svd(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean deviation of the distances of singular values of blocks from their median.

    Distortion that is the same in all blocks scores zero.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        block_size: Side of the blocks in pixels.
        weights: Weights `[..., H, W]` in the mean and in the median, averaged in each block, or
            None.

    Returns:
        `[...]`, in units of the images, from 0; lower is better.

    Raises:
        ValueError: The images are smaller than a block.

    >>> black = jnp.zeros((16, 16, 1))
    >>> dotted = black.at[3, 3].set(1.0)
    >>> float(m_svd(black, dotted))
    0.25
    """
    distances = _distances(reference, distorted, data_range, luma, block_size)
    weights = pooling.block_weights(weights, block_size, *distances.shape[-3:-1])
    median = pooling.median(distances, weights)[..., None, None, :]
    return pooling.mean(jnp.abs(distances - median), weights).mean(-1)


@image_function
def m_svd_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
) -> jax.Array:
    """The distance of singular values in each block, averaged over channels; see `m_svd`.

    Returns:
        `[..., H / block_size, W / block_size]`, rounded down; 0 where the values are alike.

    >>> m_svd_map(jnp.zeros((16, 31, 3)), jnp.ones((16, 31, 3))).shape
    (2, 3)
    """
    return _distances(reference, distorted, data_range, luma, block_size).mean(-1)


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=0,
    paper='Torkamani-Azar and Amirshahi, "A new approach for image quality assessment using SVD", '
    "ISSPA 2007",
    differentiable=False,
)
def svd_projection(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Change of the coefficients of blocks on the singular vectors of the reference.

    With the reference block `A = U S V'` and the distorted block B, the coefficients of B are
    `c_k = u_k' B v_k`, which are the singular values `s_k` where B equals A. The distortion of a
    block is `norm(c - s) / norm(s)`, and the score is its mean. (The whole of `U' B V` would bring
    nothing: its distance to S is the distance of B to A.) The order of the images matters.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        block_size: Side of the blocks in pixels.
        weights: Pooling weights `[..., H, W]`, averaged in each block, or None.

    Returns:
        `[...]` from 0; lower is better. Blocks that are black in the reference count as 0. Where
        singular values repeat, as on flat blocks, singular vectors are not unique, and the score
        depends on the choice of the platform's linear algebra.

    Raises:
        ValueError: The images are smaller than a block.

    >>> image = jnp.eye(16)[..., None] + 1
    >>> print(svd_projection(image, 0.75 * image, data_range=2.0).round(4))
    0.25
    """
    distortion = _distortion(reference, distorted, data_range, luma, block_size)
    weights = pooling.block_weights(weights, block_size, *distortion.shape[-3:-1])
    return pooling.mean(distortion, weights).mean(-1)


@image_function
def svd_projection_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    block_size: int = 8,
) -> jax.Array:
    """The distortion of each block, averaged over channels; see `svd_projection`.

    Returns:
        `[..., H / block_size, W / block_size]`, rounded down; 0 where the blocks are equal.

    >>> svd_projection_map(jnp.ones((16, 31, 3)), jnp.zeros((16, 31, 3))).shape
    (2, 3)
    """
    distortion = _distortion(reference, distorted, data_range, luma, block_size)
    return distortion.mean(-1)


def _distances(
    reference: jax.Array, distorted: jax.Array, data_range: float, luma: str | None, size: int
) -> jax.Array:
    """Distance between the singular values of the blocks of a pair, `[..., n, m, C]`."""
    pair = apply_luma(luma, reference, distorted, data_range=data_range)
    first, second = (jnp.linalg.svd(_blocks(image, size), compute_uv=False) for image in pair)
    return safe_sqrt(jnp.sum((first - second) ** 2, axis=-1))


def _distortion(
    reference: jax.Array, distorted: jax.Array, data_range: float, luma: str | None, size: int
) -> jax.Array:
    """Relative change of the coefficients on the reference's singular vectors, `[..., n, m, C]`."""
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    left, values, right = jnp.linalg.svd(_blocks(reference, size))
    error = _blocks(distorted - reference, size)
    change = jnp.einsum("...ik,...ij,...kj->...k", left, error, right, precision="highest")
    return safe_divide(jnp.linalg.norm(change, axis=-1), jnp.linalg.norm(values, axis=-1))


def _blocks(images: jax.Array, size: int) -> jax.Array:
    """Whole blocks from the top left corner, `[..., H / size, W / size, C, size, size]`."""
    check_window_fits(images.shape, size, size)
    *batch, height, width, channels = images.shape
    rows, columns = height // size, width // size
    whole = images[..., : rows * size, : columns * size, :]
    blocks = whole.reshape(*batch, rows, size, columns, size, channels)
    return jnp.moveaxis(blocks, (-4, -2), (-2, -1))
