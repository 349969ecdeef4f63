"""Label transfer: an image is as good as those rated images that it is like.

Wu, Li, Ngan, Zeng and Gabbouj, "No reference image quality metric via distortion identification and
multi-channel label transfer", ISCAS 2014. Nothing is trained. The probabilities of an image's
distortion are found; for each distortion, the rated images of that distortion that are nearest in
features hand on their ratings; the score is the mean of what the distortions say, weighted by their
probabilities. We know no more than that of the paper, and so this is after it. What we add:

- the probability of a distortion is its share of the nearest of all images;
- features come in channels, such as statistics of natural scenes, of frequencies and of texture,
  each of which has neighbours of its own. How much a channel counts is decided by the rated images:
  by how well, of each, those of other originals tell the rating (Spearman's correlation);
- a neighbour at distance d weighs exp(-d / s), with s the usual distance, in the channel, of the
  last of the neighbours.

Features can be those of `jiqa.networks.handcrafted.describe_images`, in that order, or any others.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import safe_log, safe_sqrt
from jiqa.networks.network import Prediction
from jiqa.networks.rank_learning import check_samples, standardization


@dataclasses.dataclass(frozen=True, eq=False)
class LabelTransfer:
    """Rated images, and how their features are compared.

    Attributes:
        mean: `[n]`, subtracted from features.
        deviation: `[n]`, by which they are divided.
        channels: The number of each feature's channel, `[n]`.
        features: Of the rated images, standardised, `[N, n]`.
        opinions: Their ratings, `[N]`.
        types: The numbers of their distortions, `[N]`.
        scales: The usual distance in each channel, `[channels]`.
        weights: How much each channel counts, `[channels]`, adding up to 1.
        neighbours: How many ratings are handed on.
    """

    mean: np.ndarray
    deviation: np.ndarray
    channels: np.ndarray
    features: np.ndarray
    opinions: np.ndarray
    types: np.ndarray
    scales: np.ndarray
    weights: np.ndarray
    neighbours: np.ndarray

    def predict(self, features: jax.Array) -> Prediction:
        """What the nearest images say.

        Args:
            features: `[B, n]`.

        Returns:
            "score" `[B]` in the unit of the ratings, and "distortion" `[B, types]`, logarithms of
            probabilities.
        """
        features = jnp.asarray(features)
        mean, deviation, known, opinions = (
            jnp.asarray(array, features.dtype)
            for array in (self.mean, self.deviation, self.features, self.opinions)
        )
        standardized = (features - mean) / deviation
        kinds = jnp.arange(self.types.max() + 1)
        own = jnp.asarray(self.types) == kinds[:, None]  # types x images
        score = shares = jnp.zeros((len(features), len(own)), features.dtype)
        settings = zip(self.scales.tolist(), self.weights.tolist(), strict=True)
        for channel, (scale, weight) in enumerate(settings):
            columns = np.flatnonzero(self.channels == channel)
            apart = distances(standardized[:, columns], known[:, columns])
            places, kept = nearest(apart, int(self.neighbours), scale)
            shares += weight * (kept[..., None] * own.T[places]).sum(1)
            places, kept = nearest(apart[:, None], int(self.neighbours), scale, allowed=own)
            score += weight * (kept * opinions[places]).sum(-1)
        return {"score": (shares * score).sum(-1), "distortion": safe_log(shares)}


def fit_label_transfer(
    features: np.ndarray,
    opinions: np.ndarray,
    types: np.ndarray,
    contents: np.ndarray | None = None,
    *,
    sizes: Sequence[int] | None = None,
    neighbours: int = 5,
) -> LabelTransfer:
    """Keeps rated images, and finds out how much each channel of features counts.

    Args:
        features: `[N, n]`, those of one channel after the other.
        opinions: `[N]`, in any unit and of either polarity.
        types: Number of each image's distortion, `[N]`; from 0 on, all of them there.
        contents: Which original each image is of, `[N]`; None: all are of different ones.
        sizes: How many features each channel has; None is one channel.
        neighbours: How many ratings are handed on.

    Returns:
        What predicts, for `jiqa.core.models.save_model` too.

    Raises:
        ValueError: Shapes do not fit, numbers are not finite, a type is missing, sizes that do not
            add up to n, or a number of neighbours that is not from 1 to N.

    >>> rng = np.random.default_rng(0)
    >>> features, types = rng.random((40, 2)), np.zeros(40, int)
    >>> model = fit_label_transfer(features, features[:, 0], types, sizes=(1, 1))
    >>> print(model.weights)
    [1. 0.]
    """
    features, opinions = np.asarray(features, np.float64), np.asarray(opinions, np.float64)
    types = check_samples("fit_label_transfer", features, opinions, types)
    sizes = [features.shape[1]] if sizes is None else list(sizes)
    if sum(sizes) != features.shape[1] or not 1 <= neighbours <= len(features):
        raise ValueError(
            f"fit_label_transfer: sizes={sizes} must add up to {features.shape[1]}, the number of "
            f"features, and neighbours={neighbours} be from 1 to {len(features)}."
        )
    contents = np.arange(len(features)) if contents is None else np.asarray(contents)
    mean, deviation = standardization(features)
    features = (features - mean) / deviation
    allowed = (contents[:, None] != contents) & (types[:, None] == types)
    found = [
        _judge_channel(channel, opinions, allowed, neighbours)
        for channel in np.split(features, np.cumsum(sizes)[:-1], axis=1)
    ]
    scales, correlations = np.array(found).T
    useful = np.maximum(correlations, 0)
    weights = useful / useful.sum() if useful.any() else np.full(len(sizes), 1 / len(sizes))
    channels = np.repeat(np.arange(len(sizes)), sizes)
    number = np.array(neighbours)
    return LabelTransfer(
        mean, deviation, channels, features, opinions, types, scales, weights, number
    )


def distances(first: jax.Array, second: jax.Array) -> jax.Array:
    """Roots of the mean squared differences of vectors `[B, n]` and `[N, n]`: `[B, N]`.

    >>> print(distances(jnp.array([[0.0, 0.0]]), jnp.array([[1.0, 1.0], [0.0, 0.0]])))
    [[1. 0.]]
    """
    products = jnp.matmul(first, second.T, precision="highest")
    squares = (first**2).sum(-1)[:, None] + (second**2).sum(-1)
    return safe_sqrt((squares - 2 * products) / first.shape[-1])


def nearest(
    distances: jax.Array,
    count: int,
    scale: float,
    *,
    allowed: ArrayLike = True,
) -> tuple[jax.Array, jax.Array]:
    """The nearest images, and what share each has in what they say.

    Args:
        distances: To images, `[..., N]`.
        count: How many, K.
        scale: The distance at which a share is by the factor e smaller than at 0.
        allowed: Which images count, broadcast with the distances, at least one of them.

    Returns:
        Their places `[..., K]`, and shares `[..., K]` that add up to 1; images that do not count
        have none.

    >>> places, shares = nearest(jnp.array([3.0, 0.0, 0.0]), 2, 1.0)
    >>> places.tolist(), shares.tolist()
    ([1, 2], [0.5, 0.5])
    """
    negative, places = jax.lax.top_k(jnp.where(allowed, -distances, -jnp.inf), count)
    return places, jax.nn.softmax(negative / scale)


def _judge_channel(
    features: np.ndarray, opinions: np.ndarray, allowed: np.ndarray, count: int
) -> tuple[float, float]:
    """The usual distance of the last neighbour, and the correlation of what neighbours say.

    Args:
        features: Of one channel, standardised, `[N, n]`.
        opinions: `[N]`.
        allowed: Whose ratings may be handed on to whom, `[N, N]`.
        count: Of neighbours.
    """
    from scipy.stats import spearmanr

    has_any = allowed.any(1)
    if has_any.sum() < 2:
        return 1.0, 0.0
    found = np.asarray(distances(jnp.asarray(features), jnp.asarray(features)))[has_any]
    allowed = allowed[has_any]
    last = np.sort(np.where(allowed, found, np.inf), 1)[:, :count]
    scale = float(np.median(np.max(last, 1, initial=0, where=np.isfinite(last)))) or 1.0
    places, shares = nearest(jnp.asarray(found), count, scale, allowed=allowed)
    said = (np.asarray(shares) * opinions[places]).sum(1)
    if np.ptp(said) == 0 or np.ptp(opinions[has_any]) == 0:
        return scale, 0.0
    return scale, float(spearmanr(said, opinions[has_any]).statistic)
