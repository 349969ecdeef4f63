"""A plain Siamese network, to compare others with.

Koch, Zemel and Salakhutdinov, "Siamese neural networks for one-shot image recognition", ICML Deep
Learning Workshop, 2015: one encoder with the same parameters sees both images, what it finds in
them is compared, and a logistic function of weighted comparisons is the result. So it is here, but
what is predicted is not whether both show the same letter, but how good the distorted image is.

The encoder is ours: four convolutions that halve the image, normalised by batches of both images
together. It is compared place by place, and the mean taken over places, so that nothing depends on
the size of images. Three ways to compare: "difference", the absolute differences of features, as in
the paper; "concatenation", the features of both images and their difference, as in DIQaM; "cosine",
the cosine of the angle between the vectors of features.
"""

import itertools
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.color import gray_to_rgb
from jiqa.core.filters import check_least_side
from jiqa.networks.convolutional import Convolution
from jiqa.networks.network import Prediction, check_choice, network

PAPER = "Koch, Zemel and Salakhutdinov, "
PAPER += (
    '"Siamese neural networks for one-shot image recognition", ICML Deep Learning Workshop, 2015'
)
LEAST_SIDE = 16  # pixels, of which the last map has 1
GROWTH = (1, 2, 4, 8)  # of channels, layer by layer

Comparison = Literal["difference", "concatenation", "cosine"]


@network("siamese", kind="full_reference", paper=PAPER)
class Siamese(nnx.Module):
    """One encoder for both images, a comparison, and a logistic function of it."""

    def __init__(
        self, *, rngs: nnx.Rngs, comparison: Comparison = "difference", width: int = 32
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            comparison: See above.
            width: Channels of the first convolution.

        Raises:
            ValueError: No such comparison.
        """
        check_choice("comparison", comparison, COMPARISONS)
        self.comparison = comparison
        channels = (3, *(width * growth for growth in GROWTH))
        self.encoder = nnx.List(
            Convolution(before, after, stride=2, rngs=rngs)
            for before, after in itertools.pairwise(channels)
        )
        last = channels[-1]
        compared = {"difference": last, "concatenation": 3 * last, "cosine": 1}[comparison]
        self.head = nnx.Linear(compared, 1, rngs=rngs)

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Quality of distorted images.

        Args:
            reference: `[B, H, W, C]` in [0, 1], at least 16 x 16.
            distorted: The same shape.
            rngs: Given in training, in which batches are normalised by themselves.

        Returns:
            "score" `[B]` in (0, 1), "features" `[B, n]`: the comparisons.

        Raises:
            ValueError: Images are too small.
        """
        check_least_side("siamese", distorted.shape, LEAST_SIDE)
        x = gray_to_rgb(jnp.concatenate([reference, distorted]))
        for layer in self.encoder:
            x = layer(x, training=rngs is not None)
        compared = COMPARISONS[self.comparison](*jnp.split(x, 2)).mean((1, 2))
        return {"score": jax.nn.sigmoid(self.head(compared)[:, 0]), "features": compared}


def _difference(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    return jnp.abs(distorted - reference)


def _concatenation(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    return jnp.concatenate([jnp.abs(distorted - reference), distorted, reference], -1)


def _cosine(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Zero where one of the vectors is."""
    product = (reference * distorted).sum(-1, keepdims=True)
    lengths = [safe_sqrt((x**2).sum(-1, keepdims=True)) for x in (reference, distorted)]
    return safe_divide(product, lengths[0] * lengths[1])


COMPARISONS = {"difference": _difference, "concatenation": _concatenation, "cosine": _cosine}
