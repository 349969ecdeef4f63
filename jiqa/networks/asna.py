"""ASNA: differences of a shared encoder on the way up a decoder, and attention.

Ayyoubzadeh and Royat, "(ASNA) An attention-based Siamese-difference neural network with surrogate
ranking loss function for perceptual image quality assessment", CVPR Workshops 2021, after the
authors' TensorFlow code. One encoder sees both images. The decoder starts from the distorted image
alone, and at each scale is given the absolute difference of the encoder's maps. What comes out is
brought down to an eighth of the size, weighted by attention, refined by residual blocks, and made a
score by fully connected layers, which tie the network to patches of 288 x 288 pixels. That of a
larger image is the mean of its patches.

Of the authors' networks these are "attention"; "bn", which has neither attention nor residual
blocks; and "simple", which has no batch normalisation either. Their ensembles and their recurrent
network of tiles are not here. Red, green and blue have this order, not the reverse. Both images are
normalised by the batch of both; there each is by its own.

Its attention is said to follow Wang and Shen, "Deep visual attention prediction", IEEE TIP 27(5),
2018, which predicts where people look. The code has gates learned from the features: that is
attention="gate". With attention="dva_map" a map of where people look takes the place of the gate of
places; if none is given, that of `jiqa.core.saliency.spectral_residual` of the reference.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.color import gray_to_rgb
from jiqa.core.filters import imresize
from jiqa.core.saliency import spectral_residual
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.layers import Conv
from jiqa.networks.network import Prediction, check_choice, network
from jiqa.networks.patches import as_patches, merge_batch

PAPER = "Ayyoubzadeh and Royat, "
PAPER += '"(ASNA) An attention-based Siamese-difference neural network with surrogate ranking loss '
PAPER += 'function for perceptual image quality assessment", CVPR Workshops 2021'
SLOPE = 0.5  # of rectifiers below zero; up to 0.7 in some of the authors' simple networks
HIDDEN = 32  # numbers between the fully connected layers
ATTENDED = 8  # channels
RESIDUAL_BLOCKS = 3

Variant = Literal["attention", "bn", "simple"]
Attention = Literal["gate", "dva_map"]


class Convolution(nnx.Module):
    """A convolution, a leaky rectifier and then, where there is any, batch normalisation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 3,
        stride: int = 1,
        normalized: bool,
        rngs: nnx.Rngs,
    ) -> None:
        """Random parameters; the kernel has `size` x `size` pixels."""
        self.convolution = Conv(inputs, outputs, (size, size), strides=stride, rngs=rngs)
        self.normalize = _normalization(outputs, rngs) if normalized else None

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """`[N, H, W, inputs]` to `[N, H / stride, W / stride, outputs]`."""
        x = jax.nn.leaky_relu(self.convolution(x), SLOPE)
        return x if self.normalize is None else self.normalize(x, use_running_average=not training)


