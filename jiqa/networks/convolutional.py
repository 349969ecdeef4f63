"""Two small networks of our own, quick on a CPU, that can be trained on images one has made.

"quality_cnn" judges an image alone, "quality_siamese" beside its reference. They share an encoder:
a convolution of 4 x 4 pixels in steps of two, which sees every pixel equally often, then three
stages, of which each halves the map, doubles its channels, and adds a residual convolution. So all
is computed at half resolution or less, with few channels where maps are large.

What a distortion leaves is seen best at its own scale, noise in the first stage, blur and blocks
later. So the maps of all stages are described, by mean and deviation over places, and nothing
depends on the size of images. Batches, not images, normalise maps: normalised by itself, an image
with faint noise would look like one with much.

Without a reference, one of the heads of `jiqa.networks.heads` makes a score of the description, and
another names distortion and level if these are known in training.

With a reference, the score is `exp(-D)`. D is a weighted sum of the mean absolute differences of
all channels, with positive weights that two fully connected layers choose for each pair of images.
So equal images score exactly 1 and all others less, whatever the parameters are. That reference and
distorted image go through one encoder is after the Siamese networks of Bromley, Guyon, LeCun,
Säckinger and Shah, "Signature verification using a 'Siamese' time delay neural network", NIPS 1993.
"""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core import saliency as saliency_maps
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import gray_to_rgb
from jiqa.core.filters import check_least_side, imresize
from jiqa.networks.heads import HEADS, DistortionHead, Perceptron
from jiqa.networks.layers import Conv
from jiqa.networks.network import Prediction, check_choice, network

PAPER = "jiqa's own: a small residual network whose maps of all scales are described"
LEAST_SIDE = 32  # pixels, of which the coarsest map has 2 x 2
STAGES = 3  # after the first convolution
THUMBNAIL = (32, 32)  # pixels, in which content is seen and distortions hardly

Head = Literal["score", "distribution", "uncertain", "content", "attention"]
Saliency = Literal["spectral_residual", "sdsp", "fine_grained", "graph_based", "center_prior"]


class Normalized(nnx.Module):
    """A convolution normalised by batches."""

    def __init__(
        self, inputs: int, outputs: int, *, size: int = 3, stride: int = 1, rngs: nnx.Rngs
    ) -> None:
        """Random parameters; the kernel has `size` x `size` pixels."""
        self.convolution = Conv(
            inputs,
            outputs,
            (size, size),
            strides=stride,
            padding=(size - 1) // 2,
            use_bias=False,
            kernel_init=nnx.initializers.he_normal(),
            rngs=rngs,
        )
        self.normalize = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """`[B, H, W, inputs]` to `[B, H / stride, W / stride, outputs]`."""
        x = self.convolution(x)
        return self.normalize(x, use_running_average=not training).astype(x.dtype)


class Convolution(Normalized):
    """A convolution normalised by batches, and a rectifier."""

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """As of `Normalized`, not negative."""
        return jax.nn.relu(super().__call__(x, training=training))


