"""IL-NIQE: how far each part of an image is from pristine photographs in 468 statistics.

Zhang, Zhang and Bovik, "A feature-enriched completely blind image quality evaluator", IEEE
Transactions on Image Processing 24(8), 2015, in the convention of the authors' MATLAB code and with
the model that they publish. The image is resized to 524 x 524 pixels and cut into
36 blocks, whose normalised luminances, opponent colours, gradients and log-Gabor responses are
described at two scales by the parameters of fitted distributions. These are projected on 430
principal components, and the distance of each block is averaged.

As in `jiqa.no_reference.niqe`, the coefficients of flat areas are 0 and blocks with a one-sided
distribution have the distance of the mean block, so that values equal the authors' on images
without flat areas.
"""

import dataclasses
import functools
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import pass_through, safe_sqrt
from jiqa.core.color import gray_to_rgb
from jiqa.core.filters import correlate_separable, gaussian_window, imresize, split_blocks
from jiqa.core.models import find_model
from jiqa.core.pyramids import log_gabor_filters, log_gabor_responses
from jiqa.core.registry import metric
from jiqa.core.statistics import (
    fit_aggd,
    fit_weibull,
    mscn,
    solve_positive_definite,
)
from jiqa.no_reference.niqe import luminance_features

PAPER = 'Zhang, Zhang and Bovik, "A feature-enriched completely blind image quality evaluator", '
PAPER += "IEEE TIP 24(8), 2015"
MODELS = {"pristine": Path(__file__).parent / "data" / "il_niqe.safetensors"}
INFINITY = float("inf")

OPPONENT = np.array([[0.3, 0.04, -0.35], [0.34, -0.6, 0.17], [0.06, 0.63, 0.27]])
LOG_OPPONENT = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])
LOG_OFFSET = 1e-5
GRADIENT_OFFSET = 2.0**-52
# At the second scale, the derivative's Gaussian and the wavelengths are divided by powers of two.
DERIVATIVE_SIGMA, DERIVATIVE_POWER = 1.66, 0.28
WAVELENGTH, WAVELENGTH_POWER = 2.4, 0.87
MULTIPLIER, ANGULAR_RATIO = 1.31, 1.1
SMOOTHING = gaussian_window(6, 0.9)  # before every second sample is taken


@dataclasses.dataclass(frozen=True, eq=False)
class IlNiqeModel:
    """A multivariate Gaussian of principal components of features.

    Attributes:
        center: The mean features of pristine blocks, `[468]`.
        components: Principal vectors, `[468, 430]`.
        mean: `[430]`, in components.
        covariance: `[430, 430]`, of the components.
    """

    center: np.ndarray
    components: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    @functools.cached_property
    def whitening(self) -> np.ndarray:
        """Matrix `[468, 430]` to components in which the covariance is the identity."""
        values, vectors = np.linalg.eigh(self.covariance)
        return self.components @ (vectors / np.sqrt(values))

    @functools.cached_property
    def origin(self) -> np.ndarray:
        """The features of the model's mean, `[468]`."""
        return self.center + self.components @ self.mean


