"""Feature fusion: what is learned of the distortion joins the features that quality is read from.

After Golestaneh and Kitani, "No-reference image quality assessment via feature fusion and
multi-task learning", arXiv:2006.03783, 2020. The idea is theirs: one network learns type of
distortion and score, and features of the first task are fused into the second. The sizes are ours:
means over places of all four stages of ResNet-50 become one vector of 512 numbers; a fully
connected layer of it gives features of the distortion, from which it is named; both vectors
together give the score. No gradient is stopped.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.filters import check_least_side
from jiqa.networks.convolutional import LEAST_SIDE, Encoder
from jiqa.networks.heads import MIDDLE
from jiqa.networks.network import Prediction, check_choice, network
from jiqa.networks.pretrained import Trunk

PAPER = 'after Golestaneh and Kitani, "No-reference image quality assessment via feature fusion '
PAPER += 'and multi-task learning", 2020'
# The last block of each stage, and its channels.
STAGES = {
    "resnet18": {"layer1.1": 64, "layer2.1": 128, "layer3.1": 256, "layer4.1": 512},
    "resnet50": {"layer1.2": 256, "layer2.3": 512, "layer3.5": 1024, "layer4.2": 2048},
}


@network("fusion", kind="no_reference", paper=PAPER)
class Fusion(nnx.Module):
    """A trunk, a branch for the distortion, and one for quality that knows of the first."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        types: int = 5,
        net: Literal["resnet50", "resnet18", "small"] = "resnet50",
        hidden: int = 512,
        width: int = 16,
    ) -> None:
        """Random parameters; `jiqa.networks.pretrained.use_pretrained` puts ResNet's in the trunk.

        Args:
            rngs: Where they come from.
            types: How many distortions there are.
            net: Of the trunk: a ResNet, or "small", the encoder of `jiqa.networks.convolutional`.
            hidden: Length of all vectors of features.
            width: Channels of the finest map, of "small".

        Raises:
            ValueError: No such net.
        """
        check_choice("net", net, (*STAGES, "small"))
        self.net = net
        if net == "small":
            self.trunk: Encoder | Trunk = Encoder(width, rngs=rngs)
            channels = self.trunk.channels
        else:
            self.trunk = Trunk(net, rngs=rngs)
            channels = tuple(STAGES[net].values())
        self.shared = nnx.Linear(sum(channels), hidden, rngs=rngs)
        self.distortion_features = nnx.Linear(hidden, hidden, rngs=rngs)
        self.distortion = nnx.Linear(hidden, types, rngs=rngs)
        self.quality_features = nnx.Linear(2 * hidden, hidden, rngs=rngs)
        self.quality = nnx.Linear(hidden, 1, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality and distortion of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: In training, where each batch normalises the maps of "small" itself; ResNets keep
                their statistics.

        Returns:
            "score" `[B]`, "distortion" `[B, types]`, "features" `[B, hidden]`.

        Raises:
            ValueError: Images are too small.
        """
        check_least_side("fusion", distorted.shape, LEAST_SIDE)
        means = [stage.mean((1, 2)) for stage in self._stages(distorted, rngs is not None)]
        shared = jax.nn.relu(self.shared(jnp.concatenate(means, -1)))
        of_distortion = jax.nn.relu(self.distortion_features(shared))
        fused = jnp.concatenate([shared, of_distortion], -1)
        of_quality = jax.nn.relu(self.quality_features(fused))
        return {
            "score": MIDDLE + self.quality(of_quality)[:, 0],
            "distortion": self.distortion(of_distortion),
            "features": of_quality,
        }

    def _stages(self, images: jax.Array, training: bool) -> list[jax.Array]:
        if isinstance(self.trunk, Encoder):
            return self.trunk(images, training=training)
        taps = tuple(STAGES[self.net])
        found = self.trunk(self.trunk.normalize(images), taps)
        return [found[tap] for tap in taps]
