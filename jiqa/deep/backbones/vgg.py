"""VGG: five blocks of 3 x 3 convolutions, each followed by pooling.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR
2015, in torchvision's form: configurations A, B, D and E without batch normalisation.
"""

from collections.abc import Callable
from functools import partial

import jax

from jiqa.deep.backbones.alexnet import classifier_shapes, classify
from jiqa.deep.backbones.backbone import (
    Backbone,
    Taps,
    Tree,
    convolution_shapes,
    imagenet_normalize,
)
from jiqa.deep.backbones.layers import average_pool, convolution, max_pool, relu

CHANNELS = (64, 128, 256, 512, 512)
BLOCKS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
CLASSIFIER = ("0", "3", "6")  # places of the fully connected layers

halve = partial(max_pool, size=2, stride=2)


def layers(
    parameters: Tree,
    x: jax.Array,
    *,
    blocks: tuple[int, ...],
    pool: Callable[[jax.Array], jax.Array] = halve,
) -> Taps:
    """Features: conv1_1, relu1_1, ... pool5, avgpool, fc6, relu6, fc7, relu7, fc8.

    Args:
        parameters: The tree of parameters.
        x: Normalised images.
        blocks: How many convolutions each block has.
        pool: What halves the maps after each block.

    Yields:
        Names and features.
    """
    place = 0
    for block, count in enumerate(blocks, 1):
        for number in range(1, count + 1):
            x = convolution(x, parameters["features"][str(place)], padding=1)
            yield f"conv{block}_{number}", x
            x = relu(x)
            yield f"relu{block}_{number}", x
            place += 2  # a convolution and its rectifier
        x = pool(x)
        yield f"pool{block}", x
        place += 1
    x = average_pool(x, 7)
    yield "avgpool", x
    yield from classify(x, [parameters["classifier"][place] for place in CLASSIFIER])


def shapes(blocks: tuple[int, ...]) -> Tree:
    """Shapes of the parameters."""
    features, place, inputs = {}, 0, 3
    for count, outputs in zip(blocks, CHANNELS, strict=True):
        for _ in range(count):
            features[str(place)] = convolution_shapes(3, inputs, outputs)
            place, inputs = place + 2, outputs
        place += 1
    return {"features": features, "classifier": classifier_shapes(7 * 7 * 512, CLASSIFIER)}


vgg11, vgg13, vgg16, vgg19 = (
    Backbone(name, partial(layers, blocks=blocks), shapes(blocks), imagenet_normalize)
    for name, blocks in BLOCKS.items()
)
