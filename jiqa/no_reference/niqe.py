"""NIQE: how far an image's statistics are from those of pristine photographs.

Mittal, Soundararajan and Bovik, "Making a 'completely blind' image quality analyzer", IEEE Signal
Processing Letters 20(3), 2013, in the convention of the authors' MATLAB code and with the model
that they publish: rounded grey, blocks of 96 x 96 pixels from the top left corner, what is left of
the image unused, 18 features of each block at two scales.

Values equal the authors' where images have no flat areas. In those their coefficients are rounding
noise whose signs are counted; here they are 0 (`jiqa.core.statistics.mscn`), and a block in which
one side of a distribution is empty, as in black areas, is left out, as in the authors' code.
"""

import dataclasses
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import to_levels
from jiqa.core.filters import check_window_fits, imresize, split_blocks
from jiqa.core.models import find_model
from jiqa.core.registry import image_function, metric, public_function
from jiqa.core.statistics import (
    fit_aggd,
    local_mean_and_deviation,
    mscn,
    neighbor_products,
    solve_positive_definite,
)

PAPER = "Mittal, Soundararajan and Bovik, \"Making a 'completely blind' image quality analyzer\", "
PAPER += "IEEE Signal Processing Letters 20(3), 2013"
MODELS = {"live": Path(__file__).parent / "data" / "niqe_live.safetensors"}
INFINITY = float("inf")


@dataclasses.dataclass(frozen=True, eq=False)
class NiqeModel:
    """A multivariate Gaussian fitted to the statistics of pristine photographs.

    Attributes:
        mean: `[36]`.
        covariance: `[36, 36]`.
    """

    mean: np.ndarray
    covariance: np.ndarray


class NiqeBlocks(NamedTuple):
    """What NIQE measures of each block, in rows of blocks from the top left.

    Attributes:
        features: `[..., C, N, 36]`.
        complete: `[..., C, N]`, whether all sides of all distributions have values.
        sharpness: `[..., C, N]`, the mean local deviation, in levels of 255.
    """

    features: jax.Array
    complete: jax.Array
    sharpness: jax.Array


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=None,
    paper=PAPER,
    color="grey, MATLAB's rounded; luma=None averages over channels",
    loss_options={"nearest": False},
)
def niqe(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    model: str | PathLike[str] | NiqeModel = "live",
    block_size: int = 96,
    nearest: bool = True,
) -> jax.Array:
    """Distance of an image's natural-scene statistics from those of pristine photographs.

    There are neither weights nor a map: a covariance over all blocks is compared, and blocks by
    themselves have none (`niqe_blocks` has their features).

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least one block high and wide.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        model: "live", the authors'; a file of `jiqa.core.models.save_model`; or
            a model, such as that of `fit_niqe`.
        block_size: Side of a block in pixels, a multiple of 2.
        nearest: Whether shapes are rounded to thousandths, as the authors' code does; as a loss the
            metric does not (`jiqa.core.statistics.fit_aggd`).

    Returns:
        `[...]` from 0, for photographs mostly 2 to 5; lower is better. Where every block is flat,
        the features of flat blocks are compared.

    Raises:
        ValueError: The image is smaller than a block, an odd block, or no such model.

    >>> noise = jax.random.uniform(jax.random.key(0), (96, 192, 1))
    >>> print(niqe(noise).shape, bool(niqe(noise) > 10))
    () True
    """
    pristine = find_model(model, NiqeModel, MODELS)
    features, complete, _ = _measure_blocks(image, data_range, luma, block_size, nearest)
    mean, covariance = _moments(features, complete)
    difference = mean - jnp.asarray(pristine.mean, mean.dtype)
    pooled = (covariance + jnp.asarray(pristine.covariance, mean.dtype)) / 2
    solved = solve_positive_definite(pooled, difference[..., None])[..., 0]
    return safe_sqrt(jnp.maximum(jnp.sum(difference * solved, -1), 0)).mean(-1)


@image_function
def niqe_blocks(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    block_size: int = 96,
    nearest: bool = True,
) -> NiqeBlocks:
    """The statistics of which `niqe` takes mean and covariance; arguments as there.

    Returns:
        `NiqeBlocks`.

    Raises:
        ValueError: As in `niqe`.

    >>> niqe_blocks(jnp.zeros((2, 200, 100, 3))).features.shape
    (2, 1, 2, 36)
    """
    return _measure_blocks(image, data_range, luma, block_size, nearest)


