"""S-CNN: a small network that tells synthetic distortions and their levels apart.

Zhang, Ma, Yan, Deng and Wang, "Blind image quality assessment using a deep bilinear convolutional
neural network", IEEE TCSVT 30(1), 2020: one of the two halves of their DB-CNN, trained on synthetic
distortions alone. Nine convolutions of 3 x 3 pixels halve the image four times, the mean of their
128 maps goes through two layers, and a linear layer tells 39 classes apart: five levels of seven
distortions, and two levels of over- and underexposure.

After the authors' PyTorch code, of which parameters are public with and without batch normalisation
of the convolutions. Images there have 224 x 224 pixels; the mean of the maps takes any size. The
order of the classes is nowhere written down. It was found by showing the public network images with
each of the authors' distortions, of which it names nearly all.

Their network gives no score. Ours is one less the severity that is expected: how far the level of
each class is up its distortion's scale, weighted by the probabilities of the classes.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones.backbone import imagenet_normalize
from jiqa.networks.layers import Conv
from jiqa.networks.network import Prediction, network

PAPER = "Zhang, Ma, Yan, Deng and Wang, "
PAPER += '"Blind image quality assessment using a deep bilinear convolutional neural network", '
PAPER += "IEEE TCSVT 30(1), 2020"
LEVELS = {
    "gaussian_blur": 5,
    "color_quantization": 5,
    "overexposure": 2,
    "underexposure": 2,
    "white_noise": 5,
    "jpeg": 5,
    "jpeg2000": 5,
    "contrast": 5,
    "pink_noise": 5,
}
CHANNELS = (48, 48, 64, 64, 64, 64, 128, 128, 128)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 2)
PROJECTED = 256


class Convolution(nnx.Module):
    """A convolution, batch normalisation where there is any, and a rectifier."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int,
        stride: int = 1,
        normalized: bool,
        rngs: nnx.Rngs,
    ) -> None:
        """Random parameters; the kernel has `size` x `size` pixels."""
        self.convolution = Conv(
            inputs,
            outputs,
            (size, size),
            strides=stride,
            padding=size // 2,
            kernel_init=nnx.initializers.he_normal(),
            rngs=rngs,
        )
        self.normalize = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs) if normalized else None

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """`[B, H, W, inputs]` to `[B, H / stride, W / stride, outputs]`."""
        x = self.convolution(x)
        if self.normalize is not None:
            x = self.normalize(x, use_running_average=not training)
        return jax.nn.relu(x)


@network("scnn", kind="no_reference", paper=PAPER)
class SCNN(nnx.Module):
    """Nine convolutions, two layers and a classifier of distortions and levels."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        normalized: bool = True,
        levels: tuple[int, ...] = tuple(LEVELS.values()),
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            normalized: Whether batches normalise the nine convolutions; the two layers after them
                always have it.
            levels: Of each distortion. Classes are in the order of distortions and their levels,
                the mildest first; by default those of `LEVELS`.
        """
        self.levels = tuple(levels)
        steps = zip(itertools.pairwise((3, *CHANNELS)), STRIDES, strict=True)
        self.features = nnx.List(
            Convolution(before, after, size=3, stride=stride, normalized=normalized, rngs=rngs)
            for (before, after), stride in steps
        )
        self.projection = nnx.List(
            Convolution(before, PROJECTED, size=1, normalized=True, rngs=rngs)
            for before in (CHANNELS[-1], PROJECTED)
        )
        self.classifier = nnx.Linear(PROJECTED, sum(levels), rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Classes of images.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1].
            rngs: Given in training, in which batches are normalised by themselves.

        Returns:
            "score" `[B]`, 1 less "severity" `[B]`, which is up to 1 for the worst; "classes"
            `[B, K]`, logits of distortions and levels; "distortion" `[B, T]`, logits of
            distortions; "features" `[B, 128]`.
        """
        features = self.maps(distorted, rngs=rngs).mean((1, 2))
        x = features[:, None, None]
        for layer in self.projection:
            x = layer(x, training=rngs is not None)
        classes = self.classifier(x[:, 0, 0])
        severity = jax.nn.softmax(classes) @ jnp.asarray(severities(self.levels), classes.dtype)
        return {
            "score": 1 - severity,
            "severity": severity,
            "classes": classes,
            "distortion": _of_distortions(classes, self.levels),
            "features": features,
        }

    def maps(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """Maps of the last convolution, `[B, H / 16, W / 16, 128]`, which DB-CNN builds on."""
        x = imagenet_normalize(gray_to_rgb(distorted))
        for layer in self.features:
            x = layer(x, training=rngs is not None)
        return x


def severities(levels: tuple[int, ...]) -> np.ndarray:
    """How far up the scale of its distortion each class is.

    >>> print(severities((2, 4)))
    [0.5  1.   0.25 0.5  0.75 1.  ]
    """
    return np.concatenate([np.arange(1, count + 1) / count for count in levels])


def _of_distortions(classes: jax.Array, levels: tuple[int, ...]) -> jax.Array:
    """Logits of distortions, whatever the level."""
    ends = np.cumsum(levels)[:-1].tolist()
    parts = jnp.split(classes, ends, axis=-1)
    return jnp.stack([jax.nn.logsumexp(part, axis=-1) for part in parts], -1)
