"""Shift-tolerant LPIPS: LPIPS on networks that do not alias.

Ghildyal and Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022, in the convention of the
authors' package stlpips-pytorch 0.0.2. AlexNet and VGG16 are trained anew in a form that a shift of
the image by a pixel changes little: whatever skips pixels is replaced by the same without skipping
and a small blur, whose borders are reflections two pixels wide, and the first convolution of
AlexNet by one at every pixel, blurred before it is rectified. Features are compared as by LPIPS
(`jiqa.deep.lpips`).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import jiqa
from jiqa.core.features import Features
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones import alexnet, vgg
from jiqa.deep.backbones.backbone import Backbone, Taps, Tree
from jiqa.deep.backbones.layers import convolution, max_pool, relu
from jiqa.deep.lpips import Network, check_size, scale_pixels, squared_difference, unit_length
from jiqa.deep.maps import COLOR, Maps, layer_mean, resize
from jiqa.deep.pairs import pair_features

PAPER = 'Ghildyal and Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022'


def blur_halve(x: jax.Array) -> jax.Array:
    """Every other pixel after a blur (1, 2, 1) along both axes, borders reflected by two pixels.

    Args:
        x: `[N, H, W, C]`, at least 3 x 3 pixels.

    Returns:
        `[N, (H + 3) // 2, (W + 3) // 2, C]`.

    >>> blur_halve(jnp.ones((1, 8, 9, 2))).shape
    (1, 5, 6, 2)
    """
    x = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    for axis in (1, 2):
        count = (x.shape[axis] - 1) // 2
        a, b, c = (jax.lax.slice_in_dim(x, i, i + 2 * count - 1, 2, axis) for i in range(3))
        x = 0.25 * (a + c) + 0.5 * b
    return x


def smooth_pool(x: jax.Array, *, size: int) -> jax.Array:
    """The largest value of each window, at every pixel, then `blur_halve`.

    >>> smooth_pool(jnp.ones((1, 9, 9, 2)), size=3).shape
    (1, 5, 5, 2)
    """
    return blur_halve(max_pool(x, size=size, stride=1))


def alexnet_layers(parameters: Tree, x: jax.Array) -> Taps:
    """The rectified convolutions of the shift-tolerant AlexNet, relu1 to relu5."""
    for number, row in enumerate(alexnet.TORCHVISION, 1):
        if number in (2, 3):
            x = smooth_pool(x, size=3)
        x = convolution(x, parameters["features"][row.place], padding=row.padding)
        x = relu(blur_halve(x) if number == 1 else x)
        yield f"relu{number}", x


NETWORKS = {
    "alex": Network(
        Backbone(
            "st_alexnet",
            alexnet_layers,
            {"features": alexnet.alexnet.shapes["features"]},
            alexnet.alexnet.normalize,
        ),
        ("relu1", "relu2", "relu3", "relu4", "relu5"),
    ),
    "vgg": Network(
        Backbone(
            "st_vgg16",
            partial(vgg.layers, blocks=vgg.BLOCKS["vgg16"], pool=partial(smooth_pool, size=2)),
            {"features": vgg.vgg16.shapes["features"]},
            vgg.vgg16.normalize,
        ),
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    ),
}


def load_parameters(net: str) -> dict[str, Any]:
    """Pretrained parameters: "features" of the network and "heads", a vector for each layer."""
    _check_net(net)
    return arrange(jiqa.weights.load(f"st_lpips_{net}"), net)


def arrange(published: Tree, net: str) -> dict[str, Any]:
    """The tree that `st_lpips` takes, of the authors' modules.

    Args:
        published: As of `jiqa.weights.load`: "net" in five slices of numbered layers, "lin0" to
            "lin4".
        net: "alex" or "vgg".

    Returns:
        "features", by torchvision's numbers of convolutions, and "heads", a vector for each layer.
    """
    slices = [published["net"][f"slice{number}"] for number in range(1, 6)]
    layers = [part[place] for part in slices for place in sorted(part, key=int)]
    convolutions = [layer for layer in layers if "bias" in layer]  # the others are blurs
    places = NETWORKS[net].backbone.shapes["features"]
    return {
        "features": dict(zip(places, convolutions, strict=True)),
        "heads": {
            str(number): published[f"lin{number}"]["model"]["1"]["kernel"].reshape(-1)
            for number in range(5)
        },
    }


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={f"st_lpips_{name}": {"net": name} for name in NETWORKS},
    parameters=load_parameters,
)
def st_lpips(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "alex",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Distance of deep features that a shift of the image by a pixel changes little.

    Args:
        parameters: "features", the tree of the network's, and "heads", a vector of weights of
            channels for each layer: `jiqa.load("st_lpips").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: "alex" or "vgg".
        weights: Pooling weights `[..., H, W]`, or None; resampled to each layer's size.

    Returns:
        `[...]` from 0, which equal images give; most are below 1.

    Raises:
        ValueError: An unknown network, or images too small for it.

    >>> import numpy as np
    >>> parameters = NETWORKS["alex"].backbone.initialize(np.random.default_rng(0))
    >>> parameters["heads"] = {str(i): np.ones(1) for i in range(5)}
    >>> black, white = jnp.zeros((24, 24, 3)), jnp.ones((24, 24, 3))
    >>> bool(st_lpips(parameters, black, white) > 0)
    True
    """
    features = partial(_unit_features, data_range=data_range, net=net)
    x, y = pair_features(features, parameters, reference, distorted)
    return _distance(parameters, x, y, weights)


