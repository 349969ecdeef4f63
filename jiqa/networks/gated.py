"""Networks that name the distortion and judge quality, with most of their layers shared.

Three of them, and how the two answers meet:

- "multitask_cnn", after Huang, Tian, Chen and Jiang, "Multitask convolutional neural network for
  no-reference image quality assessment", Journal of Electronic Imaging 27(6), 2018. Of it only the
  idea is known to us: identify the distortion, estimate its level, combine both, and share almost
  all layers, among them a dictionary whose codewords are learned. The rest is our own: the encoder
  of `jiqa.networks.convolutional`; a dictionary for each of its scales, which counts how often
  places are near each codeword; and gating: each distortion has its own quality, and the score is
  their mean weighted by how likely each is.
- "cnniqa_plus" and "cnniqa_plus_plus", IQA-CNN+ and IQA-CNN++ of Kang, Ye, Li and Doermann,
  "Simultaneous estimation of image quality and distortion via multi-task convolutional neural
  networks", ICIP 2015. The first is CNNIQA with a second answer; the second has fewer parameters by
  nearly nine tenths, for two small convolutions in place of a large one. Sizes and the place of
  dropout are those of the PyTorch port by the author of that of CNNIQA; normalisation is that of
  CNNIQA's paper. Nothing is gated here: both answers are layers of the same features.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.filters import check_least_side
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.cnniqa import extremes, normalized_patches
from jiqa.networks.convolutional import LEAST_SIDE, Encoder
from jiqa.networks.heads import MIDDLE, Perceptron
from jiqa.networks.network import Prediction, network
from jiqa.networks.patches import merge_batch

HUANG = 'Huang, Tian, Chen and Jiang, "Multitask convolutional neural network for no-reference '
HUANG += 'image quality assessment", Journal of Electronic Imaging 27(6), 2018'
KANG = 'Kang, Ye, Li and Doermann, "Simultaneous estimation of image quality and distortion via '
KANG += 'multi-task convolutional neural networks", ICIP 2015'


def gate(logits: jax.Array, scores: jax.Array) -> jax.Array:
    """One score of those of all distortions: their mean, weighted by how likely each is.

    Args:
        logits: Of the distortions, `[..., K]`.
        scores: Quality if it were this distortion, `[..., K]`.

    Returns:
        `[...]`.

    >>> print(gate(jnp.array([0.0, 0.0]), jnp.array([1.0, 3.0])))
    2.0
    """
    return (jax.nn.softmax(logits) * scores).sum(-1)


def vote(logits: jax.Array) -> jax.Array:
    """What the patches of an image say together: the mean of their probabilities.

    Args:
        logits: Of the distortions, `[..., P, K]`, for each patch.

    Returns:
        Logarithms of probabilities `[..., K]`, which are logits too.

    >>> print(jnp.exp(vote(jnp.array([[0.0, 0.0], [0.0, -99.0]]))).round(3))
    [0.75 0.25]
    """
    patches = logits.shape[-2]
    return jax.nn.logsumexp(jax.nn.log_softmax(logits), -2) - jnp.log(patches)


class Dictionary(nnx.Module):
    """How often each codeword occurs in a map.

    A place belongs to codewords by a softmax of its distances from them, as in Zhang, Xue and Dana,
    "Deep TEN: texture encoding network", CVPR 2017, so that codewords can be learned.
    """

    def __init__(self, channels: int, codewords: int, *, rngs: nnx.Rngs) -> None:
        """Random codewords.

        Args:
            channels: Of maps.
            codewords: How many.
            rngs: Where they come from.
        """
        self.normalize = nnx.BatchNorm(
            channels, momentum=0.9, use_scale=False, use_bias=False, rngs=rngs
        )
        first = jax.random.normal(rngs.params(), (codewords, channels), jnp.float32)
        self.codewords = nnx.Param(first)
        # So that places prefer codewords, and none is out of reach.
        self.sharpness = nnx.Param(jnp.full(codewords, math.sqrt(channels), jnp.float32))

    def __call__(self, maps: jax.Array, *, training: bool) -> jax.Array:
        """Roots of shares of places.

        Args:
            maps: `[B, h, w, channels]`.
            training: Whether the batch's own statistics normalise.

        Returns:
            `[B, codewords]`, of which the squares are 1 on average.
        """
        maps = self.normalize(maps, use_running_average=not training)
        codewords = self.codewords[...]
        products = jnp.einsum("bhwc,kc->bhwk", maps, codewords, precision="highest")
        # The square of the map is the same for all codewords, which a softmax does not see.
        distances = ((codewords**2).sum(-1) - 2 * products) / maps.shape[-1]
        shares = jax.nn.softmax(-self.sharpness[...] * distances).mean((1, 2))
        return jnp.sqrt(len(codewords) * shares + 1e-6)  # with a slope at 0


@network("multitask_cnn", kind="no_reference", paper=HUANG)
class MultitaskCNN(nnx.Module):
    """A dictionary for each scale, a quality for each distortion, and which it is."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        types: int = 5,
        width: int = 32,
        codewords: int = 32,
        hidden: int = 128,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            types: How many distortions there are.
            width: Channels of the encoder's finest map.
            codewords: Of each of the four dictionaries.
            hidden: Length of the vectors between the two layers of both answers.
        """
        self.encoder = Encoder(width, rngs=rngs)
        self.dictionaries = nnx.List(
            Dictionary(channels, codewords, rngs=rngs) for channels in self.encoder.channels
        )
        words = codewords * len(self.encoder.channels)
        self.distortion = Perceptron(words, hidden, types, rngs=rngs)
        self.quality = Perceptron(words, hidden, types, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality and distortion of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: In training, where each batch normalises its own maps.

        Returns:
            "score" `[B]`, "distortion" `[B, types]`, "features" `[B, 4 codewords]`.

        Raises:
            ValueError: Images are too small.
        """
        check_least_side("multitask_cnn", distorted.shape, LEAST_SIDE)
        training = rngs is not None
        maps = self.encoder(distorted, training=training)
        words = [
            dictionary(x, training=training)
            for dictionary, x in zip(self.dictionaries, maps, strict=True)
        ]
        features = jnp.concatenate(words, -1)
        logits = self.distortion(features, rngs=rngs)
        score = MIDDLE + gate(logits, self.quality(features, rngs=rngs))
        return {"score": score, "distortion": logits, "features": features}


