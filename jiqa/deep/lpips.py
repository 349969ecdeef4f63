"""Learned perceptual image patch similarity.

Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features as a
perceptual metric", CVPR 2018, in the convention of the authors' package lpips 0.1.4: features of a
classifier at several layers, normalised to unit length at each place, are subtracted and squared; a
head weights the channels, fitted to human judgements; places are averaged and layers summed.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jiqa
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import gray_to_rgb
from jiqa.core.features import Features
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.alexnet import alexnet
from jiqa.deep.backbones.backbone import Backbone, Tree
from jiqa.deep.backbones.squeezenet import squeezenet1_1
from jiqa.deep.backbones.vgg import vgg16
from jiqa.deep.maps import COLOR, Maps, layer_mean, resize
from jiqa.deep.pairs import pair_features

PAPER = "Zhang, Isola, Efros, Shechtman and Wang, "
PAPER += '"The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018'

# Of the pixels of ImageNet in [-1, 1], rounded, in single precision, as the authors keep them.
SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
SCALE = np.array([0.458, 0.448, 0.450], np.float32)
EPSILON = 1e-10  # added to the length of features
VERSIONS = ("0.1", "0.0")


class Network(NamedTuple):
    """A classifier and the layers that are compared."""

    backbone: Backbone
    taps: tuple[str, ...]


NETWORKS = {
    "alex": Network(alexnet, ("relu1", "relu2", "relu3", "relu4", "relu5")),
    "vgg": Network(vgg16, ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")),
    "squeeze": Network(
        squeezenet1_1, ("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")
    ),
}
Nets = str | tuple[str, ...]


def load_parameters(net: Nets, version: str) -> dict[str, Any]:
    """Pretrained parameters: for each network its "features" and its "heads"."""
    _check_version(version)
    heads = jiqa.weights.load("lpips_heads")["v" + version.replace(".", "_")]
    return {
        name: {
            "features": jiqa.weights.load(NETWORKS[name].backbone.name)["features"],
            "heads": heads[name],
        }
        for name in _names(net)
    }


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={f"lpips_{name}": {"net": name} for name in NETWORKS},
    parameters=load_parameters,
)
def lpips(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: Nets = "alex",
    version: str = "0.1",
    linear: bool = True,
    dtype: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Distance of deep features, weighted by how people judge.

    Args:
        parameters: For each network its "features", a tree as of `jiqa.weights`, and its "heads",
            a vector of weights of channels for each layer: `jiqa.load("lpips_alex").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: "alex", "vgg", "squeeze", or several of them, whose distances are averaged.
        version: "0.1", or "0.0", whose images were not normalised for the network.
        linear: Whether heads weight the channels; otherwise all count alike (the authors'
            baseline).
        dtype: In which the network computes, such as "bfloat16"; None for that of the images.
        weights: Pooling weights `[..., H, W]`, or None; resampled to each layer's size.

    Returns:
        `[...]` from 0, which equal images give; most are below 1.

    Raises:
        ValueError: An unknown network or version, or images too small for the network (31 pixels
            for alex, 16 for vgg).

    >>> features = alexnet.initialize(np.random.default_rng(0), ["features"])
    >>> black, white = jnp.zeros((32, 32, 3)), jnp.ones((32, 32, 3))
    >>> bool(lpips({"alex": features}, black, white, linear=False) > 0)
    True
    """
    features = partial(_unit_features, data_range=data_range, net=net, version=version, dtype=dtype)
    x, y = pair_features(features, parameters, reference, distorted)
    return _terms(parameters, x, y, net, linear, weights).sum(-1)


@image_function
def lpips_layers(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: Nets = "alex",
    version: str = "0.1",
    linear: bool = True,
    dtype: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """What each layer contributes to `lpips`, whose sum it is; arguments as there.

    Returns:
        `[..., layers]`: 5 for alex and vgg, 7 for squeeze, of several networks in turn.
    """
    features = partial(_unit_features, data_range=data_range, net=net, version=version, dtype=dtype)
    x, y = pair_features(features, parameters, reference, distorted)
    return _terms(parameters, x, y, net, linear, weights)


@image_function
def lpips_map(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: Nets = "alex",
    version: str = "0.1",
    linear: bool = True,
    dtype: str | None = None,
) -> jax.Array:
    """Where images differ: the sum of the layers' maps, interpolated; arguments as in `lpips`.

    Returns:
        `[..., H, W]`. Its mean is about the score, and not exactly where a layer's map does not
        divide the image evenly.
    """
    features = partial(_unit_features, data_range=data_range, net=net, version=version, dtype=dtype)
    x, y = pair_features(features, parameters, reference, distorted)
    size = reference.shape[-3:-1]
    maps = [resize(local, *size) for local in _differences(parameters, x, y, net, linear)]
    return jnp.sum(jnp.stack(maps), 0)


@image_function
def lpips_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: Nets = "alex",
    version: str = "0.1",
    dtype: str | None = None,
) -> Features:
    """What `lpips` compares of a reference, to be used many times; arguments as there.

    Returns:
        Features of unit length, `[..., h, w, c]`, by network and layer.
    """
    values = _unit_features(
        parameters, reference, data_range=data_range, net=net, version=version, dtype=dtype
    )
    size = reference.shape[-3:-1]
    options = {"net": net, "version": version, "dtype": dtype, "size": size}
    return Features.of("lpips", options, values)


