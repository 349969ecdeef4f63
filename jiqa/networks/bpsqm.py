"""BPSQM: a network that predicts the similarity to a reference that it does not see.

After Pan, Shi, Hou, Ying, Fu and Zhang, "Blind predicting similar quality map for image quality
assessment", CVPR 2018, of which no code is public. A U-Net draws, of the distorted image alone, the
map of similarities that a full-reference metric would give at every pixel; from what this map
looks like as a whole, a second network makes the score. Which metric is the target is a matter of
training, see the config.

Our decisions: the map is brought to 0 to 1 by a sigmoid; it is summed up by its mean, its
deviation, the mean of its lowest tenth and the means of its quarters, and the second network are
two fully connected layers.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core import pooling
from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones.layers import average_pool
from jiqa.networks.heads import Perceptron
from jiqa.networks.network import Prediction, network
from jiqa.networks.unet import UNet

PAPER = 'Pan, Shi, Hou, Ying, Fu and Zhang, "Blind predicting similar quality map for image '
PAPER += 'quality assessment", CVPR 2018'
ALIKE = 2.0  # where maps begin, before the sigmoid: most of an image is like its reference
LOWEST = 10  # percent of the map, of which the mean is taken
QUARTERS = 2  # rows and columns
SUMMARY = 3 + QUARTERS**2  # numbers


@network("bpsqm", kind="no_reference", paper=PAPER)
class BPSQM(nnx.Module):
    """A U-Net that draws a map of similarity, and a score of the map."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        widths: Sequence[int] = (64, 128, 256, 512),
        hidden: int = 64,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            widths: Channels of the levels of the U-Net, the outermost first.
            hidden: Numbers between the two layers that score.
        """
        self.draw = UNet(3, 1, widths=widths, rngs=rngs)
        self.judge = Perceptron(SUMMARY, hidden, 1, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores and maps of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1].
            rngs: Given in training, when batches are normalised by their own statistics.

        Returns:
            "score" `[B]`, "map" `[B, H, W]`, from 0 where nothing of the reference is left to 1,
            and "features" `[B, 7]`, the map summed up.
        """
        maps, _ = self.draw(gray_to_rgb(distorted) - 0.5, training=rngs is not None)
        similarity = jax.nn.sigmoid(ALIKE + maps)
        features = sum_up(similarity)
        return {
            "score": self.judge(features)[:, 0],
            "map": similarity[..., 0],
            "features": features,
        }


def sum_up(maps: jax.Array) -> jax.Array:
    """Mean, deviation, mean of the lowest tenth and means of the quarters.

    Args:
        maps: `[B, H, W, 1]`.

    Returns:
        `[B, 7]`.

    >>> print(sum_up(jnp.ones((1, 8, 8, 1))))
    [[1. 0. 1. 1. 1. 1. 1.]]
    """
    return jnp.concatenate(
        [
            pooling.mean(maps),
            pooling.standard_deviation(maps),
            pooling.percentile(maps, LOWEST),
            average_pool(maps, QUARTERS).reshape(len(maps), -1),
        ],
        -1,
    )
