"""DIQA: a network that first learns to draw the map of errors, then to score what it sees.

Kim, Nguyen and Lee, "Deep CNN-based blind image quality predictor", IEEE Transactions on Neural
Networks and Learning Systems 30(1), 2019. An image less its low frequencies goes through eight
convolutions. From their features one more draws the error map, as it would be with a reference,
and two fully connected layers make the score. The error counts where it is reliable: in flat parts
of an image distortions hardly show in what is left of it.

Where the paper leaves it open, this follows the only public code that has both stages (the notebook
of the package `image-quality`): images are on 0 to 255, the reliability saturates by 0.2, and its
mean is 1. Our decisions: the low-pass filter has 15 taps, an odd number, so that it does not shift
images by half a pixel, and resizing follows MATLAB. The score's layers are also given two numbers
that describe the image, the mean of the reliability and the deviation of the low frequencies; the
latter is divided by 255, so that both are from 0 to 1.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_power
from jiqa.core.color import luma
from jiqa.core.filters import correlate_separable, gaussian_window, imresize
from jiqa.networks.heads import Perceptron
from jiqa.networks.layers import Conv
from jiqa.networks.network import Prediction, network

PAPER = 'Kim, Nguyen and Lee, "Deep CNN-based blind image quality predictor", IEEE TNNLS 30(1), '
PAPER += "2019"
LEVELS = 255.0
LOW_PASS = gaussian_window(15, 7 / 6)
REDUCTION = 0.25  # of the error map
EXPONENT = 0.2  # of errors, so that small ones count
WIDTHS = (48, 48, 64, 64, 64, 64, 128, 128)
STRIDES = (1, 2, 1, 2, 1, 1, 1, 1)


@network("diqa", kind="no_reference", paper=PAPER)
class DIQA(nnx.Module):
    """Eight convolutions, an error map and a score."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        alpha: float = 0.2,
        widths: Sequence[int] = WIDTHS,
        hidden: int = 128,
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            alpha: How fast the reliability saturates, for images of 0 to 255.
            widths: Channels of the eight convolutions.
            hidden: Numbers between the two fully connected layers.

        Raises:
            ValueError: Widths of other than eight convolutions.
        """
        if len(widths) != len(STRIDES):
            raise ValueError(f"widths={tuple(widths)}: give {len(STRIDES)} of them.")
        self.alpha = alpha
        self.convolutions = nnx.List(
            Conv(before, after, (3, 3), strides=stride, rngs=rngs)
            for before, after, stride in zip((1, *widths), widths, STRIDES, strict=False)
        )
        self.draw = Conv(widths[-1], 1, (1, 1), rngs=rngs)
        self.judge = Perceptron(widths[-1] + 2, hidden, 1, rngs=rngs)

    def __call__(
        self,
        distorted: jax.Array,
        *,
        rngs: nnx.Rngs | None = None,  # noqa: ARG002 (nothing is random)
    ) -> Prediction:
        """Scores and error maps of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1].
            rngs: Not used.

        Returns:
            "score" `[B]`, "map" `[B, ceil(H / 4), ceil(W / 4)]`, the predicted error, and
            "features" `[B, F]`.
        """
        low, high = split_bands(distorted)
        x = high
        for convolution in self.convolutions:
            x = jax.nn.relu(convolution(x))
        handcrafted = [
            saturate(high, self.alpha).mean((1, 2)),
            pooling.standard_deviation(low) / LEVELS,
        ]
        features = jnp.concatenate([x.mean((1, 2)), *handcrafted], -1)
        return {
            "score": self.judge(features)[:, 0],
            "map": self.draw(x)[..., 0],
            "features": features,
        }

    def reliability(self, distorted: jax.Array) -> jax.Array:
        """How much each place of the error map counts, with a mean of about 1.

        Args:
            distorted: `[B, H, W, C]` in [0, 1].

        Returns:
            `[B, ceil(H / 4), ceil(W / 4)]`; 0 for constant images.
        """
        _, high = split_bands(distorted)
        saturated = saturate(high, self.alpha)
        relative = safe_divide(saturated, saturated.mean((1, 2, 3), keepdims=True))
        return imresize(relative, REDUCTION)[..., 0]


def split_bands(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Luma of 0 to 255 as its low frequencies and the rest.

    Args:
        images: `[..., H, W, C]` in [0, 1].

    Returns:
        Low and high frequencies `[..., H, W, 1]`, whose sum is the luma.

    >>> low, high = split_bands(jnp.ones((1, 9, 7, 3)))
    >>> low.shape, bool(jnp.abs(high).max() < 1e-3)
    ((1, 9, 7, 1), True)
    """
    gray = LEVELS * luma(images, "bt601")
    blurred = correlate_separable(gray, LOW_PASS, border="replicate")
    low = imresize(imresize(blurred, REDUCTION), (gray.shape[-3], gray.shape[-2]))
    return low, gray - low


def error_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """The error that the network learns to draw: |difference of high frequencies|^0.2.

    Args:
        reference: `[..., H, W, C]` in [0, 1].
        distorted: The same shape.

    Returns:
        `[..., ceil(H / 4), ceil(W / 4)]`.

    >>> print(error_map(jnp.ones((1, 8, 9, 3)), jnp.ones((1, 8, 9, 3))).max())
    0.0
    """
    error = jnp.abs(split_bands(reference)[1] - split_bands(distorted)[1])
    return imresize(safe_power(error, EXPONENT), REDUCTION)[..., 0]


def saturate(high: jax.Array, alpha: float) -> jax.Array:
    """The reliability `2 / (1 + exp(-alpha |x|)) - 1` of high frequencies, from 0 to 1.

    >>> print(saturate(jnp.array([0.0, -1000.0]), 0.2))
    [0. 1.]
    """
    return jnp.tanh(alpha / 2 * jnp.abs(high))