@image_function
def st_lpips_map(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "alex",
) -> jax.Array:
    """Where images differ: the sum of the layers' maps, interpolated; arguments as in `st_lpips`.

    Returns:
        `[..., H, W]`. Its mean is about the score.
    """
    features = partial(_unit_features, data_range=data_range, net=net)
    x, y = pair_features(features, parameters, reference, distorted)
    maps = [resize(local, *reference.shape[-3:-1]) for local in _layers(parameters, x, y)]
    return jnp.sum(jnp.stack(maps), 0)


@image_function
def st_lpips_features(
    parameters: Tree, reference: jax.Array, *, data_range: float = 1.0, net: str = "alex"
) -> Features:
    """What `st_lpips` compares of a reference, to be used many times; arguments as there.

    Returns:
        Features of unit length, `[..., h, w, c]`, by layer.
    """
    values = _unit_features(parameters, reference, data_range, net)
    return Features.of("st_lpips", {"net": net, "size": reference.shape[-3:-1]}, values)


@image_function
def st_lpips_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The distance of images from what `st_lpips_features` kept of the reference.

    Args:
        parameters: As in `st_lpips`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `st_lpips`.
        weights: As in `st_lpips`.

    Returns:
        `[...]`, as `st_lpips`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    options = features.options_of("st_lpips")
    check_size("st_lpips", options.pop("size"), distorted)
    own = _unit_features(parameters, distorted, data_range, **options)
    return _distance(parameters, features.values, own, weights)


def _unit_features(parameters: Tree, images: jax.Array, data_range: float, net: str) -> Maps:
    """Features `[..., h, w, c]` of unit length at each place, by layer."""
    _check_net(net)
    backbone, taps = NETWORKS[net]
    found = backbone(parameters, scale_pixels(images, data_range), taps)
    return {tap: unit_length(x) for tap, x in found.items()}


def _layers(parameters: Tree, x: Maps, y: Maps) -> list[jax.Array]:
    """Squared differences weighted and summed over channels, `[..., h, w]`, a map a layer."""
    heads = parameters["heads"]
    return [squared_difference(x[tap], y[tap], heads[str(i)]) for i, tap in enumerate(sorted(y))]


def _distance(parameters: Tree, x: Maps, y: Maps, weights: jax.Array | None) -> jax.Array:
    """The sum over layers of the means of their maps."""
    terms = [layer_mean(local, weights) for local in _layers(parameters, x, y)]
    return jnp.sum(jnp.stack(terms), 0)


def _check_net(net: str) -> None:
    if net not in NETWORKS:
        raise ValueError(f"st_lpips: net={net!r} is unknown; use {' or '.join(NETWORKS)}.")
