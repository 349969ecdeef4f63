"""SqueezeNet: fire modules, which squeeze the channels and expand them by small convolutions.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5 MB model
size", arXiv 1602.07360, versions 1.0 and 1.1 in torchvision's form. Pooling counts a last window
that is not whole.
"""

from collections.abc import Generator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jiqa.deep.backbones.backbone import (
    Backbone,
    Taps,
    Tree,
    convolution_shapes,
    imagenet_normalize,
)
from jiqa.deep.backbones.layers import convolution, global_average, max_pool, relu

CLASSES = 1000
# Channels of fire modules 2 to 9: those squeezed to, and those of each kind of expansion.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class Version(NamedTuple):
    """What tells the versions apart."""

    size: int  # of the first kernel
    channels: int  # of the first convolution
    pooled: tuple[int, ...]  # fire modules followed by pooling


VERSIONS = {"squeezenet1_0": Version(7, 96, (4, 8)), "squeezenet1_1": Version(3, 64, (3, 5))}


def layers(parameters: Tree, x: jax.Array, *, version: Version) -> Taps:
    """Features: conv1, relu1, pool1, fire2 with its parts, ... fire9, conv10, relu10, pool10."""
    features = parameters["features"]
    x = convolution(x, features["0"], stride=2)
    yield "conv1", x
    x = relu(x)
    yield "relu1", x
    x = max_pool(x, size=3, stride=2, ceil=True)
    yield "pool1", x
    place = 3
    for number in range(2, 2 + len(FIRES)):
        x = yield from fire(f"fire{number}", features[str(place)], x)
        place += 1
        if number in version.pooled:
            x = max_pool(x, size=3, stride=2, ceil=True)
            yield f"pool{number}", x
            place += 1
    x = convolution(x, parameters["classifier"]["1"])
    yield "conv10", x
    x = relu(x)
    yield "relu10", x
    yield "pool10", global_average(x)


def fire(name: str, layer: Tree, x: jax.Array) -> Generator[tuple[str, jax.Array], None, jax.Array]:
    """A fire module; yields its parts and itself, and returns its result."""
    x = convolution(x, layer["squeeze"])
    yield f"{name}.squeeze", x
    x = relu(x)
    yield f"{name}.squeeze_activation", x
    expanded = []
    for part, padding in (("expand1x1", 0), ("expand3x3", 1)):
        wide = convolution(x, layer[part], padding=padding)
        yield f"{name}.{part}", wide
        wide = relu(wide)
        yield f"{name}.{part}_activation", wide
        expanded.append(wide)
    x = jnp.concatenate(expanded, -1)
    yield name, x
    return x


def shapes(version: Version) -> Tree:
    """Shapes of the parameters."""
    features: dict[str, Tree] = {"0": convolution_shapes(version.size, 3, version.channels)}
    place, inputs = 3, version.channels
    for number, (squeezed, expanded) in enumerate(FIRES, 2):
        features[str(place)] = {
            "squeeze": convolution_shapes(1, inputs, squeezed),
            "expand1x1": convolution_shapes(1, squeezed, expanded),
            "expand3x3": convolution_shapes(3, squeezed, expanded),
        }
        place += 2 if number in version.pooled else 1
        inputs = 2 * expanded
    return {"features": features, "classifier": {"1": convolution_shapes(1, inputs, CLASSES)}}


squeezenet1_0, squeezenet1_1 = (
    Backbone(name, partial(layers, version=version), shapes(version), imagenet_normalize)
    for name, version in VERSIONS.items()
)
