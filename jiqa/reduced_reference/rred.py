"""Reduced-reference entropic differences (RRED indices).

Soundararajan and Bovik, "RRED indices: reduced reference entropic differencing for image quality
assessment", IEEE Transactions on Image Processing 21(2), 2012, in the convention of the authors'
`compute_rred.m`: luma, one subband of a steerable pyramid of 4 scales and 6 orientations
(`buildSpyr`, 'sp5Filters', 'reflect1'), cropped to multiples of 3. A Gaussian scale mixture of its
3 x 3 blocks, seen through noise of variance 0.1, gives each block an entropy, which is weighted by
the logarithm of the block's variance. The index is the mean magnitude of what these weighted
entropies differ by. As in the code, logarithms to base 2 and natural ones are mixed, the entropy
lacks its factor of one half, and the sum is divided by the number of coefficients, not blocks.

How much is sent is a choice: the entropy of each block (`rred`: full information), the sums over
tiles of blocks, or their sum over the subband, one number (`rred_scalar`).

Covariances of neighbouring coefficients are ill-conditioned: in single precision the index of all
blocks is good to three digits.
"""

import math

import jax
import jax.numpy as jnp

from jiqa.core.color import to_levels
from jiqa.core.features import Features, check_channels
from jiqa.core.registry import image_function, metric
from jiqa.core.scale_mixtures import as_maps, covariance, invertible, multiplier, neighbourhoods
from jiqa.core.steerable import steerable_pyramid

PAPER = 'Soundararajan and Bovik, "RRED indices: reduced reference entropic differencing for image '
PAPER += 'quality assessment", IEEE TIP 21(2), 2012'

ORIENTATIONS = 6
COARSEST, FINEST = 2, 25  # subbands in the paper's count, in which 1 is the low-pass residual
BLOCK = 3
NOISE_VARIANCE = 0.1  # of the model of vision, for images of 0 to 255


@metric(
    kind="reduced_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    protocols={"rred_scalar": {"tile": None}},
    side_information="a scalar (4 bytes) for each 6 x 6 pixels; tile=None: 1 scalar (4 bytes)",
)
def rred(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    subband: int = 16,
    tile: int | None = 1,
) -> jax.Array:
    """Difference of the entropies of wavelet coefficients, from any number of scalars.

    `rred_features` and `rred_distance` in one.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        subband: 2 to 7 are the orientations of the coarsest of 4 scales, 20 to 25 those of the
            finest; 16 is vertical at the second finest, the authors' choice.
        tile: Side, in blocks, of the tiles over which entropies are summed before they are
            compared; None for the whole subband. Blocks beyond the last whole tile are left out.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: Subband or tile out of range, or images too small for the pyramid or a tile.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> print(rred(image, image).round(6))
    0.0
    """
    features = rred_features(
        reference, data_range=data_range, luma=luma, subband=subband, tile=tile
    )
    return rred_distance(features, distorted, data_range=data_range)


@image_function
def rred_features(
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    subband: int = 16,
    tile: int | None = 1,
) -> Features:
    """What the sender of `rred` sends; arguments as there.

    Returns:
        Features `entropies`, `[..., h, w, C]`: a scalar for each tile of blocks of the subband,
        already divided by the number of the subband's coefficients.

    >>> rred_features(jnp.zeros((96, 60, 1))).values["entropies"].shape
    (16, 10, 1)
    >>> rred_features(jnp.zeros((96, 60, 1)), tile=None).scalars
    1
    """
    entropies = _tiled_entropies(reference, data_range, luma, subband, tile)
    options = {"luma": luma, "subband": subband, "tile": tile}
    return Features.of("rred", options, {"entropies": entropies})


@image_function
def rred_distance(
    features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """What the receiver of `rred` computes.

    Args:
        features: Of the reference, by `rred_features` or `load_features`.
        distorted: Images `[..., H, W, C]`, of the reference's size unless one scalar was sent.
        data_range: As in `rred`.

    Returns:
        `[...]`, as `rred`.

    Raises:
        ValueError: The features are another method's, or of an image of another size.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> features = rred_features(image, tile=None)
    >>> bool(rred_distance(features, image.at[::9, ::5].set(0.0)) > 0)
    True
    """
    options = features.options_of("rred")
    own = _tiled_entropies(distorted, data_range, **options)
    sent = features.values["entropies"]
    check_channels("rred", sent, own, axes=3)
    return jnp.sum(jnp.abs(sent - own), axis=(-3, -2)).mean(-1)


def _tiled_entropies(
    images: jax.Array, data_range: float, luma: str | None, subband: int, tile: int | None
) -> jax.Array:
    """Weighted entropies summed over tiles, relative to the number of coefficients."""
    band = _subband(to_levels(images, luma, data_range=data_range), subband)
    rows, columns = band.shape[-3] // BLOCK, band.shape[-2] // BLOCK
    band = band[..., : rows * BLOCK, : columns * BLOCK, :]
    entropies = _weighted_entropies(band) / (rows * columns * BLOCK**2)
    if tile is None:
        return jnp.sum(entropies, axis=(-3, -2), keepdims=True)
    if not 1 <= tile <= min(rows, columns):
        raise ValueError(
            f"rred: tile={tile} must be from 1 to {min(rows, columns)} for a subband of {rows} x "
            f"{columns} blocks, or None."
        )
    down, across = rows // tile, columns // tile
    whole = entropies[..., : down * tile, : across * tile, :]
    tiles = whole.reshape(*whole.shape[:-3], down, tile, across, tile, whole.shape[-1])
    return jnp.sum(tiles, axis=(-4, -2))


def _subband(images: jax.Array, subband: int) -> jax.Array:
    """The subband of a number, which counts from the low-pass residual to the high-pass one."""
    if not COARSEST <= subband <= FINEST:
        raise ValueError(f"rred: subband={subband} must be from {COARSEST} to {FINEST}.")
    scale, orientation = divmod(FINEST - subband, ORIENTATIONS)
    return steerable_pyramid(images, scale + 1, orientations=[orientation]).bands[scale][0]


def _weighted_entropies(band: jax.Array) -> jax.Array:
    """Entropy of each block times `log2(1 + variance)`, `[..., H / 3, W / 3, C]`; 0 where flat."""
    views = neighbourhoods(band, BLOCK)
    model, flat = invertible(covariance(views))
    # In single precision both can be rounded below 0 where neighbours are nearly alike.
    blocks = [view[..., ::BLOCK, ::BLOCK] for view in views]
    variance = jnp.maximum(multiplier(blocks, model), 0)
    eigenvalues = jnp.maximum(jnp.linalg.eigvalsh(model), 0)[..., None, None]
    entropy = sum(
        jnp.log2(variance * eigenvalues[..., i, :, :] + NOISE_VARIANCE)
        + math.log(2 * math.pi * math.e)
        for i in range(BLOCK**2)
    )
    return as_maps(jnp.where(flat[..., None, None], 0, entropy * jnp.log2(1 + variance)))
