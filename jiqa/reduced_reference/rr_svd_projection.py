"""Reduced reference by projection on the principal vectors of the reference's blocks.

The abstract of Torkamani-Azar and others, "Image quality assessment using block-based weighted SVD"
(Signal, Image and Video Processing, 2018), which continues Torkamani-Azar and Amirshahi, "A new
approach for image quality assessment using SVD" (ISSPA 2007), says that distorted blocks are
projected on singular vectors of reference blocks, and that a reduced-reference form takes the
eigenvectors of the covariance of all reference blocks instead. This is jiqa's reading of that
abstract; the papers' text could not be read. `jiqa.svd_projection` is the full-reference form.

The sender finds the eigenvectors e_k of the covariance of all blocks of 8 x 8 pixels. It sends
those of the largest eigenvalues and, with each, the mean magnitude of the blocks' coefficients on
it, the profile `p_k = mean |e_k . (b - mean b)|`. The receiver finds the profile q of the distorted
image's blocks, less their own mean, and the distance is `sum |q_k - p_k| / sum p_k`. Since vectors
are sent and magnitudes compared, signs do not matter. Where eigenvalues are equal, any rotation of
their vectors would do; a faint texture is added to the covariance, all frequencies of the DCT with
different energies, which makes one of them the right one.

Spearman's correlation with DMOS on 55 images of LIVE (blur, JPEG and noise) is 0.86, and within
these 0.95, 0.95 and 0.90; that of PSNR is 0.90, and 0.86, 0.78 and 1.00. With 8 vectors it is 0.83,
with 32 as with 24.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.color import to_levels
from jiqa.core.features import Features, check_channels
from jiqa.core.filters import check_window_fits, split_blocks
from jiqa.core.pyramids import dct_matrix
from jiqa.core.registry import image_function, metric

PAPER = 'after Torkamani-Azar and Amirshahi, "A new approach for image quality assessment using '
PAPER += 'SVD", ISSPA 2007'

TEXTURE = 1 / 32  # mean variance of the added texture over that of the image
LEAST_VARIANCE = 1e-3  # of the image in that, in squared levels of 255
ROUNDING = 0.01  # magnitude of a coefficient, in levels, that flat images may have by rounding


@metric(
    kind="reduced_reference",
    higher_is_better=False,
    score_range=(0, math.inf),
    identical=0,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    differentiable=False,
    side_information="1560 scalars (6240 bytes): 24 vectors of 64 and a magnitude each",
)
def rr_svd_projection(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    block_size: int = 8,
    vectors: int = 24,
) -> jax.Array:
    """Change of the coefficients of blocks on the principal vectors of the reference's blocks.

    `rr_svd_projection_features` and `rr_svd_projection_distance` in one; the order of the images
    matters. A change of brightness is not seen.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        block_size: Side of the blocks in pixels; pixels beyond the last whole block are unused.
        vectors: How many are sent, each with one magnitude.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: The images are smaller than a block, or there are not so many vectors.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> float(rr_svd_projection(image, image))
    0.0
    """
    features = rr_svd_projection_features(
        reference, data_range=data_range, luma=luma, block_size=block_size, vectors=vectors
    )
    return rr_svd_projection_distance(features, distorted, data_range=data_range)


@image_function
def rr_svd_projection_features(
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    block_size: int = 8,
    vectors: int = 24,
) -> Features:
    """What the sender of `rr_svd_projection` sends; arguments as there.

    Returns:
        Features `vectors`, `[..., C, vectors, block_size ** 2]`, the largest eigenvalue first, and
        `profile`, `[..., C, vectors]`, in levels of 255.

    >>> rr_svd_projection_features(jnp.zeros((64, 80, 3)), vectors=8).scalars
    520
    """
    if not 1 <= vectors <= block_size**2:
        raise ValueError(
            f"rr_svd_projection: vectors={vectors} must be from 1 to {block_size**2}, the pixels "
            "of a block."
        )
    blocks = _centered_blocks(reference, data_range, luma, block_size)
    covariance = jnp.einsum("...ni,...nj->...ij", blocks, blocks, precision="highest")
    covariance = covariance / blocks.shape[-2]
    variance = jnp.trace(covariance, axis1=-2, axis2=-1) / block_size**2
    texture = TEXTURE * jnp.maximum(variance, LEAST_VARIANCE)[..., None, None]
    covariance += texture * jnp.asarray(_texture_covariance(block_size), covariance.dtype)
    _, columns = jnp.linalg.eigh(covariance)
    basis = jnp.swapaxes(columns[..., ::-1][..., :vectors], -1, -2)
    options = {"luma": luma, "block_size": block_size, "vectors": vectors}
    values = {"vectors": basis, "profile": _profile(blocks, basis)}
    return Features.of("rr_svd_projection", options, values)


@image_function
def rr_svd_projection_distance(
    features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """What the receiver of `rr_svd_projection` computes; it has a gradient.

    Args:
        features: Of the reference, by `rr_svd_projection_features` or `load_features`.
        distorted: Images `[..., H, W, C]` of any size.
        data_range: As in `rr_svd_projection`.

    Returns:
        `[...]`, as `rr_svd_projection`.

    Raises:
        ValueError: The features are another method's, or the images are smaller than a block.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> features = rr_svd_projection_features(image)
    >>> bool(rr_svd_projection_distance(features, image.at[::9, ::5].set(0.0)) > 0)
    True
    """
    options = features.options_of("rr_svd_projection")
    blocks = _centered_blocks(distorted, data_range, options["luma"], options["block_size"])
    basis, sent = (features.values[name].astype(blocks.dtype) for name in ("vectors", "profile"))
    check_channels("rr_svd_projection", basis[..., 0, :], blocks[..., 0, :])
    own = _profile(blocks, basis)
    change = jnp.sum(jnp.abs(own - sent), axis=-1)
    return (change / jnp.sum(sent + ROUNDING, axis=-1)).mean(-1)


def _centered_blocks(
    images: jax.Array, data_range: float, luma: str | None, size: int
) -> jax.Array:
    """Blocks as vectors, less the mean of all, `[..., C, N, size ** 2]`."""
    check_window_fits(images.shape, size, size)
    height, width = (length - length % size for length in images.shape[-3:-1])
    levels = to_levels(images, luma, data_range=data_range)[..., :height, :width, :]
    blocks = split_blocks(levels, size)
    blocks = blocks.reshape(*blocks.shape[:-2], size**2)
    return blocks - jnp.mean(blocks, axis=-2, keepdims=True)


def _profile(blocks: jax.Array, basis: jax.Array) -> jax.Array:
    """The mean magnitude of the blocks' coefficients on each vector."""
    coefficients = jnp.einsum("...ni,...ki->...nk", blocks, basis, precision="highest")
    return jnp.mean(jnp.abs(coefficients), axis=-2)


@functools.cache
def _texture_covariance(size: int) -> np.ndarray:
    """Of blocks whose DCT coefficients have variances from 2 down to 0, by rising frequency."""
    basis = np.kron(dct_matrix(size), dct_matrix(size))
    row, column = np.divmod(np.arange(size**2), size)
    rank = np.empty(size**2)
    rank[np.lexsort((row, row + column))] = np.arange(size**2)
    return basis.T @ (2 * (1 - rank[:, None] / size**2) * basis)
