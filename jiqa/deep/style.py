"""Content and style: differences of deep features in place, and of their correlations anywhere.

Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016.
Content is the features of VGG19 at relu4_2; style is their Gram matrices, the correlations of
channels over all places, at relu1_1 to relu5_1. Images are normalised as torchvision's network
expects; its activations are not rescaled as the authors' are, so that layers of style weigh other
than there. Content is divided by its number of values, as Johnson, Alahi and Fei-Fei do
("Perceptual losses for real-time style transfer and super-resolution", ECCV 2016), so that it does
not depend on the size of images; the authors have half the sum.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core.features import Features
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.maps import (
    COLOR,
    Maps,
    extract,
    extract_pair,
    layer_mean,
    load_backbone,
    prepared_pair,
    resize,
)
from jiqa.deep.pairs import pair_features

PAPER = 'Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", '
PAPER += "CVPR 2016"
CONTENT_TAPS = ("relu4_2",)
STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={"content_loss_vgg16": {"net": "vgg16"}},
    parameters=load_backbone,
)
def content_loss(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = CONTENT_TAPS,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean squared difference of deep features.

    Args:
        parameters: Of the network, a tree as of `jiqa.weights`:
            `jiqa.load("content_loss").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features; layers are averaged.
        weights: Pooling weights `[..., H, W]`, or None; resampled to each layer's size.

    Returns:
        `[...]` from 0, which equal images give.

    Raises:
        ValueError: Unknown network or features, or images too small for it.

    >>> import numpy as np
    >>> from jiqa.deep.backbones.vgg import vgg11
    >>> features = vgg11.initialize(np.random.default_rng(0), ["features"])
    >>> image = jnp.ones((8, 8, 3))
    >>> float(content_loss(features, image, image, net="vgg11", taps=("relu3_2",)))
    0.0
    """
    x, y = extract_pair(parameters, reference, distorted, data_range, net, taps)
    return _content(x, y, weights)


@image_function
def content_loss_map(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = CONTENT_TAPS,
) -> jax.Array:
    """Where content differs: the layers' maps, interpolated and averaged; see `content_loss`.

    Returns:
        `[..., H, W]`.
    """
    x, y = extract_pair(parameters, reference, distorted, data_range, net, taps)
    size = reference.shape[-3:-1]
    maps = [resize(_squares(x[tap], y[tap]), *size) for tap in taps]
    return jnp.mean(jnp.stack(maps), 0)


@image_function
def content_loss_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = CONTENT_TAPS,
) -> Features:
    """What `content_loss` compares of a reference, to be used many times; arguments as there.

    Returns:
        Maps `[..., h, w, c]` by layer.
    """
    maps = extract(parameters, reference, data_range, net, taps)
    return Features.of("content_loss", {"net": net, "taps": taps}, maps)


@image_function
def content_loss_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The loss of images against what `content_loss_features` kept of the reference.

    Args:
        parameters: As in `content_loss`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `content_loss`.
        weights: As in `content_loss`.

    Returns:
        `[...]`, as `content_loss`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    x, y = prepared_pair(parameters, "content_loss", features, distorted, data_range)
    return _content(x, y, weights)


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={"style_loss_vgg16": {"net": "vgg16"}},
    parameters=load_backbone,
)
def style_loss(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = STYLE_TAPS,
) -> jax.Array:
    """Squared difference of the correlations of deep features.

    The mean over layers of `sum((G - A) ^ 2) / (4 N^2 M^2)`, with G and A the products of N maps of
    M places.

    Args:
        parameters: Of the network, a tree as of `jiqa.weights`:
            `jiqa.load("style_loss").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features.

    Returns:
        `[...]` from 0, which equal images give.

    Raises:
        ValueError: Unknown network or features, or images too small for it.

    >>> import numpy as np
    >>> from jiqa.deep.backbones.vgg import vgg11
    >>> features = vgg11.initialize(np.random.default_rng(0), ["features"])
    >>> image = jnp.linspace(0, 1, 64).reshape(8, 8, 1)
    >>> bool(style_loss(features, image, 1 - image, net="vgg11", taps=("relu1_1",)) > 0)
    True
    """
    grams = partial(_grams, data_range=data_range, net=net, taps=taps)
    return _style(*pair_features(grams, parameters, reference, distorted))


@image_function
def style_loss_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = STYLE_TAPS,
) -> Features:
    """The style of a reference, to be used many times; arguments as in `style_loss`.

    Returns:
        Gram matrices divided by the number of places, `[..., c, c]`, by layer.
    """
    grams = _grams(parameters, reference, data_range, net, taps)
    return Features.of("style_loss", {"net": net, "taps": taps}, grams)


@image_function
def style_loss_distance(
    parameters: Tree, features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """The loss of images against the style that `style_loss_features` gave.

    Args:
        parameters: As in `style_loss`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of any size; leading axes broadcast.
        data_range: As in `style_loss`.

    Returns:
        `[...]`, as `style_loss`.

    Raises:
        ValueError: The features are another metric's.
    """
    options = features.options_of("style_loss")
    return _style(features.values, _grams(parameters, distorted, data_range, **options))


def _content(x: Maps, y: Maps, weights: jax.Array | None) -> jax.Array:
    layers = [layer_mean(_squares(x[tap], y[tap]), weights) for tap in y]
    return jnp.mean(jnp.stack(layers), 0)


def _squares(x: jax.Array, y: jax.Array) -> jax.Array:
    """The mean over maps of squared differences, `[..., h, w]`."""
    return jnp.mean((x - y) ** 2, -1)


def _grams(
    parameters: Tree, images: jax.Array, data_range: float, net: str, taps: tuple[str, ...]
) -> Maps:
    """The mean products of any two maps, `[..., c, c]`, by layer."""
    maps = extract(parameters, images, data_range, net, taps)
    return {
        tap: jnp.einsum("...hwi,...hwj->...ij", x, x, precision="highest")
        / (x.shape[-3] * x.shape[-2])
        for tap, x in maps.items()
    }


def _style(x: Maps, y: Maps) -> jax.Array:
    layers = [jnp.mean((x[tap] - gram) ** 2, (-2, -1)) / 4 for tap, gram in y.items()]
    return jnp.mean(jnp.stack(layers), 0)