class Described(NamedTuple):
    """Features `[N, n]` of blocks, and whether all distributions have both sides, `[N]`."""

    features: jax.Array
    complete: jax.Array


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=None,
    paper=PAPER,
    color="opponent colours",
    loss_options={"nearest": False, "rounded": False},
)
def il_niqe(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    model: str | PathLike[str] | IlNiqeModel = "pristine",
    side: int = 524,
    block_size: int = 84,
    nearest: bool = True,
    rounded: bool = True,
) -> jax.Array:
    """Distance of an image's blocks from the statistics of pristine photographs.

    There are neither weights nor a map: images are resized to one square, and the covariance is
    that of all blocks.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range]; one channel is taken for grey. Images
            are described one after the other, since each takes 109 maps.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        model: "pristine", the authors'; a file of `jiqa.core.models.save_model`; or a model.
        side: Height and width to which images are resized.
        block_size: Side of a block in pixels, a multiple of 2; the authors' model is for theirs.
        nearest: Whether shapes are rounded to thousandths, as the authors' code does
            (`jiqa.core.statistics.fit_aggd`).
        rounded: Whether resized images are rounded to levels of 255, as MATLAB does. As a loss the
            metric rounds neither.

    Returns:
        `[...]` from 0, for photographs mostly 15 to 30; lower is better.

    Raises:
        ValueError: There is no such model, an odd block, or one larger than the side.

    >>> photograph = jax.random.uniform(jax.random.key(0), (64, 64, 3))
    >>> bool(il_niqe(photograph) > 50)
    True
    """
    pristine = find_model(model, IlNiqeModel, MODELS)
    if block_size % 2 or not 0 < block_size <= side:
        raise ValueError(f"il_niqe: block_size={block_size} must be even, and at most side={side}.")
    levels = _resize(gray_to_rgb(image) * (255 / data_range), side, rounded)
    whole = side - side % block_size
    cut = levels[..., :whole, :whole, :].reshape(-1, whole, whole, 3)
    describe = functools.partial(_describe, block_size=block_size, nearest=nearest)
    scores = jax.lax.map(functools.partial(_score, pristine=pristine, describe=describe), cut)
    return scores.reshape(image.shape[:-3])


def _resize(levels: jax.Array, side: int, rounded: bool) -> jax.Array:
    """To a square as MATLAB resizes whole levels: rounded after each axis, the longer one first."""
    height, width = levels.shape[-3:-1]
    for size in ((side, width) if height >= width else (height, side), (side, side)):
        levels = imresize(levels, size)
        whole = jnp.floor(levels + 0.5) if rounded else levels
        levels = pass_through(jnp.clip(whole, 0, 255), levels)
    return levels


def _score(
    levels: jax.Array, pristine: IlNiqeModel, describe: Callable[..., Described]
) -> jax.Array:
    """The score of one image `[H, W, 3]`."""
    first = describe(levels, scale=1)
    half = correlate_separable(levels, SMOOTHING, border="replicate", stride=2)
    second = describe(half, scale=2)
    features = jnp.concatenate([first.features, second.features], -1)
    complete = first.complete & second.complete
    dtype = features.dtype
    origin, whitening = (jnp.asarray(a, dtype) for a in (pristine.origin, pristine.whitening))
    blocks = jnp.matmul(features - origin, whitening, precision="highest")
    return _distances(blocks, complete | ~complete.any()).mean()


def _distances(blocks: jax.Array, complete: jax.Array) -> jax.Array:
    """Distances of blocks `[N, n]` from zero, under the mean of their covariance and the identity.

    The inverse of I + Y'Y is I - Y' (I + YY')^-1 Y, which has a side for every block only.
    """
    number = complete.sum().astype(blocks.dtype)
    mean = jnp.sum(jnp.where(complete[:, None], blocks, 0), 0) / number
    scatter = jnp.where(complete[:, None], blocks - mean, 0)
    scatter = scatter / jnp.sqrt(jnp.maximum(number - 1, 1))
    compared = jnp.where(complete[:, None], blocks, mean)
    precise = functools.partial(jnp.matmul, precision="highest")
    seen = precise(scatter, compared.T)
    inner = jnp.eye(len(blocks), dtype=blocks.dtype) + precise(scatter, scatter.T)
    explained = jnp.sum(seen * solve_positive_definite(inner, seen), 0)
    return safe_sqrt(jnp.maximum(2 * (jnp.sum(compared**2, -1) - explained), 0))