class Encoder(nnx.Module):
    """Maps of an image at four scales.

    Attributes:
        channels: Of the maps, the finest first.
    """

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters.

        Args:
            width: Channels of the finest map.
            rngs: Where parameters come from.
        """
        self.channels = tuple(width * 2**stage for stage in range(STAGES + 1))
        self.stem = Convolution(3, width, size=4, stride=2, rngs=rngs)
        self.halve = nnx.List(
            Convolution(wide // 2, wide, stride=2, rngs=rngs) for wide in self.channels[1:]
        )
        self.refine = nnx.List(Convolution(wide, wide, rngs=rngs) for wide in self.channels[1:])

    def __call__(self, images: jax.Array, *, training: bool) -> list[jax.Array]:
        """Maps of images.

        Args:
            images: `[B, H, W, C]` in [0, 1].
            training: Whether the batch's own statistics normalise.

        Returns:
            Maps `[B, h, w, c]`, the finest first, each half as high and wide as the one before.
        """
        maps = [self.stem(gray_to_rgb(images) - 0.5, training=training)]
        for halve, refine in zip(self.halve, self.refine, strict=True):
            x = halve(maps[-1], training=training)
            maps.append(x + refine(x, training=training))
        return maps


@network("quality_cnn", kind="no_reference", paper=PAPER)
class QualityCNN(nnx.Module):
    """Quality of an image alone."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        width: int = 16,
        hidden: int = 128,
        dropout: float = 0.1,
        head: Head = "score",
        types: int = 0,
        bins: int = 10,
        saliency: Saliency = "spectral_residual",
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            width: Channels of the finest map.
            hidden: Length of the vectors between the two layers of heads.
            dropout: Of these vectors.
            head: What is said of quality, see `jiqa.networks.heads`.
            types: How many kinds of distortions to tell apart, with their level; 0 for none.
            bins: Of the head "distribution".
            saliency: The function of `jiqa.core.saliency` for the head "attention".

        Raises:
            ValueError: No such head.
        """
        check_choice("head", head, HEADS)
        self.encoder = Encoder(width, rngs=rngs)
        described = 2 * sum(self.encoder.channels)
        shared: dict[str, Any] = {"dropout": dropout, "rngs": rngs}
        self.saliency = saliency if head == "attention" else None
        self.thumbnail_encoder = Encoder(width, rngs=rngs) if head == "content" else None
        extra = {"content": {"content": self.encoder.channels[-1]}, "distribution": {"bins": bins}}
        inputs = self.encoder.channels[-1] if head == "attention" else described
        self.head = HEADS[head](inputs, hidden, **shared, **extra.get(head, {}))
        self.tasks = DistortionHead(described, hidden, types, **shared) if types else None

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]`, "features" `[B, F]`, what the head adds and, if types are known,
            "distortion" `[B, types]` and "level" `[B]`.

        Raises:
            ValueError: Images are too small.
        """
        known = self.encode(distorted, rngs=rngs)
        return {**self.judge(known, rngs=rngs), "features": known["features"]}

    def encode(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> dict[str, jax.Array]:
        """All that heads ask for: "features" and, by head, "content", "local" and "saliency"."""
        check_least_side("quality_cnn", distorted.shape, LEAST_SIDE)
        maps = self.encoder(distorted, training=rngs is not None)
        known = {"features": describe(maps)}
        if self.thumbnail_encoder is not None:
            thumbnails = imresize(distorted, THUMBNAIL, "bilinear")
            seen = self.thumbnail_encoder(thumbnails, training=rngs is not None)
            known["content"] = seen[-1].mean((1, 2))
        if self.saliency is not None:
            known["local"] = maps[-1]
            known["saliency"] = getattr(saliency_maps, self.saliency)(distorted)
        return known

    def judge(self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None) -> Prediction:
        """What the heads say of what `encode` found."""
        prediction = self.head(known, rngs=rngs)
        return prediction | self.tasks(known, rngs=rngs) if self.tasks else prediction


@network("quality_siamese", kind="full_reference", paper=PAPER)
class QualitySiamese(nnx.Module):
    """Quality of an image beside its reference."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        width: int = 16,
        hidden: int = 128,
        dropout: float = 0.1,
        types: int = 0,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            width: Channels of the finest map.
            hidden: Length of the vectors between the two layers that choose weights.
            dropout: Of these vectors.
            types: How many kinds of distortions to tell apart, with their level; 0 for none.
        """
        self.encoder = Encoder(width, rngs=rngs)
        channels = sum(self.encoder.channels)
        shared: dict[str, Any] = {"dropout": dropout, "rngs": rngs}
        self.weigh = Perceptron(5 * channels, hidden, channels, **shared)
        self.tasks = DistortionHead(5 * channels, hidden, types, **shared) if types else None

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Quality of distorted images.

        Args:
            reference: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            distorted: The same shape.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]` in [0, 1], "features" `[B, F]` and, if types are known, "distortion"
            `[B, types]` and "level" `[B]`.

        Raises:
            ValueError: Images are too small.
        """
        known = self.encode(reference, distorted, rngs=rngs)
        return {**self.judge(known, rngs=rngs), "features": known["features"]}

    def encode(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> dict[str, jax.Array]:
        """Describes both images and their difference: "features", and the "difference" alone."""
        check_least_side("quality_siamese", distorted.shape, LEAST_SIDE)
        both = self.encoder(jnp.concatenate([reference, distorted]), training=rngs is not None)
        halves = [jnp.split(x, 2) for x in both]
        of_reference, of_distorted = ([pair[side] for pair in halves] for side in (0, 1))
        difference = jnp.concatenate([jnp.abs(a - b).mean((1, 2)) for a, b in halves], -1)
        features = [describe(of_reference), describe(of_distorted), difference]
        return {"features": jnp.concatenate(features, -1), "difference": difference}

    def judge(self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None) -> Prediction:
        """What the head says of what `encode` found."""
        weights = jax.nn.softplus(self.weigh(known["features"], rngs=rngs))
        distance = (weights * known["difference"]).mean(-1)
        prediction = {"score": jnp.exp(-distance)}
        return prediction | self.tasks(known, rngs=rngs) if self.tasks else prediction


def describe(maps: list[jax.Array]) -> jax.Array:
    """Mean and deviation over places of every channel.

    Args:
        maps: `[B, h, w, c]`, of any sizes.

    Returns:
        `[B, F]`, F twice the channels of all maps.

    >>> describe([jnp.ones((2, 4, 4, 3)), jnp.ones((2, 2, 2, 6))]).shape
    (2, 18)
    """
    means = [x.mean((1, 2)) for x in maps]
    deviations = [safe_sqrt(x.var((1, 2))) for x in maps]
    return jnp.concatenate([*means, *deviations], -1)