class Encoder(nnx.Module):
    """Maps at four scales, each half the size of the one before."""

    def __init__(self, *, normalized: bool, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.stem = Conv(3, 3, (5, 5), rngs=rngs)
        self.layers = nnx.List(
            Convolution(before, after, size=size, normalized=normalized, rngs=rngs)
            for before, after, size in ((3, 8, 5), (8, 16, 5), (16, 32, 3), (32, 64, 3))
        )

    def __call__(self, images: jax.Array, *, training: bool) -> list[jax.Array]:
        """Maps of images `[N, H, W, 3]`, the finest first."""
        x = self.stem(images)
        maps = []
        for number, layer in enumerate(self.layers):
            x = layer(max_pool(x, size=2, stride=2) if number else x, training=training)
            maps.append(x)
        return maps


class Gate(nnx.Module):
    """How much each value counts: two layers of 1 x 1 pixels and a logistic function."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.first = Conv(channels, channels, (1, 1), rngs=rngs)
        self.second = Conv(channels, channels, (1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[N, h, w, channels]` to the same shape, in (0, 1)."""
        return jax.nn.sigmoid(self.second(jax.nn.relu(self.first(x))))


class AttentionBlock(nnx.Module):
    """Features, weighted by channel and by place, beside what they were made of."""

    def __init__(self, inputs: int, *, attention: Attention, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.first = Conv(inputs, ATTENDED, (3, 3), rngs=rngs)
        self.normalize = _normalization(ATTENDED, rngs)
        self.second = Conv(ATTENDED, ATTENDED, (3, 3), rngs=rngs)
        self.of_channels = Gate(ATTENDED, rngs=rngs)
        if attention == "gate":
            self.of_places = Gate(ATTENDED, rngs=rngs)
        self.join = Conv(inputs + 2 * ATTENDED, ATTENDED, (1, 1), rngs=rngs)

    def __call__(self, x: jax.Array, saliency: jax.Array | None, *, training: bool) -> jax.Array:
        """Attended features.

        Args:
            x: `[N, h, w, inputs]`.
            saliency: `[N, H, W, 1]` where a map takes the place of the gate of places.
            training: Whether the batch's own statistics normalise.

        Returns:
            `[N, h, w, 8]`.
        """
        y = self.normalize(jax.nn.relu(self.first(x)), use_running_average=not training)
        y = self.second(y)
        by_channel = y * self.of_channels(y.mean((1, 2), keepdims=True))
        if saliency is None:
            gate = self.of_places(y)
        else:
            gate = imresize(saliency, (y.shape[1], y.shape[2]), "bilinear")
        return self.join(jnp.concatenate([x, by_channel, y * gate], -1))


class ResidualBlock(nnx.Module):
    """Two convolutions whose result is added."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.first = Conv(channels, channels, (3, 3), rngs=rngs)
        self.second = Conv(channels, channels, (3, 3), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The same shape."""
        return x + self.second(jax.nn.relu(self.first(x)))


@network("asna", kind="full_reference", paper=PAPER)
class ASNA(nnx.Module):
    """A shared encoder, a decoder of differences, attention, fully connected layers."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        variant: Variant = "attention",
        attention: Attention = "gate",
        side: int = 288,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            variant: Which of the authors' networks.
            attention: Of the first of them; see above.
            side: Pixels along each side of a patch, a multiple of 16.

        Raises:
            ValueError: No such variant, attention or side.
        """
        check_choice("variant", variant, get_args(Variant))
        check_choice("attention", attention, get_args(Attention))
        if attention == "dva_map" and variant != "attention":
            raise ValueError(f"variant={variant!r} has no attention; leave attention out.")
        if side < 16 or side % 16:
            raise ValueError(f"side={side}; give a multiple of 16.")
        self.side, self.variant, self.attention = side, variant, attention
        attends = variant == "attention"
        normalized = variant != "simple"
        self.encoder = Encoder(normalized=normalized, rngs=rngs)
        self.decoder = nnx.List(
            Convolution(before, after, normalized=normalized, rngs=rngs)
            for before, after in ((64, 64), (128, 64), (96, 32), (48, 16))
        )
        between = 32 if attends else 8
        self.reduce = nnx.List(
            Convolution(before, after, stride=stride, normalized=attends, rngs=rngs)
            for before, after, stride in ((24, between, 4), (between, 32, 2))
        )
        channels = 32
        if attends:
            channels = ATTENDED
            self.attend = AttentionBlock(32, attention=attention, rngs=rngs)
            blocks = (ResidualBlock(ATTENDED, rngs=rngs) for _ in range(RESIDUAL_BLOCKS))
            self.residual = nnx.List(blocks)
        self.head = nnx.List(
            nnx.Linear(before, after, rngs=rngs)
            for before, after in ((channels * (side // 8) ** 2, HIDDEN), (HIDDEN, 1), (1, 1))
        )

    def __call__(
        self,
        reference: jax.Array,
        distorted: jax.Array,
        *,
        saliency: jax.Array | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Prediction:
        """Scores of distorted images and of their patches.

        Args:
            reference: Images `[B, H, W, C]` in [0, 1], at least `side` x `side`, or patches of them
                `[B, P, side, side, C]`.
            distorted: The same shape.
            saliency: Where people look, `[B, H, W]`, or `[B, P, side, side]` for patches, 0 to 1;
                for attention="dva_map" alone.
            rngs: Given in training, in which batches are normalised by themselves.

        Returns:
            "score" `[B]`, "patches" `[B, P]`.

        Raises:
            ValueError: Images are smaller than a patch, or saliency is given to another attention.
        """
        if self.attention == "gate" and saliency is not None:
            raise ValueError("saliency is for attention='dva_map'; this network learns its own.")
        if self.attention == "dva_map" and saliency is None:
            saliency = spectral_residual(reference)
        pair = [as_patches(gray_to_rgb(images), self.side) for images in (reference, distorted)]
        x = self._compare(*[merge_batch(patches) for patches in pair], training=rngs is not None)
        if self.variant == "attention":
            if saliency is not None:
                saliency = merge_batch(as_patches(saliency[..., None], self.side))
            x = self._attend(x, saliency, training=rngs is not None)
        first, second, third = self.head
        x = second(jax.nn.relu(first(x.reshape(len(x), -1))))
        x = jnp.tanh(x) if self.variant == "attention" else jax.nn.sigmoid(x)
        patches = third(x).reshape(pair[0].shape[:2])
        return {"score": patches.mean(1), "patches": patches}

    def _compare(self, reference: jax.Array, distorted: jax.Array, *, training: bool) -> jax.Array:
        """Differences at all scales, `[N, side / 8, side / 8, 32]`, of `[N, side, side, 3]`."""
        maps = self.encoder(2 * jnp.concatenate([reference, distorted]) - 1, training=training)
        pairs = [jnp.split(both, 2) for both in maps]
        x = max_pool(pairs[-1][1], size=2, stride=2)
        for layer, (of_reference, of_distorted) in zip(self.decoder, reversed(pairs), strict=True):
            x = _double(layer(x, training=training))
            x = jnp.concatenate([x, jnp.abs(of_reference - of_distorted)], -1)
        for layer in self.reduce:
            x = layer(x, training=training)
        return x

    def _attend(self, x: jax.Array, saliency: jax.Array | None, *, training: bool) -> jax.Array:
        """`[N, h, w, 32]` to `[N, h, w, 8]`."""
        x = self.attend(x, saliency, training=training)
        for block in self.residual:
            x = block(x)
        return x


def _normalization(channels: int, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalisation with TensorFlow's constants."""
    return nnx.BatchNorm(channels, momentum=0.99, epsilon=1e-3, rngs=rngs)


def _double(x: jax.Array) -> jax.Array:
    """Maps of twice the size, each value in four places."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
