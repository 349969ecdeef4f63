"""Hallucinated-IQA: a reference is imagined, and the image compared with it.

After Lin and Wang, "Hallucinated-IQA: no-reference image quality assessment via adversarial
learning", CVPR 2018, of which no code is public. A generator makes, of the distorted image alone,
what its reference may have looked like. A regression network sees the distorted image beside its
difference from that, and is also given what the generator's innermost layer knows, before its last
layers ("high-level semantic fusion"). A discriminator tells real references from imagined ones in
training, except that it takes an imagined one for real if the score made with it is right; see the
config.

Our decisions: the generator is a U-Net that predicts what to add to the image, nothing at first;
the discriminator judges patches, after the PatchGAN of Isola, Zhu, Zhou and Efros, "Image-to-image
translation with conditional adversarial networks", CVPR 2017, without normalisation; the
regression network is the ResNet-18 of He, Zhang, Ren and Sun, "Deep residual learning for image
recognition", CVPR 2016, with six channels at its input.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.convolutional import Convolution, Normalized
from jiqa.networks.heads import Perceptron
from jiqa.networks.network import Prediction, network
from jiqa.networks.unet import UNet

PAPER = 'Lin and Wang, "Hallucinated-IQA: no-reference image quality assessment via adversarial '
PAPER += 'learning", CVPR 2018'
WIDTHS = (64, 128, 256, 512)
BLOCKS = 2  # of each width in the regression network
SLOPE = 0.2  # of the discriminator's rectifiers below zero


@network("hallucinated", kind="no_reference", paper=PAPER)
class HallucinatedIQA(nnx.Module):
    """A generator of references, a regression network and, for training, a discriminator."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        gan: bool = True,
        hlf: bool = True,
        widths: Sequence[int] = WIDTHS,
        discriminator_widths: Sequence[int] = WIDTHS,
        regressor_widths: Sequence[int] = WIDTHS,
        hidden: int = 512,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            gan: Whether there is a discriminator.
            hlf: Whether the regression is given the generator's innermost features.
            widths: Channels of the levels of the generator, the outermost first.
            discriminator_widths: Channels of the discriminator's convolutions.
            regressor_widths: Channels of the regression network's blocks.
            hidden: Numbers between the regression's last two layers.
        """
        self.generator = UNet(3, 3, widths=widths, rngs=rngs)
        self.discriminator = Discriminator(discriminator_widths, rngs=rngs) if gan else None
        known = widths[-1] if hlf else 0
        self.regressor = Regressor(regressor_widths, known, hidden=hidden, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores of images, and where they differ from what is imagined.

        Args:
            distorted: `[B, H, W, C]` in [0, 1].
            rngs: Given in training, when batches are normalised by their own statistics.

        Returns:
            "score" `[B]` and "map" `[B, H, W]`, the mean absolute difference of colours.
        """
        training = rngs is not None
        imagined, known = self.hallucinate(distorted, training=training)
        difference = jnp.abs(gray_to_rgb(distorted) - imagined).mean(-1)
        score = self.regressor(distorted, imagined, known, training=training)
        return {"score": score, "map": difference}

    def hallucinate(
        self, distorted: jax.Array, *, training: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """What the reference of images `[B, H, W, C]` may look like.

        Returns:
            Images `[B, H, W, 3]`, not clipped to [0, 1], and the means `[B, F]` of the generator's
            innermost maps.
        """
        images = gray_to_rgb(distorted)
        missing, innermost = self.generator(images - 0.5, training=training)
        return images + missing, innermost.mean((1, 2))


class Regressor(nnx.Module):
    """Quality of images beside their imagined references."""

    def __init__(self, widths: Sequence[int], known: int, *, hidden: int, rngs: nnx.Rngs) -> None:
        """Random parameters.

        Args:
            widths: Channels of the blocks, each of which but the first halves the map.
            known: How many features of the generator it is given; 0 for none.
            hidden: Numbers between the last two layers.
            rngs: Where parameters come from.
        """
        self.fused = known > 0
        self.stem = Convolution(6, widths[0], size=7, stride=2, rngs=rngs)
        self.blocks: nnx.List[Residual] = nnx.List()
        before = widths[0]
        for stage, width in enumerate(widths):
            for number in range(BLOCKS):
                stride = 2 if stage and not number else 1
                self.blocks.append(Residual(before, width, stride=stride, rngs=rngs))
                before = width
        self.judge = Perceptron(before + known, hidden, 1, rngs=rngs)

    def __call__(
        self,
        distorted: jax.Array,
        imagined: jax.Array,
        known: jax.Array,
        *,
        training: bool = False,
    ) -> jax.Array:
        """Scores `[B]`.

        Args:
            distorted: `[B, H, W, C]` in [0, 1].
            imagined: `[B, H, W, 3]`.
            known: Features of the generator, `[B, F]`.
            training: Whether the batch's own statistics normalise.
        """
        features = self.compare(distorted, imagined, training=training)
        features = jnp.concatenate([features, known], -1) if self.fused else features
        return self.judge(features)[:, 0]

    def compare(
        self, distorted: jax.Array, imagined: jax.Array, *, training: bool = False
    ) -> jax.Array:
        """Features `[B, F]` of images and of how they differ from references."""
        images = gray_to_rgb(distorted)
        x = jnp.concatenate([images - 0.5, jnp.abs(images - imagined)], -1)
        x = self.stem(x, training=training)
        x = max_pool(x, size=3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x, training=training)
        return x.mean((1, 2))


class Residual(nnx.Module):
    """Two convolutions of 3 x 3 pixels and a way past them."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.first = Convolution(inputs, outputs, stride=stride, rngs=rngs)
        self.second = Normalized(outputs, outputs, rngs=rngs)
        same = (inputs, stride) == (outputs, 1)
        self.past = None if same else Normalized(inputs, outputs, size=1, stride=stride, rngs=rngs)

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """`[B, H, W, inputs]` to `[B, H / stride, W / stride, outputs]`."""
        y = self.second(self.first(x, training=training), training=training)
        return jax.nn.relu(y + (self.past(x, training=training) if self.past else x))


class Discriminator(nnx.Module):
    """Tells, patch by patch, whether images are real."""

    def __init__(self, widths: Sequence[int], *, rngs: nnx.Rngs) -> None:
        """Random parameters; all convolutions but the last of `widths` halve the map."""
        strides = [2] * (len(widths) - 1) + [1]
        self.convolutions = nnx.List(
            nnx.Conv(before, after, (4, 4), strides=stride, rngs=rngs)
            for before, after, stride in zip((3, *widths), widths, strides, strict=False)
        )
        self.last = nnx.Conv(widths[-1], 1, (4, 4), rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits `[B, h, w, 1]` of images `[B, H, W, C]`, high where they look real."""
        x = gray_to_rgb(images)
        for convolution in self.convolutions:
            x = jax.nn.leaky_relu(convolution(x), SLOPE)
        return self.last(x)
