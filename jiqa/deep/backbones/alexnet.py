"""AlexNet in its three common forms.

Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks",
NIPS 2012. What is called AlexNet is not one network: `alexnet` is torchvision's, which follows
Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014 (64, 192, 384,
256, 256 maps, no normalisation); `alexnet_caffe` is the form of 2012 as Caffe has it (96, 256, 384,
384, 256 maps, local response normalisation, three convolutions in two groups), which most of the
literature on image quality uses; `caffenet` is that with pooling before normalisation.
"""

from typing import NamedTuple

import jax

from jiqa.deep.backbones.backbone import (
    Backbone,
    Taps,
    Tree,
    caffe_normalize,
    convolution_shapes,
    fully_connected_shapes,
    imagenet_normalize,
)
from jiqa.deep.backbones.layers import (
    average_pool,
    convolution,
    flatten,
    fully_connected,
    local_response_normalization,
    max_pool,
    relu,
)

NORMALIZED = (1, 2)  # convolutions followed by local response normalisation
POOLED = (1, 2, 5)  # convolutions followed by pooling
HIDDEN, CLASSES = 4096, 1000


class Convolution(NamedTuple):
    """A row of the tables: where its parameters are, and what it does."""

    place: str
    size: int
    inputs: int
    outputs: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its parameters."""
        return convolution_shapes(self.size, self.inputs // self.groups, self.outputs)


TORCHVISION = (
    Convolution("0", 11, 3, 64, stride=4, padding=2),
    Convolution("3", 5, 64, 192, padding=2),
    Convolution("6", 3, 192, 384, padding=1),
    Convolution("8", 3, 384, 256, padding=1),
    Convolution("10", 3, 256, 256, padding=1),
)
CAFFE = (
    Convolution("conv1", 11, 3, 96, stride=4),
    Convolution("conv2", 5, 96, 256, padding=2, groups=2),
    Convolution("conv3", 3, 256, 384, padding=1),
    Convolution("conv4", 3, 384, 384, padding=1, groups=2),
    Convolution("conv5", 3, 384, 256, padding=1, groups=2),
)


def torchvision_layers(parameters: Tree, x: jax.Array) -> Taps:
    """Features of torchvision's form: conv, relu and pool by number, avgpool, fc6 to fc8."""
    for number, row in enumerate(TORCHVISION, 1):
        layer = parameters["features"][row.place]
        x = convolution(x, layer, stride=row.stride, padding=row.padding)
        yield f"conv{number}", x
        x = relu(x)
        yield f"relu{number}", x
        if number in POOLED:
            x = max_pool(x, size=3, stride=2)
            yield f"pool{number}", x
    x = average_pool(x, 6)
    yield "avgpool", x
    yield from classify(x, [parameters["classifier"][place] for place in ("1", "4", "6")])


def caffe_layers(parameters: Tree, x: jax.Array, *, pool_first: bool = False) -> Taps:
    """Features of Caffe's forms: conv, relu, norm and pool by number, fc6 to fc8."""
    for number, row in enumerate(CAFFE, 1):
        layer = parameters[row.place]
        x = convolution(x, layer, stride=row.stride, padding=row.padding, groups=row.groups)
        yield f"conv{number}", x
        x = relu(x)
        yield f"relu{number}", x
        steps = ["norm"] * (number in NORMALIZED) + ["pool"] * (number in POOLED)
        for step in reversed(steps) if pool_first else steps:
            if step == "norm":
                x = local_response_normalization(x)
            else:
                x = max_pool(x, size=3, stride=2, ceil=True)
            yield f"{step}{number}", x
    yield from classify(x, [parameters[place] for place in ("fc6", "fc7", "fc8")])


def classify(x: jax.Array, layers: list[Tree]) -> Taps:
    """The fully connected layers of AlexNet and VGG: fc6, relu6, fc7, relu7, fc8."""
    inputs = layers[0]["kernel"].shape[0]
    x = flatten(x)
    if x.shape[-1] != inputs:
        raise ValueError(
            f"fc6 takes {inputs} features, and the images give {x.shape[-1]}: give images of the "
            "size on which the network was trained."
        )
    for number, layer in enumerate(layers, 6):
        x = fully_connected(x, layer)
        yield f"fc{number}", x
        if number < 8:
            x = relu(x)
            yield f"relu{number}", x


def classifier_shapes(inputs: int, places: tuple[str, str, str]) -> dict[str, Tree]:
    """Shapes of the layers of `classify` by place."""
    sizes = (inputs, HIDDEN, HIDDEN, CLASSES)
    return {
        place: fully_connected_shapes(*sizes[number : number + 2])
        for number, place in enumerate(places)
    }


def caffenet_layers(parameters: Tree, x: jax.Array) -> Taps:
    """Features of CaffeNet, named as those of `caffe_layers`."""
    return caffe_layers(parameters, x, pool_first=True)


CAFFE_SHAPES = {
    **{row.place: row.shapes for row in CAFFE},
    **classifier_shapes(6 * 6 * 256, ("fc6", "fc7", "fc8")),
}

alexnet = Backbone(
    "alexnet",
    torchvision_layers,
    {
        "features": {row.place: row.shapes for row in TORCHVISION},
        "classifier": classifier_shapes(6 * 6 * 256, ("1", "4", "6")),
    },
    imagenet_normalize,
)
alexnet_caffe = Backbone("alexnet_caffe", caffe_layers, CAFFE_SHAPES, caffe_normalize, side=227)
caffenet = Backbone("caffenet", caffenet_layers, CAFFE_SHAPES, caffe_normalize, side=227)
