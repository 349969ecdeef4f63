"""Distortion recognition: patches are told apart by distortion, each of which has its own quality.

After Wang, Zuo and Fu, "Distortion recognition for image quality assessment with convolutional
neural network", ICME 2016, whose text we could not read: a convolutional network names the
distortion of patches, and its features then serve a regression for each distortion.

Our own are the sizes, those of the encoder of `jiqa.networks.convolutional`; that patches are of 64
pixels; that they vote by the mean of their probabilities, so that patches in which nothing can be
seen have little say; and that the qualities of all distortions are weighted by that vote, which is
the quality of the one distortion where the vote is clear. Patches are described by the encoder, and
images by the mean of their patches: "features", which `jiqa.networks.rank_learning` and
`jiqa.networks.label_transfer` can learn from too.
"""

import jax
from flax import nnx

from jiqa.networks.convolutional import Encoder, describe
from jiqa.networks.gated import gate, vote
from jiqa.networks.heads import MIDDLE, Perceptron
from jiqa.networks.network import Prediction, network
from jiqa.networks.patches import as_patches, merge_batch

PAPER = 'after Wang, Zuo and Fu, "Distortion recognition for image quality assessment with '
PAPER += 'convolutional neural network", ICME 2016'
PATCH = 64  # pixels along each side


@network("recognition", kind="no_reference", paper=PAPER)
class Recognition(nnx.Module):
    """An encoder of patches, a vote on the distortion, a quality for each."""

    def __init__(
        self, *, rngs: nnx.Rngs, types: int = 5, width: int = 16, hidden: int = 128
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            types: How many distortions there are.
            width: Channels of the encoder's finest map.
            hidden: Length of the vectors between the two layers of both answers.
        """
        self.encoder = Encoder(width, rngs=rngs)
        features = 2 * sum(self.encoder.channels)
        self.distortion = Perceptron(features, hidden, types, dropout=0.5, rngs=rngs)
        self.quality = Perceptron(features, hidden, types, dropout=0.5, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality and distortion of images.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least 64 x 64, or patches of them
                `[B, P, 64, 64, C]`.
            rngs: In training, for dropout; then each batch normalises its own maps.

        Returns:
            "score" `[B]`, "distortion" `[B, types]`, "features" `[B, F]`.

        Raises:
            ValueError: Images are too small.
        """
        features = self.encode(distorted, training=rngs is not None)
        logits = vote(self.distortion(features, rngs=rngs))
        described = features.mean(1)
        score = MIDDLE + gate(logits, self.quality(described, rngs=rngs))
        return {"score": score, "distortion": logits, "features": described}

    def encode(self, distorted: jax.Array, *, training: bool = False) -> jax.Array:
        """Features of patches, `[B, P, F]`; images as of the call."""
        patches = as_patches(distorted, PATCH)
        features = describe(self.encoder(merge_batch(patches), training=training))
        return features.reshape(*patches.shape[:2], -1)

    def recognize(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """What each patch is taken for, `[B, P, types]`, for the first stage of training."""
        return self.distortion(self.encode(distorted, training=rngs is not None), rngs=rngs)

    def qualities(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """Quality by each distortion's regression, `[B, types]`, for the second stage.

        The encoder stays that of inference: only what follows it is to be trained.
        """
        return MIDDLE + self.quality(self.encode(distorted).mean(1), rngs=rngs)
