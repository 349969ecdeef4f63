"""The network behind DeepBIQ: a classifier of objects that learns to tell degrees of quality.

Bianco, Celona, Napoletano and Schettini, "On the use of deep learning for blind image quality
assessment", Signal, Image and Video Processing 12, 2018 (arXiv:1602.05531). CaffeNet, trained to
recognise objects, gets a new last layer of five classes, bad to excellent, which are the fifths of
the scale of opinion, and is trained on with crops of rated images.

The authors then predict opinion from the features of the layer before by a support vector
regression, which `jiqa.deep.deepbiq` has:

    regression = jiqa.fit_deepbiq(model(images)["features"], opinions)
    parameters = {"network": published_form(model), "regression": vars(regression)}
    jiqa.deepbiq(parameters, image, net="caffenet", taps=("relu7",))

Without it, the network's own score is our decision: the mean of the classes' centres, weighted by
their probabilities, and over 25 crops, of which the outermost touch the image's borders.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.special import logsumexp

import jiqa
from jiqa.deep.backbones.layers import flatten
from jiqa.networks import pretrained
from jiqa.networks.heads import moments
from jiqa.networks.network import Model, Prediction, named_arrays, network
from jiqa.networks.patches import merge_batch, spread_squares
from jiqa.networks.pretrained import Trunk

PAPER = 'Bianco, Celona, Napoletano and Schettini, "On the use of deep learning for blind image '
PAPER += 'quality assessment", Signal, Image and Video Processing 12, 2018'
CLASSES = 5  # bad, poor, fair, good, excellent
LAST_MAPS = 256  # channels of the last convolution, whose maps have 6 x 6 pixels
CAFFE = {"fc6": "fc6", "fc7": "fc7", "classes": "fc8"}
CONNECTED = {  # where publishers have the fully connected layers
    "caffenet": CAFFE,
    "alexnet_caffe": CAFFE,
    "alexnet": {"fc6": "classifier.1", "fc7": "classifier.4", "classes": "classifier.6"},
}


@network("deepbiq", kind="no_reference", paper=PAPER)
class DeepBIQ(nnx.Module):
    """A form of AlexNet with five classes of quality."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        net: Literal["caffenet", "alexnet_caffe", "alexnet"] = "caffenet",
        grid: int = 5,
        hidden: int = 4096,
        narrow: int = 1,
    ) -> None:
        """Random parameters; `use_pretrained` puts published ones in their place.

        Args:
            rngs: Where they come from.
            net: The form of AlexNet; its name in `jiqa.deep.backbones.BACKBONES`.
            grid: Rows and columns of crops that are taken of an image.
            hidden: Size of the fully connected layers.
            narrow: By what the number of channels of all convolutions is divided.

        Raises:
            ValueError: Another net.
        """
        if net not in CONNECTED:
            raise ValueError(f"net={net!r} is unknown; use {', '.join(CONNECTED)}.")
        self.grid = grid
        self.trunk = Trunk(net, narrow=narrow, rngs=rngs)
        self.fc6 = nnx.Linear(6 * 6 * math.ceil(LAST_MAPS / narrow), hidden, rngs=rngs)
        self.fc7 = nnx.Linear(hidden, hidden, rngs=rngs)
        self.classes = nnx.Linear(hidden, CLASSES, rngs=rngs)
        self.dropout = nnx.Dropout(0.5)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores of images and of their crops.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least as large as a crop, which has 227
                pixels a side (224 for "alexnet"), or crops of them `[B, P, 227, 227, C]`.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]` from 0.1 to 0.9, "patches" `[B, P]`, "distribution" `[B, 5]`, the
            logarithm of the classes' mean probabilities, and "features" `[B, P, 4096]`, for a
            regression.

        Raises:
            ValueError: Images are too small.
        """
        side = self.trunk.backbone.side
        crops = spread_squares(distorted, side, self.grid, self.grid)
        logits, features = (
            x.reshape(*crops.shape[:2], -1) for x in self.classify(merge_batch(crops), rngs=rngs)
        )
        scores, _ = moments(logits)
        return {
            "score": scores.mean(1),
            "patches": scores,
            "distribution": logsumexp(jax.nn.log_softmax(logits), 1) - math.log(crops.shape[1]),
            "features": features,
        }

    def classify(
        self, crops: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Logits `[N, 5]` and features `[N, 4096]` of crops `[N, 227, 227, C]`.

        The features are those of the seventh layer, rectified.
        """
        x = flatten(self.trunk(self.trunk.normalize(crops), ["pool5"])["pool5"])
        x = self._drop(jax.nn.relu(self.fc6(x)), rngs)
        features = jax.nn.relu(self.fc7(x))
        return self.classes(self._drop(features, rngs)), features

    def _drop(self, x: jax.Array, rngs: nnx.Rngs | None) -> jax.Array:
        return self.dropout(x, deterministic=rngs is None, rngs=rngs)


def to_classes(scores: jax.Array) -> jax.Array:
    """The classes of scores from 0, the worst, to 1: 0 for the lowest fifth, 4 for the highest.

    >>> print(to_classes(jnp.array([0.0, 0.39, 0.4, 1.0])))
    [0 1 2 4]
    """
    return jnp.clip(jnp.floor(scores * CLASSES).astype(jnp.int32), 0, CLASSES - 1)


def use_pretrained(model: Model, published: Mapping[str, Any] | None = None) -> Model:
    """The model with the published parameters of its net.

    Args:
        model: Of this network, its trunk not narrowed.
        published: A tree as `jiqa.weights.load` gives it; None loads that of the net.

    Returns:
        The model. Fully connected layers that are not published, as those of the AlexNet that comes
        with jiqa, or that have another size, as that of the classes, are as they were.

    Raises:
        ValueError: Parameters of convolutions are missing or of other shapes.
        FileNotFoundError: They cannot be had, see `jiqa.weights.load`.
    """
    places = CONNECTED[_net(model)]
    published = jiqa.weights.load(_net(model)) if published is None else published
    model = pretrained.use_pretrained(model, published)
    arrays, parameters = named_arrays(published), dict(model.parameters)
    for layer, place in places.items():
        found = {leaf: arrays.get(f"{place}.{leaf}") for leaf in ("kernel", "bias")}
        if jax.tree.map(jnp.shape, parameters[layer]) == jax.tree.map(np.shape, found):
            parameters[layer] = jax.tree.map(jnp.asarray, found)
    return replace(model, parameters=parameters)


def published_form(model: Model) -> dict[str, Any]:
    """The parameters as those of its net are published, which `jiqa.deepbiq` takes.

    Args:
        model: Of this network.

    Returns:
        A tree with the names of `jiqa.weights.load`.
    """
    arrays = named_arrays(model.parameters["trunk"]["layers"])
    for layer, place in CONNECTED[_net(model)].items():
        arrays |= {f"{place}.{leaf}": x for leaf, x in model.parameters[layer].items()}
    return jiqa.weights.nest(arrays)


def _net(model: Model) -> str:
    return model.merge().trunk.net  # type: ignore[attr-defined]
