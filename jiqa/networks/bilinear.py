"""Bilinear fusion: local features that are learned, multiplied by global ones that are not.

After Chetouani, Quach, Valenzise and Dufaux, "Combination of deep learning-based and handcrafted
features for blind image quality assessment", EUVIP 2021. The idea is theirs: networks see small
patches, while handcrafted features describe the whole image, and bilinear pooling combines both.
Ours are the choice of features and the sizes: 128 numbers that a convolutional network gives of
patches of 64 pixels, averaged over the image, and 58 of `jiqa.networks.handcrafted`, standardised
by what was seen in training. All products of two, one of each kind, keep their sign, are replaced
by the root of their size, and form a vector of unit length, as in Lin, RoyChowdhury and Maji,
"Bilinear CNN models for fine-grained visual recognition", ICCV 2015. Two fully connected layers
give the score.

Other ways to fuse are there to compare with: features side by side ("concatenation"), the mean of
two scores ("average"), and either kind of features alone.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.networks.handcrafted import describe_images
from jiqa.networks.heads import MIDDLE, Perceptron
from jiqa.networks.network import Prediction, network
from jiqa.networks.patches import as_patches, merge_batch
from jiqa.networks.pretrained import describe_by, make_trunk

PAPER = 'after Chetouani, Quach, Valenzise and Dufaux, "Combination of deep learning-based and '
PAPER += 'handcrafted features for blind image quality assessment", EUVIP 2021'
PATCH = 64  # pixels along each side
NETS = ("vgg16", "resnet50", "small")
HANDCRAFTED = {"spatial": 36, "frequency": 12, "appearance": 10}


def multiply(learned: jax.Array, handcrafted: jax.Array) -> jax.Array:
    """All products of two features, their signed roots, of unit length.

    Args:
        learned: `[B, n]`.
        handcrafted: `[B, m]`.

    Returns:
        `[B, n m]`, or zeros where all features of a kind are 0.

    >>> print(multiply(jnp.array([[4.0, 1.0]]), jnp.array([[-4.0]])).round(3))
    [[-0.894 -0.447]]
    """
    products = (learned[:, :, None] * handcrafted[:, None, :]).reshape(len(learned), -1)
    roots = products / jnp.sqrt(jnp.abs(products) + 1e-8)  # with a slope at 0
    return roots / jnp.sqrt((roots**2).sum(-1, keepdims=True) + 1e-8)


# What perceptrons read: the score is the mean of theirs.
FUSIONS: dict[str, Callable[[jax.Array, jax.Array], list[jax.Array]]] = {
    "bilinear": lambda learned, handcrafted: [multiply(learned, handcrafted)],
    "concatenation": lambda *features: [jnp.concatenate(features, -1)],
    "average": lambda *features: [*features],
    "learned": lambda learned, _: [learned],
    "handcrafted": lambda _, handcrafted: [handcrafted],
}


@network("bilinear", kind="no_reference", paper=PAPER)
class Bilinear(nnx.Module):
    """Features of patches and of the image, fused."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        fusion: Literal[
            "bilinear", "concatenation", "average", "learned", "handcrafted"
        ] = "bilinear",
        net: Literal["small", "vgg16", "resnet50"] = "small",
        learned: int = 128,
        hidden: int = 256,
        width: int = 16,
    ) -> None:
        """Random parameters; `jiqa.networks.pretrained.use_pretrained` puts published ones in.

        Args:
            rngs: Where they come from.
            fusion: How both kinds of features become a score.
            net: What describes patches: a published network, or "small", the encoder of
                `jiqa.networks.convolutional`.
            learned: How many features it has in the end.
            hidden: Length of the vectors between the two last layers.
            width: Channels of the finest map, of "small".

        Raises:
            ValueError: No such fusion or net.
        """
        if fusion not in FUSIONS or net not in NETS:
            raise ValueError(
                f"fusion={fusion!r}, net={net!r}; fusions are {', '.join(FUSIONS)}, "
                f"nets {', '.join(NETS)}."
            )
        self.fusion = fusion
        self.trunk, channels = make_trunk(net, width=width, rngs=rngs)
        handcrafted = sum(HANDCRAFTED.values())
        self.project = nnx.Linear(channels, learned, rngs=rngs)
        self.standardize = nnx.BatchNorm(
            handcrafted, momentum=0.9, use_scale=False, use_bias=False, rngs=rngs
        )
        features = (jnp.zeros((1, learned)), jnp.zeros((1, handcrafted)))
        self.perceptrons = nnx.List(
            Perceptron(vector.shape[-1], hidden, 1, rngs=rngs)
            for vector in FUSIONS[fusion](*features)
        )

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 64 x 64: whole images, or crops that are
                large enough for statistics.
            rngs: In training, where each batch normalises its own features.

        Returns:
            "score" `[B]`, "features" `[B, F]`, which are fused.

        Raises:
            ValueError: Images are too small, or patches.
        """
        if distorted.ndim != 4:
            raise ValueError(
                f"bilinear: images have shape {distorted.shape}; give [B, H, W, C], not patches: "
                "handcrafted features are of images."
            )
        learned = self._learned(distorted, rngs is not None)
        handcrafted = self._handcrafted(distorted, rngs is not None)
        vectors = FUSIONS[self.fusion](learned, handcrafted)
        scores = [
            perceptron(vector, rngs=rngs)[:, 0]
            for perceptron, vector in zip(self.perceptrons, vectors, strict=True)
        ]
        score = MIDDLE + jnp.stack(scores).mean(0)
        return {"score": score, "features": jnp.concatenate(vectors, -1)}

    def _learned(self, images: jax.Array, training: bool) -> jax.Array:
        patches = as_patches(images, PATCH)
        features = describe_by(self.trunk, merge_batch(patches), training=training)
        projected = jax.nn.relu(self.project(features))
        return projected.reshape(*patches.shape[:2], -1).mean(1)

    def _handcrafted(self, images: jax.Array, training: bool) -> jax.Array:
        found = describe_images(images)
        features = jnp.concatenate([found[kind] for kind in HANDCRAFTED], -1)
        return self.standardize(features, use_running_average=not training)
