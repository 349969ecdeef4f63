"""Published classifiers as parts of networks that are trained further.

    model = use_pretrained(Model.create("dva"))

`Trunk` wraps the pure functions of `jiqa.deep.backbones`: their parameters, named as their
publishers named them, become those of a Flax module. They are random until `use_pretrained` puts
the published ones in their place.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jiqa
from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones import BACKBONES
from jiqa.deep.backbones.backbone import STATISTICS, Backbone
from jiqa.networks.convolutional import Encoder, describe
from jiqa.networks.network import Model, Tree, fill, named_arrays

COLORS = 3  # channels of the images of all backbones
# The last maps of convolutions, and their channels.
LAST = {"resnet18": ("layer4.1", 512), "resnet50": ("layer4.2", 2048), "vgg16": ("relu5_3", 512)}


class Trunk(nnx.Module):
    """A backbone without its fully connected layers.

    Batch normalisations keep their statistics, as is usual where few images train a large network.
    """

    def __init__(self, net: str, *, inputs: int = COLORS, narrow: int = 1, rngs: nnx.Rngs) -> None:
        """Random parameters.

        Args:
            net: A name of `jiqa.deep.backbones.BACKBONES`.
            inputs: Channels of images.
            narrow: By what the number of channels of all layers is divided.
            rngs: Where parameters come from.

        Raises:
            ValueError: No such backbone.
        """
        if net not in BACKBONES:
            raise ValueError(f"net={net!r} is unknown; use {', '.join(BACKBONES)}.")
        self.net = net
        shapes = {part: x for part, x in self.backbone.shapes.items() if not _is_connected(x)}
        self.layers = _variables(shapes, inputs, narrow, rngs)

    @property
    def backbone(self) -> Backbone:
        """The published network."""
        return BACKBONES[self.net]

    def normalize(self, images: jax.Array) -> jax.Array:
        """Images `[..., H, W, C]` in [0, 1], C 1 or 3, as the backbone was trained on them."""
        return self.backbone.normalize(gray_to_rgb(images))

    def __call__(self, normalized: jax.Array, taps: Sequence[str]) -> dict[str, jax.Array]:
        """Features of images.

        Args:
            normalized: `[..., H, W, inputs]`.
            taps: Names of the backbone's features.

        Returns:
            By name, maps `[..., h, w, c]`, or vectors `[..., c]`.

        Raises:
            ValueError: An unknown tap, or images too small for it.
        """
        return self.backbone(nnx.to_pure_dict(nnx.state(self.layers)), normalized, taps)

    def last(self, images: jax.Array) -> jax.Array:
        """The last maps `[..., h, w, c]` of images `[..., H, W, C]` in [0, 1], of `LAST`."""
        tap, _ = LAST[self.net]
        return self(self.normalize(images), [tap])[tap]


def make_trunk(
    net: str, *, width: int, narrow: int = 1, rngs: nnx.Rngs
) -> tuple[Encoder | Trunk, int]:
    """What describes images, and how many numbers `describe_by` gives of each.

    Args:
        net: A name of `LAST`, or "small", the encoder of `jiqa.networks.convolutional`.
        width: Channels of the finest map, of "small".
        narrow: By what the channels of a net of `LAST` are divided.
        rngs: Where parameters come from.
    """
    if net == "small":
        encoder = Encoder(width, rngs=rngs)
        return encoder, 2 * sum(encoder.channels)
    return Trunk(net, narrow=narrow, rngs=rngs), LAST[net][1] // narrow


def describe_by(trunk: Encoder | Trunk, images: jax.Array, *, training: bool) -> jax.Array:
    """A vector of each image, `[B, F]` of `[B, H, W, C]` in [0, 1].

    Args:
        trunk: Of `make_trunk`.
        images: The images.
        training: Whether the batch's own statistics normalise, of "small".
    """
    if isinstance(trunk, Encoder):
        return describe(trunk(images, training=training))
    return trunk.last(images).mean((1, 2))


def use_pretrained(
    model: Model, published: Mapping[str, Any] | None = None, *, part: str = "trunk"
) -> Model:
    """A model with published parameters in its trunk.

    Args:
        model: Of a network with a `Trunk`, which is not narrowed.
        published: A tree as `jiqa.weights.load` gives it; None loads that of the trunk's net.
        part: The attribute of the network that is the trunk.

    Returns:
        The model, all other parameters as they were.

    Raises:
        ValueError: Parameters are missing or of other shapes.
        FileNotFoundError: They cannot be had, see `jiqa.weights.load`.
    """
    net = getattr(model.merge(), part).net
    arrays = named_arrays(jiqa.weights.load(net) if published is None else published)
    trees: dict[str, Any] = {}
    for kind in ("parameters", "statistics"):
        own = dict(getattr(model, kind))
        if part in own:
            own[part] = {"layers": _take(own[part]["layers"], arrays, net)}
        trees[kind] = own
    return replace(model, **trees)


def _take(own: Tree, published: Mapping[str, np.ndarray], source: str) -> dict[str, Any]:
    """The tree with those of the published arrays that have its names."""
    wanted = named_arrays(own)
    return fill(own, {name: x for name, x in published.items() if name in wanted}, source)


def _is_connected(shapes: Tree) -> bool:
    """Whether a part of a backbone has a fully connected layer, whose kernel has two axes."""
    leaves = jax.tree.leaves(shapes, is_leaf=lambda x: isinstance(x, tuple))
    return any(len(shape) == 2 for shape in leaves)


def _variables(shapes: Tree, inputs: int, narrow: int, rngs: nnx.Rngs) -> nnx.Dict:
    variables: dict[str, nnx.Variable | nnx.Dict] = {}
    for name, below in shapes.items():
        if isinstance(below, tuple):
            variables[name] = _variable(name, _adapt(below, inputs, narrow), rngs)
        else:
            variables[name] = _variables(below, inputs, narrow, rngs)
    return nnx.Dict(variables)


def _variable(name: str, shape: tuple[int, ...], rngs: nnx.Rngs) -> nnx.Variable:
    """A kernel by He et al. (ICCV 2015); a normalisation that changes nothing."""
    if name == "kernel":
        return nnx.Param(nnx.initializers.he_normal()(rngs.params(), shape, jnp.float32))
    value = jnp.full(shape, 1.0 if name in ("scale", "var") else 0.0, jnp.float32)
    return nnx.BatchStat(value) if name in STATISTICS else nnx.Param(value)


def _adapt(shape: tuple[int, ...], inputs: int, narrow: int) -> tuple[int, ...]:
    """The shape of a layer with other channels, which are its last two axes or its only one."""
    size, channels = shape[:-2], shape[-2:]
    return (*size, *(inputs if n == COLORS else math.ceil(n / narrow) for n in channels))
