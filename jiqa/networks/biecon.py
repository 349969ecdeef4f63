"""BIECON: a network that first learns to guess a full-reference metric, patch by patch.

Kim and Lee, "Fully deep blind image quality predictor", IEEE Journal of Selected Topics in Signal
Processing 11(1), 2017. Patches of 32 x 32 pixels of the locally normalised luma go through two
convolutions and four fully connected layers to 128 features each. Trained first, a local head says
of each patch what a metric would say that knows the reference; trained second, a head for whole
images makes the score of the features of all patches, pooled.

Sizes, normalisation and the choice of patches are those of the authors' code: a fifth of an image's
patches, those with the least deviation of luma, does not count. The paper pools by mean and
deviation, which is the default; the authors' code pools by the mean alone.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.core import pooling
from jiqa.core.color import luma
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.cnniqa import normalize_contrast
from jiqa.networks.heads import Perceptron
from jiqa.networks.layers import Conv
from jiqa.networks.network import Prediction, network
from jiqa.networks.patches import as_patches, merge_batch

PAPER = 'Kim and Lee, "Fully deep blind image quality predictor", IEEE JSTSP 11(1), 2017'
PATCH = 32  # pixels along each side
WINDOW = np.array([1, 4, 6, 4, 1]) / 16  # of the local mean and deviation
SATURATION = 127 / 255  # added to the deviation
GAIN = 2 / 3  # of the normalised image
HIDDEN = 128  # numbers between the two layers of a head
MIDDLE = 0.5  # of scores from 0 to 1: where they begin


@network("biecon", kind="no_reference", paper=PAPER)
class BIECON(nnx.Module):
    """Features of patches, a head for each patch and one for all together."""

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        deviation: bool = True,
        share: float = 0.8,
        filters: int = 64,
        hidden: Sequence[int] = (1024, 512, 256, 128),
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            deviation: Whether features are pooled by their deviation too, not by the mean alone.
            share: Of patches that count, those with the highest deviation.
            filters: Of each convolution.
            hidden: Sizes of the fully connected layers, the features last.

        Raises:
            ValueError: A share that is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share={share} must be above 0 and at most 1.")
        self.deviation, self.share = deviation, share
        self.conv1 = Conv(1, filters, (5, 5), rngs=rngs)
        self.conv2 = Conv(filters, filters, (5, 5), rngs=rngs)
        sizes = ((PATCH // 4) ** 2 * filters, *hidden)
        self.fc = nnx.List(
            nnx.Linear(before, after, rngs=rngs)
            for before, after in zip(sizes, hidden, strict=False)
        )
        self.dropout = nnx.Dropout(0.5)
        self.local = Perceptron(hidden[-1], HIDDEN, 1, rngs=rngs)
        self.overall = Perceptron(hidden[-1] * (1 + deviation), HIDDEN, 1, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores of images, and of patches what a metric with a reference would say.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least 32 x 32, or patches of them
                `[B, P, 32, 32, C]`.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]`, "patches" `[B, P]`, "weights" `[B, P]`, which are 1 for patches that
            count and else 0, and "features" `[B, F]`, pooled.

        Raises:
            ValueError: Images are too small.
        """
        gray = luma(distorted, "bt601")
        weights = textured(as_patches(gray, PATCH), self.share)
        features = self.describe(as_patches(normalize(gray), PATCH), rngs=rngs)
        pooled = self.pool(features, weights)
        return {
            "score": MIDDLE + self.overall(self._drop(pooled, rngs))[..., 0],
            "patches": MIDDLE + self.local(self._drop(features, rngs))[..., 0],
            "weights": weights,
            "features": pooled,
        }

    def describe(self, patches: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """Features `[B, P, 128]` of normalised patches `[B, P, 32, 32, 1]`."""
        x = merge_batch(patches)
        for convolution in (self.conv1, self.conv2):
            x = max_pool(jax.nn.relu(convolution(x)), size=2, stride=2)
        x = x.reshape(*patches.shape[:2], -1)
        *layers, last = self.fc
        for layer in layers:
            x = self._drop(jax.nn.relu(layer(x)), rngs)
        return jax.nn.relu(last(x))

    def pool(self, features: jax.Array, weights: jax.Array) -> jax.Array:
        """Mean and deviation `[B, F]` over the patches that count, of features `[B, P, 128]`."""
        column, weights = features[:, :, None], weights[:, :, None]
        mean = pooling.mean(column, weights)
        if not self.deviation:
            return mean
        return jnp.concatenate([mean, pooling.standard_deviation(column, weights)], -1)

    def _drop(self, x: jax.Array, rngs: nnx.Rngs | None) -> jax.Array:
        return self.dropout(x, deterministic=rngs is None, rngs=rngs)


def normalize(images: jax.Array) -> jax.Array:
    """Local contrast normalisation: (image - mean) / (deviation + constant), times a gain.

    Args:
        images: `[..., H, W, 1]` in [0, 1].

    Returns:
        The same shape, without unit; 0 where images are constant.

    >>> print(jnp.abs(normalize(jnp.ones((6, 6, 1)))).max())
    0.0
    """
    normalized = normalize_contrast(images, WINDOW, constant=SATURATION, border="replicate")
    return GAIN * normalized


def textured(patches: jax.Array, share: float) -> jax.Array:
    """Which patches count: those with the highest deviation.

    Args:
        patches: `[B, P, size, size, 1]`.
        share: Of the patches, rounded down, at least one; of equal ones at the threshold all.

    Returns:
        `[B, P]` of ones and zeros.

    >>> patches = jnp.array([0.0, 3.0, 1.0]).reshape(1, 3, 1, 1, 1) * jnp.eye(2).reshape(2, 2, 1)
    >>> print(textured(patches, 0.7))
    [[0. 1. 1.]]
    """
    deviations = jnp.var(jax.lax.stop_gradient(patches), (2, 3, 4))
    count = max(1, math.floor(share * patches.shape[1]))
    least = jax.lax.top_k(deviations, count)[0][:, -1:]
    return (deviations >= least).astype(patches.dtype)
