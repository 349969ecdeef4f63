"""What metrics on feature maps share: images through a backbone, and maps of other sizes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

import jiqa
from jiqa.core import pooling
from jiqa.core.color import gray_to_rgb
from jiqa.core.features import Features, check_channels
from jiqa.deep.backbones import BACKBONES
from jiqa.deep.backbones.backbone import Backbone, Tree
from jiqa.deep.pairs import pair_features

COLOR = "RGB; gray counts as neutral colour"
CLASSIFIERS = ("classifier", "fc", "fc6", "fc7", "fc8")  # fully connected layers, by network
Maps = dict[str, jax.Array]


def load_backbone(net: str) -> dict[str, Any]:
    """Pretrained parameters of a backbone's convolutions, for a metric with an option `net`.

    Args:
        net: A name of `jiqa.deep.backbones.BACKBONES`.

    Returns:
        A tree as that of `jiqa.weights.load`, without fully connected layers.

    Raises:
        ValueError, OSError: They cannot be had; see `jiqa.weights`.
    """
    tree = jiqa.weights.load(find_backbone(net).name)
    return {name: layers for name, layers in tree.items() if name not in CLASSIFIERS}


def find_backbone(net: str) -> Backbone:
    """The backbone of a name.

    >>> find_backbone("vgg17")
    Traceback (most recent call last):
    ValueError: net='vgg17' is unknown; use ...vgg16, vgg19.
    """
    if net not in BACKBONES:
        raise ValueError(f"net={net!r} is unknown; use {', '.join(BACKBONES)}.")
    return BACKBONES[net]


def extract(
    parameters: Tree,
    images: jax.Array,
    data_range: float,
    net: str,
    taps: Sequence[str],
) -> Maps:
    """Feature maps of images, which are normalised as the network expects.

    Args:
        parameters: Of the network.
        images: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: The range of the images.
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of its features.

    Returns:
        `[..., h, w, c]` by tap.

    Raises:
        ValueError: Unknown network or tap, or images too small.
    """
    backbone = find_backbone(net)
    return backbone(parameters, backbone.normalize(gray_to_rgb(images) / data_range), taps)


def extract_pair(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    net: str,
    taps: Sequence[str],
) -> tuple[Maps, Maps]:
    """Maps of both images (see `pair_features`); arguments as in `extract`."""
    maps = partial(extract, data_range=data_range, net=net, taps=taps)
    return pair_features(maps, parameters, reference, distorted)


def prepared_pair(
    parameters: Tree, method: str, features: Features, distorted: jax.Array, data_range: float
) -> tuple[Maps, Maps]:
    """Maps of a prepared reference, whose options are `net` and `taps`, and of a distorted image.

    Args:
        parameters: Of the network.
        method: The metric that compares them.
        features: Of the reference, the maps by tap.
        distorted: Images `[..., H, W, C]` of the reference's size.
        data_range: The range of the images.

    Returns:
        Both as `extract` gives them.

    Raises:
        ValueError: The features are another method's, or of an image of another size.
    """
    own = extract(parameters, distorted, data_range, **features.options_of(method))
    for tap, maps in own.items():
        check_channels(method, features.values[tap], maps, axes=3)
    return features.values, own


def resize(maps: jax.Array, height: int, width: int) -> jax.Array:
    """Maps or weights at another resolution, linear between centres and without aliasing.

    Args:
        maps: `[..., h, w]`.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        `[..., height, width]`.

    >>> import jax.numpy as jnp
    >>> print(resize(jnp.array([[0.0, 1.0]]), 1, 4))
    [[0.   0.25 0.75 1.  ]]
    """
    return jax.image.resize(maps, (*maps.shape[:-2], height, width), "linear")


def layer_weights(
    weights: jax.Array | None, layer: Sequence[int], reach: Sequence[int] | None = None
) -> jax.Array | None:
    """Pooling weights of images as those of a layer.

    Args:
        weights: `[..., H, W]`, or None.
        layer: Rows and columns of the layer's maps.
        reach: Rows and columns in their middle that windows reach; None for all.

    Returns:
        `[..., *reach]`; None for None.

    >>> import jax.numpy as jnp
    >>> layer_weights(jnp.ones((9, 8)), (5, 4), (3, 2)).shape
    (3, 2)
    """
    if weights is None:
        return None
    weights = resize(weights, *layer)
    return weights if reach is None else pooling.fit_weights(weights, 1, *reach)


def layer_mean(
    local: jax.Array, weights: jax.Array | None, layer: Sequence[int] | None = None
) -> jax.Array:
    """The mean of the map of a layer.

    Args:
        local: `[..., h, w]`.
        weights: Pooling weights of images, `[..., H, W]`, or None.
        layer: Rows and columns of the layer, where windows do not reach all of it.

    Returns:
        `[...]`.

    >>> import jax.numpy as jnp
    >>> layer = jnp.array([[1.0, 3.0]])
    >>> round(float(layer_mean(layer, jnp.array([[0.0, 0.0, 1.0, 1.0]]))), 3)  # from 1/7 and 6/7
    2.714
    """
    size = local.shape[-2:]
    fitted = layer_weights(weights, size) if layer is None else layer_weights(weights, layer, size)
    return pooling.mean(local[..., None], fitted)[..., 0]