class TwoAnswers(nnx.Module):
    """Two fully connected layers of what maps reach at most and at least; then both answers.

    The maps are those of the networks that are derived from this.
    """

    def __init__(
        self, filters: int, hidden: tuple[int, int], types: int, *, rngs: nnx.Rngs
    ) -> None:
        """Random parameters.

        Args:
            filters: Channels of maps.
            hidden: Lengths of what both layers give.
            types: How many distortions there are.
            rngs: Where parameters come from.
        """
        self.fc1 = nnx.Linear(2 * filters, hidden[0], rngs=rngs)
        self.fc2 = nnx.Linear(hidden[0], hidden[1], rngs=rngs)
        self.quality = nnx.Linear(hidden[1], 1, rngs=rngs)
        self.distortion = nnx.Linear(hidden[1], types, rngs=rngs)
        self.dropout = nnx.Dropout(0.5)

    def maps(self, patches: jax.Array) -> jax.Array:
        """Maps `[N, h, w, filters]` of normalised patches `[N, 32, 32, 1]`."""
        raise NotImplementedError

    def answer(
        self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Scores `[B, P]` and logits `[B, P, types]` of patches; images as of the call."""
        patches = normalized_patches(distorted)
        maps = self.maps(merge_batch(patches))
        x = jax.nn.relu(self.fc1(extremes(maps)))
        x = self.dropout(x, deterministic=rngs is None, rngs=rngs)
        x = jax.nn.relu(self.fc2(x)).reshape(*patches.shape[:2], -1)
        return self.quality(x)[..., 0], self.distortion(x)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality and distortion of images and of their patches.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least 32 x 32, or patches of them
                `[B, P, 32, 32, C]`.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]`, "distortion" `[B, types]`, "patches" `[B, P]`.

        Raises:
            ValueError: Images are too small.
        """
        return of_images(*self.answer(distorted, rngs=rngs))


@network("cnniqa_plus", kind="no_reference", paper=KANG)
class CNNIQAPlus(TwoAnswers):
    """CNNIQA, which also names the distortion."""

    def __init__(self, *, rngs: nnx.Rngs, types: int = 5, filters: int = 50) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            types: How many distortions there are.
            filters: Of the convolution.
        """
        super().__init__(filters, (800, 800), types, rngs=rngs)
        self.conv1 = nnx.Conv(1, filters, (7, 7), padding="VALID", rngs=rngs)

    def maps(self, patches: jax.Array) -> jax.Array:
        """Those of the one convolution, without a rectifier."""
        return self.conv1(patches)


@network("cnniqa_plus_plus", kind="no_reference", paper=KANG)
class CNNIQAPlusPlus(TwoAnswers):
    """The same of two small convolutions."""

    def __init__(
        self, *, rngs: nnx.Rngs, types: int = 5, filters: tuple[int, int] = (8, 50)
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            types: How many distortions there are.
            filters: Of both convolutions.
        """
        super().__init__(filters[1], (128, 512), types, rngs=rngs)
        self.conv1 = nnx.Conv(1, filters[0], (3, 3), padding="VALID", rngs=rngs)
        self.conv2 = nnx.Conv(filters[0], filters[1], (3, 3), padding="VALID", rngs=rngs)

    def maps(self, patches: jax.Array) -> jax.Array:
        """Those of the second convolution; nothing is rectified."""
        return self.conv2(max_pool(self.conv1(patches), size=2, stride=2))


def of_images(scores: jax.Array, logits: jax.Array) -> Prediction:
    """What scores `[B, P]` and logits `[B, P, K]` of patches say of images.

    >>> of_images(jnp.zeros((2, 3)), jnp.zeros((2, 3, 4)))["distortion"].shape
    (2, 4)
    """
    return {"score": scores.mean(1), "distortion": vote(logits), "patches": scores}