def _describe(levels: jax.Array, *, scale: int, block_size: int, nearest: bool) -> Described:
    """The 234 features of each block at one scale."""
    opponent = jnp.einsum("ij,hwj->ihw", OPPONENT.astype(levels.dtype), levels, precision="highest")
    logs = jnp.log(jnp.moveaxis(levels, -1, 0) + LOG_OFFSET)
    logs = logs - logs.mean((-2, -1), keepdims=True)
    colors = jnp.einsum("ij,jhw->ihw", LOG_OPPONENT.astype(levels.dtype), logs, precision="highest")
    responses = _responses(opponent[2], scale)
    slopes, steepness = _gradients(opponent, scale)
    response_slopes, response_steepness = _gradients(responses, scale)
    block = functools.partial(_blocks, size=block_size // scale)
    normalized = mscn(opponent[2][..., None], window_size=5, sigma=5 / 6)[None, ..., 0]
    parts = [
        Described(*luminance_features(block(normalized)[:, 0], nearest)),
        _describe_gradients(block(steepness)),
        _describe_colors(block(colors)),
        _describe_symmetric(block(jnp.concatenate([slopes, responses, response_slopes])), nearest),
        _describe_gradients(block(response_steepness)),
    ]
    features = jnp.concatenate([part.features for part in parts], -1)
    return Described(features, jnp.all(jnp.stack([part.complete for part in parts]), 0))


def _responses(luminance: jax.Array, scale: int) -> jax.Array:
    """Even and odd log-Gabor responses `[24, H, W]`, in turns."""
    filters = log_gabor_filters(
        *luminance.shape,
        scales=3,
        orientations=4,
        shortest_wavelength=WAVELENGTH / scale**WAVELENGTH_POWER,
        multiplier=MULTIPLIER,
        angular_ratio=ANGULAR_RATIO,
        low_pass=False,
    )
    responses = log_gabor_responses(luminance[..., None], filters)[..., 0]
    pairs = jnp.stack([responses.real, responses.imag], 2)
    return pairs.reshape(-1, *luminance.shape)


def _gradients(maps: jax.Array, scale: int) -> tuple[jax.Array, jax.Array]:
    """Derivatives along W and H in turns `[2 M, H, W]`, and their magnitude `[M, H, W]`."""
    sigma = DERIVATIVE_SIGMA / scale**DERIVATIVE_POWER
    reach = np.ceil(3 * sigma)
    offsets = np.arange(-reach, reach + 1)
    smoothing = np.exp(-(offsets**2) / (2 * sigma**2))
    derivative = offsets * smoothing
    maps = maps[..., None]
    across = correlate_separable(maps, smoothing, derivative, border="zero")[..., 0]
    down = correlate_separable(maps, derivative, smoothing, border="zero")[..., 0]
    slopes = jnp.stack([across, down], 1).reshape(-1, *across.shape[1:])
    return slopes, safe_sqrt(across**2 + down**2) + GRADIENT_OFFSET


def _blocks(maps: jax.Array, size: int) -> jax.Array:
    """`[N, M, size, size]` of maps `[M, H, W]`."""
    return split_blocks(jnp.moveaxis(maps, 0, -1), size).swapaxes(0, 1)


def _describe_symmetric(blocks: jax.Array, nearest: bool) -> Described:
    """Shape and mean scale of each map."""
    fit = fit_aggd(blocks, axis=(-2, -1), nearest=nearest)
    features = jnp.stack([fit.shape, fit.mean_scale], -1)
    return Described(features.reshape(len(blocks), -1), fit.is_two_sided.all(-1))


def _describe_gradients(blocks: jax.Array) -> Described:
    """Weibull distributions of magnitudes of gradients."""
    features = jnp.stack(fit_weibull(blocks, axis=(-2, -1)), -1)
    return Described(features.reshape(len(blocks), -1), jnp.ones(len(blocks), bool))


def _describe_colors(blocks: jax.Array) -> Described:
    """Mean and sample variance of each logarithmic opponent colour."""
    features = jnp.stack([blocks.mean((-2, -1)), blocks.var((-2, -1), ddof=1)], -1)
    return Described(features.reshape(len(blocks), -1), jnp.ones(len(blocks), bool))