def _measure_blocks(
    image: jax.Array, data_range: float, luma: str | None, block_size: int, nearest: bool
) -> NiqeBlocks:
    check_window_fits(image.shape, block_size, block_size)
    if block_size % 2:
        raise ValueError(f"niqe: block_size={block_size} must be even; it is halved.")
    height, width = (length - length % block_size for length in image.shape[-3:-1])
    levels = to_levels(image, luma, data_range=data_range)[..., :height, :width, :]
    half = imresize(levels, 0.5)
    scales = [
        luminance_features(split_blocks(mscn(image), size), nearest)
        for image, size in ((levels, block_size), (half, block_size // 2))
    ]
    features = jnp.concatenate([features for features, _ in scales], -1)
    complete = scales[0][1] & scales[1][1]
    _, deviation = local_mean_and_deviation(levels)
    sharpness = split_blocks(deviation, block_size).mean((-2, -1))
    return NiqeBlocks(features, complete, sharpness)


def luminance_features(blocks: jax.Array, nearest: bool) -> tuple[jax.Array, jax.Array]:
    """Distributions of normalised luminances and of their products with neighbours.

    Args:
        blocks: What `jiqa.core.statistics.mscn` gives, `[..., size, size]`.
        nearest: As in `niqe`.

    Returns:
        Shape and mean scale, then shape, mean, left and right scale of each product, `[..., 18]`;
        and whether all distributions have both sides, `[...]`.

    >>> luminance_features(jnp.zeros((4, 8, 8)), nearest=True)[0].shape
    (4, 18)
    """
    own, *pairs = (
        fit_aggd(values, axis=(-2, -1), nearest=nearest)
        for values in (blocks, *neighbor_products(blocks, (-2, -1)))
    )
    features = [own.shape, own.mean_scale]
    for fit in pairs:
        features += [fit.shape, fit.mean, fit.left_scale, fit.right_scale]
    complete = jnp.stack([fit.is_two_sided for fit in (own, *pairs)])
    return jnp.stack(features, -1), complete.all(0)


def _moments(features: jax.Array, counted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean `[..., 36]` and covariance of the blocks that count, or of all if none does."""
    counted = counted | ~counted.any(-1, keepdims=True)
    weights = counted[..., None].astype(features.dtype)
    number = weights.sum(-2)
    mean = jnp.sum(weights * features, -2) / number
    centered = weights * (features - mean[..., None, :])
    scatter = jnp.einsum("...ni,...nj->...ij", centered, centered, precision="highest")
    return mean, scatter / jnp.maximum(number - 1, 1)[..., None]


@public_function
def fit_niqe(
    images: Iterable[np.ndarray],
    *,
    luma: str | None = "matlab",
    block_size: int = 96,
    sharpness: float = 0.75,
) -> NiqeModel:
    """Fits the model of pristine photographs to which `niqe` compares.

    The paper's section II.B, as the authors' `estimatemodelparam.m`: features of the blocks whose
    sharpness is above a share of the sharpest of their photograph.

    Args:
        images: Photographs without visible distortion, uint8 or uint16 `[H, W, C]`, of any sizes,
            or such in [0, 1]; for the files of a folder,
            `(jiqa.images.read_image(path) for path in folder.iterdir())`.
        luma: As in `niqe`.
        block_size: As in `niqe`.
        sharpness: The share, from 0 to below 1.

    Returns:
        The model, for `niqe(..., model=...)` or `jiqa.core.models.save_model`.

    Raises:
        ValueError: An image is smaller than a block, or there are fewer than 37 blocks, of which
            the covariance of 36 features would be singular.

    >>> photographs = jax.random.uniform(jax.random.key(0), (4, 384, 384, 1))
    >>> fit_niqe(photographs, sharpness=0.0).mean.shape
    (36,)
    """
    chosen = []
    for image in images:
        blocks = niqe_blocks(image, luma=luma, block_size=block_size)
        sharp = blocks.sharpness > sharpness * blocks.sharpness.max(-1, keepdims=True)
        chosen.append(np.asarray(blocks.features)[np.asarray(sharp & blocks.complete)])
    features = np.concatenate([*chosen, np.empty((0, 36))]).astype(np.float64)
    if len(features) <= 36:
        raise ValueError(
            f"fit_niqe: {len(features)} sharp blocks; give photographs for 37 or more."
        )
    return NiqeModel(features.mean(0), np.cov(features, rowvar=False))
