"""Deep visual attention: a network that predicts where people look.

Wang and Shen, "Deep visual attention prediction", IEEE Transactions on Image Processing 27(5),
2018. VGG16 describes an image at three depths. From each depth a decoder of its own leads back to
the size of the image, doubling the map step by step, to a first prediction; a last convolution
joins the three. All four predictions are trained to be the map of fixations.

Layers, widths and initial values are those of the authors' Caffe files. They extend the image by
35 zeros on each side, so that every decoder's result can be cut to its size; here, sides are
extended to multiples of 16 by replicating the border, and each transposed convolution doubles its
map exactly. Images are normalised as VGG16 was trained.

    gaze = saliency(Model.load("dva.safetensors"))
    jiqa.salient_region("ssim", saliency=gaze)(reference, distorted)

The saliency weighs other metrics; it says nothing of quality itself.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.filters import pad_to_multiple
from jiqa.networks.network import Model, Prediction, network
from jiqa.networks.pretrained import Trunk

PAPER = 'Wang and Shen, "Deep visual attention prediction", IEEE TIP 27(5), 2018'
DEPTHS = {  # features of VGG16, and the channels of the decoder that begins with them
    "relu5_3": (512, 512, 256, 128, 64),
    "relu4_3": (512, 256, 128, 64),
    "relu3_3": (256, 128, 64),
}
MULTIPLE = 16  # of the sides of images that VGG16 can halve up to its last convolutions
DEVIATION, BIAS = 0.01, 0.1  # of the initial parameters of decoders


@network("dva", kind="no_reference", paper=PAPER)
class DeepVisualAttention(nnx.Module):
    """A trunk, three decoders and their fusion."""

    def __init__(self, *, rngs: nnx.Rngs, narrow: int = 1) -> None:
        """Random parameters; `jiqa.networks.pretrained.use_pretrained` puts VGG16's in the trunk.

        Args:
            rngs: Where they come from.
            narrow: By what the number of channels of all layers is divided.
        """
        self.trunk = Trunk("vgg16", narrow=narrow, rngs=rngs)
        # Kernels of fewer channels are larger, so that sums over channels vary as much.
        initial: dict[str, Any] = {
            "kernel_init": nnx.initializers.normal(DEVIATION * narrow**0.5),
            "bias_init": nnx.initializers.constant(BIAS),
            "rngs": rngs,
        }
        self.decoders = nnx.List(
            Decoder([width // narrow for width in widths], initial) for widths in DEPTHS.values()
        )
        self.fuse = nnx.Conv(len(DEPTHS), 1, (3, 3), **initial)

    def __call__(
        self,
        distorted: jax.Array,
        *,
        rngs: nnx.Rngs | None = None,  # noqa: ARG002 (nothing is random)
    ) -> Prediction:
        """Where people look.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], distorted or not.
            rngs: Not used.

        Returns:
            "map" `[B, H, W]` from 0 to 1, and as "score" `[B]` its mean, which is no quality.
        """
        saliency = jax.nn.sigmoid(self.predict(distorted)[..., -1])
        return {"score": saliency.mean((1, 2)), "map": saliency}

    def predict(self, images: jax.Array) -> jax.Array:
        """All predictions before the sigmoid: of each depth, the deepest first, and fused.

        Args:
            images: `[B, H, W, C]` in [0, 1].

        Returns:
            `[B, H, W, 4]`.
        """
        height, width = images.shape[1:3]
        extended = pad_to_multiple(images, MULTIPLE, "replicate")
        features = self.trunk(self.trunk.normalize(extended), tuple(DEPTHS))
        sides = jnp.concatenate(
            [
                decode(features[depth])[:, :height, :width]
                for depth, decode in zip(DEPTHS, self.decoders, strict=True)
            ],
            -1,
        )
        return jnp.concatenate([sides, self.fuse(sides)], -1)


class Decoder(nnx.Module):
    """Transposed convolutions that double a map, and one map of the last."""

    def __init__(self, widths: Sequence[int], initial: dict[str, Any]) -> None:
        """Random parameters.

        Args:
            widths: Channels of the features and of each doubled map.
            initial: Options of all layers.
        """
        self.double = nnx.List(
            nnx.ConvTranspose(before, after, (4, 4), strides=(2, 2), **initial)
            for before, after in itertools.pairwise(widths)
        )
        self.last = nnx.Conv(widths[-1], 1, (3, 3), **initial)

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[B, h, w, C]` to `[B, 2^n h, 2^n w, 1]`."""
        for double in self.double:
            x = jax.nn.relu(double(x))
        return self.last(x)


def saliency(model: Model) -> Callable[[jax.Array], jax.Array]:
    """A model as a function that `jiqa.salient_region` takes.

    Args:
        model: Of this network.

    Returns:
        A function of images `[..., H, W, C]` in [0, 1] that gives `[..., H, W]` from 0 to 1.

    >>> find = saliency(Model.create("dva", narrow=32))
    >>> find(jnp.zeros((20, 30, 3))).shape
    (20, 30)
    """

    def find(images: jax.Array) -> jax.Array:
        batch = images.reshape(-1, *images.shape[-3:])
        return model(batch)["map"].reshape(images.shape[:-1])

    return find
