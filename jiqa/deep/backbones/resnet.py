"""Residual networks of 18 and 50 layers.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, in torchvision's
form, in which a bottleneck halves the maps by its 3 x 3 convolution.
"""

from collections.abc import Generator
from functools import partial
from typing import NamedTuple

import jax

from jiqa.deep.backbones.backbone import (
    Backbone,
    Taps,
    Tree,
    convolution_shapes,
    fully_connected_shapes,
    imagenet_normalize,
    normalization_shapes,
)
from jiqa.deep.backbones.layers import (
    batch_normalization,
    convolution,
    fully_connected,
    global_average,
    max_pool,
    relu,
)

WIDTHS = (64, 128, 256, 512)  # channels inside the blocks of layer1 to layer4
CLASSES = 1000

normalize = partial(batch_normalization, epsilon=1e-5)


class Block(NamedTuple):
    """What a residual block is made of."""

    sizes: tuple[int, ...]  # of its kernels
    halving: int  # number of the convolution that may have a stride of 2
    expansion: int  # of the channels by the last convolution


BASIC = Block((3, 3), 1, 1)
BOTTLENECK = Block((1, 3, 1), 2, 4)


def layers(parameters: Tree, x: jax.Array, *, block: Block, depths: tuple[int, ...]) -> Taps:
    """Features: conv1, bn1, relu, maxpool, layer1.0 with its parts, ... avgpool, fc."""
    x = convolution(x, parameters["conv1"], stride=2, padding=3)
    yield "conv1", x
    x = normalize(x, parameters["bn1"])
    yield "bn1", x
    x = relu(x)
    yield "relu", x
    x = max_pool(x, size=3, stride=2, padding=1)
    yield "maxpool", x
    for stage, depth in enumerate(depths, 1):
        for number in range(depth):
            stride = 2 if stage > 1 and number == 0 else 1
            layer = parameters[f"layer{stage}"][str(number)]
            x = yield from residual(f"layer{stage}.{number}", layer, x, block, stride)
    x = global_average(x)
    yield "avgpool", x
    yield "fc", fully_connected(x, parameters["fc"])


def residual(
    name: str, layer: Tree, x: jax.Array, block: Block, stride: int
) -> Generator[tuple[str, jax.Array], None, jax.Array]:
    """A residual block; yields its parts and itself, and returns its result."""
    shortcut = x
    for number, size in enumerate(block.sizes, 1):
        x = convolution(
            x,
            layer[f"conv{number}"],
            stride=stride if number == block.halving else 1,
            padding=size // 2,
        )
        yield f"{name}.conv{number}", x
        x = normalize(x, layer[f"bn{number}"])
        yield f"{name}.bn{number}", x
        if number < len(block.sizes):
            x = relu(x)
            yield f"{name}.relu{number}", x
    if "downsample" in layer:
        shortcut = convolution(shortcut, layer["downsample"]["0"], stride=stride)
        shortcut = normalize(shortcut, layer["downsample"]["1"])
        yield f"{name}.downsample", shortcut
    x = relu(x + shortcut)
    yield name, x
    return x


def shapes(block: Block, depths: tuple[int, ...]) -> Tree:
    """Shapes of the parameters."""
    tree: dict[str, Tree] = {
        "conv1": convolution_shapes(7, 3, WIDTHS[0], bias=False),
        "bn1": normalization_shapes(WIDTHS[0]),
    }
    inputs = WIDTHS[0]
    for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True), 1):
        blocks = {}
        for number in range(depth):
            downsample = number == 0 and (stage > 1 or block.expansion > 1)
            blocks[str(number)] = residual_shapes(block, inputs, width, downsample)
            inputs = width * block.expansion
        tree[f"layer{stage}"] = blocks
    return {**tree, "fc": fully_connected_shapes(inputs, CLASSES)}


def residual_shapes(block: Block, inputs: int, width: int, downsample: bool) -> Tree:
    """Shapes of the parameters of a block."""
    tree: dict[str, Tree] = {}
    outputs = width * block.expansion
    channels = [inputs, *[width] * (len(block.sizes) - 1), outputs]
    for number, size in enumerate(block.sizes, 1):
        before, after = channels[number - 1 : number + 1]
        tree[f"conv{number}"] = convolution_shapes(size, before, after, bias=False)
        tree[f"bn{number}"] = normalization_shapes(after)
    if downsample:
        tree["downsample"] = {
            "0": convolution_shapes(1, inputs, outputs, bias=False),
            "1": normalization_shapes(outputs),
        }
    return tree


def _network(name: str, block: Block, depths: tuple[int, ...]) -> Backbone:
    walk = partial(layers, block=block, depths=depths)
    return Backbone(name, walk, shapes(block, depths), imagenet_normalize)


resnet18 = _network("resnet18", BASIC, (2, 2, 2, 2))
resnet50 = _network("resnet50", BOTTLENECK, (3, 4, 6, 3))
