"""DeepDC: distance correlation of deep features.

Zhu, Chen, Zhu, Wang and Lin, "DeepDC: deep distance correlation as a perceptual image quality
evaluator", arXiv:2211.04927, 2022, in the convention of the authors' package DeepDC-PyTorch 0.2. In
each of five layers of VGG19, each channel is a vector over all places; the distances between all
channels describe the image, and the correlation of both images' distances is their likeness.

As in that package, the network takes images in [0, 1] without normalisation, and all layers but the
last are rectified, as PyTorch rectifies in place what was kept.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import gray_to_rgb
from jiqa.core.features import Features
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.maps import COLOR, Maps, find_backbone, load_backbone
from jiqa.deep.pairs import pair_features

PAPER = 'Zhu, Chen, Zhu, Wang and Lin, "DeepDC: deep distance correlation as a perceptual image '
PAPER += 'quality evaluator", arXiv:2211.04927, 2022'
VGG19_TAPS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "conv5_4")
VGG16_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "conv5_3")
POWER_EPSILON = 1e-5  # added to squared distances
EPSILON = 1e-6  # added above and below the fraction


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 2),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={"deepdc_vgg16": {"net": "vgg16", "taps": VGG16_TAPS}},
    parameters=load_backbone,
)
def deepdc(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = VGG19_TAPS,
) -> jax.Array:
    """One less the distance correlation of deep features.

    Args:
        parameters: Of the network, a tree as of `jiqa.weights`: `jiqa.load("deepdc").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`; the authors' is "vgg19".
        taps: Names of the network's features.

    Returns:
        `[...]` from 0, which equal images give; most are below 0.5.

    Raises:
        ValueError: Unknown network or features, or images too small for it.

    >>> import numpy as np
    >>> from jiqa.deep.backbones.vgg import vgg11
    >>> features = vgg11.initialize(np.random.default_rng(0), ["features"])
    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(abs(deepdc(features, image, image, net="vgg11", taps=("relu2_1",)).round(4)))
    0.0
    """
    distances = partial(_distances, data_range=data_range, net=net, taps=taps)
    return _compare(*pair_features(distances, parameters, reference, distorted))


@image_function
def deepdc_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = VGG19_TAPS,
) -> Features:
    """What `deepdc` compares of a reference, to be used many times; arguments as there.

    Returns:
        Centred distances of channels, `[..., c, c]`, by layer.
    """
    values = _distances(parameters, reference, data_range, net, taps)
    return Features.of("deepdc", {"net": net, "taps": taps}, values)


@image_function
def deepdc_distance(
    parameters: Tree, features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """The distance of images from what `deepdc_features` kept of the reference.

    Args:
        parameters: As in `deepdc`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]`; leading axes broadcast.
        data_range: As in `deepdc`.

    Returns:
        `[...]`, as `deepdc`.

    Raises:
        ValueError: The features are another metric's.
    """
    own = _distances(parameters, distorted, data_range, **features.options_of("deepdc"))
    return _compare(features.values, own)


def _distances(
    parameters: Tree, images: jax.Array, data_range: float, net: str, taps: tuple[str, ...]
) -> Maps:
    """Distances of channels with the means of rows and columns removed, `[..., c, c]`, by layer."""
    maps = find_backbone(net)(parameters, gray_to_rgb(images) / data_range, taps)
    return {tap: _center(_channel_distances(maps[tap])) for tap in taps}


def _channel_distances(maps: jax.Array) -> jax.Array:
    """Euclidean distances between the channels of `[..., h, w, c]`, divided by c."""
    channels = maps.shape[-1]
    vectors = maps.reshape(*maps.shape[:-3], -1, channels)
    products = jnp.einsum("...pi,...pj->...ij", vectors, vectors, precision="highest")
    powers = jnp.diagonal(products, axis1=-2, axis2=-1)
    squares = powers[..., :, None] + powers[..., None, :] - 2 * products
    return jnp.sqrt(jnp.maximum(squares, 0) / channels**2 + POWER_EPSILON)


def _center(distances: jax.Array) -> jax.Array:
    rows, columns = (jnp.mean(distances, axis, keepdims=True) for axis in (-1, -2))
    return distances - rows - columns + jnp.mean(distances, (-2, -1), keepdims=True)


def _compare(x: Maps, y: Maps) -> jax.Array:
    """One less the mean over layers of the correlations."""
    correlations = []
    for tap in y:
        both, own, other = (
            jnp.sum(a * b, (-2, -1))
            for a, b in ((x[tap], y[tap]), (x[tap], x[tap]), (y[tap], y[tap]))
        )
        lengths = safe_sqrt(own) * safe_sqrt(other)
        correlations.append((both + EPSILON) / (lengths + EPSILON))
    return jnp.maximum(1 - jnp.mean(jnp.stack(correlations), 0), 0)
