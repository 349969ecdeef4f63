"""Deep image structure and texture similarity.

Ding, Ma, Wang and Simoncelli, "Image quality assessment: unifying structure and texture
similarity", IEEE TPAMI 44(5), 2022, in the convention of the module of the authors' package
DISTS_pytorch: means (texture) and covariances (structure) of the image itself and of five stages of
VGG16, whose pooling is the square root of a blurred square, are compared map by map and weighted by
alpha and beta.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jiqa
from jiqa.core.arrays import similarity
from jiqa.core.color import gray_to_rgb
from jiqa.core.features import Features, check_channels
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.backbones.layers import l2_pool
from jiqa.deep.backbones.vgg import vgg16
from jiqa.deep.maps import COLOR, Maps
from jiqa.deep.pairs import pair_features

PAPER = 'Ding, Ma, Wang and Simoncelli, "Image quality assessment: unifying structure and texture '
PAPER += 'similarity", IEEE TPAMI 44(5), 2022'

TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
STAGES = ("image", *TAPS)
CHANNELS = (3, 64, 128, 256, 512, 512)
CONSTANT = 1e-6  # the paper's c1 and c2
SHORTER_SIDE = 256  # to which the authors' command line reduces images


def load_parameters() -> dict[str, Any]:
    """Pretrained parameters: "features" of VGG16, "alpha" and "beta" of all 1475 maps."""
    return {"features": jiqa.weights.load("vgg16")["features"], **jiqa.weights.load("dists")}


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 2),
    identical=0,
    paper=PAPER,
    color=COLOR,
    parameters=load_parameters,
)
def dists(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    resize: bool = False,
    dtype: str | None = None,
) -> jax.Array:
    """Distance of deep features that forgives another sample of the same texture.

    Args:
        parameters: "features", the tree of VGG16's, and the weights "alpha" and "beta" `[1475]`, of
            texture and structure of each map: `jiqa.load("dists").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        resize: Whether images whose shorter side exceeds 256 pixels are reduced to that first, as
            by the authors' command line (but unrounded), and not by their module.
        dtype: In which the network computes, such as "bfloat16"; None for that of the images.

    Returns:
        `[...]` from 0, which equal images give; up to 1 unless structures are opposed.

    >>> parameters = vgg16.initialize(np.random.default_rng(0), ["features"])
    >>> parameters |= {"alpha": jnp.ones(1475), "beta": jnp.ones(1475)}
    >>> black, white = jnp.zeros((16, 16, 3)), jnp.ones((16, 16, 3))
    >>> bool(dists(parameters, black, white) > 0)
    True
    """
    features = partial(stage_features, data_range=data_range, resize=resize, dtype=dtype)
    x, y = pair_features(features, parameters, reference, distorted)
    return _terms(parameters, x, y).sum((-2, -1))


@image_function
def dists_layers(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    resize: bool = False,
    dtype: str | None = None,
) -> jax.Array:
    """What each stage contributes to `dists`, whose sum it is; arguments as there.

    Returns:
        `[..., 6, 2]`: of the image and the five stages, by texture (means) and by structure
        (covariances).
    """
    features = partial(stage_features, data_range=data_range, resize=resize, dtype=dtype)
    x, y = pair_features(features, parameters, reference, distorted)
    return _terms(parameters, x, y)


@image_function
def dists_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    resize: bool = False,
    dtype: str | None = None,
) -> Features:
    """What `dists` compares of a reference, to be used many times; arguments as there.

    Returns:
        Features `[..., h, w, c]` by stage; the first is the image.
    """
    options: dict[str, Any] = {"resize": resize, "dtype": dtype}
    values = stage_features(parameters, reference, data_range=data_range, **options)
    return Features.of("dists", options, values)


@image_function
def dists_distance(
    parameters: Tree, features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """The distance of images from what `dists_features` kept of the reference.

    Args:
        parameters: As in `dists`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `dists`.

    Returns:
        `[...]`, as `dists`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    options = features.options_of("dists")
    own = stage_features(parameters, distorted, data_range=data_range, **options)
    check_channels("dists", features.values["image"], own["image"], axes=3)
    return _terms(parameters, features.values, own).sum((-2, -1))


def stage_features(
    parameters: Tree,
    images: jax.Array,
    *,
    data_range: float,
    resize: bool = False,
    dtype: str | None = None,
) -> Maps:
    """The image in [0, 1] and its features by stage, each `[..., h, w, c]`; see `dists`."""
    images = gray_to_rgb(images) / data_range
    if resize:
        images = _reduce(images)
    normalized = vgg16.normalize(images).astype(dtype or images.dtype)
    found = vgg16(parameters, normalized, TAPS, pool=l2_pool)
    return {"image": images, **{tap: found[tap].astype(images.dtype) for tap in TAPS}}


def _reduce(images: jax.Array) -> jax.Array:
    """Images whose shorter side is 256 pixels at most, by a triangle as wide as its pixels."""
    height, width = images.shape[-3:-1]
    shorter = min(height, width)
    if shorter <= SHORTER_SIDE:
        return images
    size = (SHORTER_SIDE * height // shorter, SHORTER_SIDE * width // shorter)
    return jax.image.resize(images, (*images.shape[:-3], *size, images.shape[-1]), "linear")


def _terms(parameters: Tree, x: Maps, y: Maps) -> jax.Array:
    """Weighted distances of each stage by texture and structure, `[..., 6, 2]`."""
    weights = jnp.stack([parameters["alpha"], parameters["beta"]]).astype(x["image"].dtype)
    weights /= jnp.sum(weights)
    by_stage = jnp.split(weights, np.cumsum(CHANNELS)[:-1], axis=-1)
    terms = [
        jnp.sum(shares * _dissimilarity(x[stage], y[stage]), -1)
        for stage, shares in zip(STAGES, by_stage, strict=True)
    ]
    return jnp.stack(terms, -2)


def _dissimilarity(x: jax.Array, y: jax.Array) -> jax.Array:
    """One minus the similarity of means, and of structures, of each map: `[..., 2, c]`.

    The latter is the mean square of what differs after the means are removed, relative to both
    variances: 1 - (2 cov + c) / (var + var + c), without its loss of digits.
    """
    x_mean, y_mean = (jnp.mean(z, (-3, -2), keepdims=True) for z in (x, y))
    x, y = x - x_mean, y - y_mean
    apart, x_power, y_power = (jnp.mean(z * z, (-3, -2)) for z in (x - y, x, y))
    texture = 1 - similarity(x_mean, y_mean, CONSTANT)[..., 0, 0, :]
    structure = apart / (x_power + y_power + CONSTANT)
    return jnp.stack([texture, structure], -2)