@image_function
def lpips_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    linear: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The distance of images from what `lpips_features` kept of the reference.

    Args:
        parameters: As in `lpips`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `lpips`.
        linear: As in `lpips`.
        weights: As in `lpips`.

    Returns:
        `[...]`, as `lpips`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    options = features.options_of("lpips")
    check_size("lpips", options.pop("size"), distorted)
    own = _unit_features(parameters, distorted, data_range=data_range, **options)
    return _terms(parameters, features.values, own, options["net"], linear, weights).sum(-1)


def _unit_features(
    parameters: Tree,
    images: jax.Array,
    *,
    data_range: float,
    net: Nets,
    version: str,
    dtype: str | None,
) -> Maps:
    """Features `[..., h, w, c]` of unit length at each place, by network and layer."""
    _check_version(version)
    images = scale_pixels(images, data_range, standardize=version == "0.1")
    values = {}
    for name in _names(net):
        backbone, taps = NETWORKS[name]
        found = backbone(parameters[name], images.astype(dtype or images.dtype), taps)
        for tap in taps:
            values[f"{name}.{tap}"] = unit_length(found[tap].astype(images.dtype))
    return values


def check_size(method: str, size: tuple[int, int], distorted: jax.Array) -> None:
    """Raises ValueError unless an image has the size of that of which there are features.

    >>> check_size("lpips", (32, 32), jnp.zeros((32, 24, 3)))
    Traceback (most recent call last):
    ValueError: lpips: the features are of an image of 32 x 32 pixels, the distorted image has \
32 x 24.
    """
    if size != distorted.shape[-3:-1]:
        raise ValueError(
            f"{method}: the features are of an image of {size[0]} x {size[1]} pixels, the "
            f"distorted image has {distorted.shape[-3]} x {distorted.shape[-2]}."
        )


def scale_pixels(images: jax.Array, data_range: float, *, standardize: bool = True) -> jax.Array:
    """Images in [-1, 1], or of mean 0 and deviation 1 over ImageNet, with three channels.

    >>> print(scale_pixels(jnp.ones((1, 1, 1)), 2.0, standardize=False)[0, 0])
    [0. 0. 0.]
    """
    images = 2 / data_range * gray_to_rgb(images) - 1
    if not standardize:
        return images
    return (images - jnp.asarray(SHIFT, images.dtype)) / jnp.asarray(SCALE, images.dtype)


def unit_length(x: jax.Array) -> jax.Array:
    """The channels of each place divided by their root of sum of squares.

    >>> print(unit_length(jnp.array([3.0, 4.0])).round(4))
    [0.6 0.8]
    """
    return x / (safe_sqrt(jnp.sum(x * x, -1, keepdims=True)) + EPSILON)


def squared_difference(x: jax.Array, y: jax.Array, head: jax.Array | None = None) -> jax.Array:
    """Squared differences summed over channels, which a head may weight.

    >>> print(squared_difference(jnp.zeros(2), jnp.array([1.0, 2.0]), jnp.array([3.0, 1.0])))
    7.0
    """
    squares = (x - y) ** 2
    return jnp.sum(squares if head is None else squares * head.astype(squares.dtype), -1)


def _differences(
    parameters: Tree, x: Maps, y: Maps, net: Nets, linear: bool
) -> Iterator[jax.Array]:
    """Squared differences summed over channels, `[..., h, w]`, a map for each layer."""
    names = _names(net)
    for name in names:
        for number, tap in enumerate(NETWORKS[name].taps):
            head = parameters[name]["heads"][str(number)] if linear else None
            yield squared_difference(x[f"{name}.{tap}"], y[f"{name}.{tap}"], head) / len(names)


def _terms(
    parameters: Tree, x: Maps, y: Maps, net: Nets, linear: bool, weights: jax.Array | None
) -> jax.Array:
    """The mean of each layer's map, `[..., layers]`."""
    differences = _differences(parameters, x, y, net, linear)
    return jnp.stack([layer_mean(local, weights) for local in differences], -1)


def _names(net: Nets) -> tuple[str, ...]:
    """The networks to be used."""
    names = (net,) if isinstance(net, str) else tuple(net)
    if not names or not set(names) <= set(NETWORKS):
        raise ValueError(
            f"lpips: net={net!r} is unknown; use one or more of {', '.join(NETWORKS)}."
        )
    return names


def _check_version(version: str) -> None:
    if version not in VERSIONS:
        raise ValueError(
            f"lpips: version={version!r} is unknown; use one of {', '.join(VERSIONS)}."
        )
