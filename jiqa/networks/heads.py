"""What networks end with: from features of an image to its quality, and how sure that is.

Every head is called with what a network knows of its images, a dictionary, and with `rngs` in
training. `HEADS` has those that "quality_cnn" takes, by name:

- "score", one number;
- "distribution", shares of votes over bins, of which score and spread are the moments, as in NIMA
  (Talebi and Milanfar, "NIMA: neural image assessment", IEEE TIP 27(8), 2018);
- "uncertain", a mean and a deviation that fit a normal distribution (Nix and Weigend, "Estimating
  the mean and variance of the target probability distribution", ICNN 1994);
- "content", a score of features that are scaled and shifted by what the image shows, as in FiLM
  (Perez, Strub, de Vries, Dumoulin and Courville, "FiLM: visual reasoning with a general
  conditioning layer", AAAI 2018);
- "attention", a map of local scores, of which the mean is weighted by saliency.

`stack` and `predict_ensemble` join several models into one (Lakshminarayanan, Pritzel and Blundell,
"Simple and scalable predictive uncertainty estimation using deep ensembles", NIPS 2017), and
`predict_with_dropout` draws several from one (Gal and Ghahramani, "Dropout as a Bayesian
approximation", ICML 2016). Both are pure functions of models, which are pytrees.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.stats import norm

from jiqa.core.arrays import safe_sqrt
from jiqa.core.filters import imresize
from jiqa.core.pooling import equal_if_zero
from jiqa.networks.network import Model, Prediction

MIDDLE = 0.5  # of scores from 0, the worst, to 1: where they begin
LEAST_DEVIATION = 1e-3
TASKS = ("score", "distortion", "level")
LEVEL = 3.0  # of distortions from 1 to 5: where levels begin


class Perceptron(nnx.Module):
    """Two fully connected layers with a rectifier and dropout between them."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, *, dropout: float = 0.0, rngs: nnx.Rngs
    ) -> None:
        """Random parameters.

        Args:
            inputs: Length of vectors.
            hidden: Length of those between the layers.
            outputs: Length of results.
            dropout: Share of the hidden numbers that is set to zero in training.
            rngs: Where parameters come from.
        """
        self.first = nnx.Linear(inputs, hidden, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.second = nnx.Linear(hidden, outputs, rngs=rngs)

    def __call__(self, x: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """`[..., inputs]` to `[..., outputs]`."""
        x = jax.nn.relu(self.first(x))
        return self.second(self.dropout(x, deterministic=rngs is None, rngs=rngs))


class ScoreHead(nnx.Module):
    """One number."""

    def __init__(self, features: int, hidden: int, *, dropout: float, rngs: nnx.Rngs) -> None:
        """Random parameters; see `Perceptron`."""
        self.perceptron = Perceptron(features, hidden, 1, dropout=dropout, rngs=rngs)

    def __call__(
        self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Gives "score" `[B]` of "features" `[B, F]`."""
        return {"score": MIDDLE + self.perceptron(known["features"], rngs=rngs)[:, 0]}


class DistributionHead(nnx.Module):
    """Shares of votes over bins of equal width, from 0 to 1."""

    def __init__(
        self, features: int, hidden: int, *, bins: int, dropout: float, rngs: nnx.Rngs
    ) -> None:
        """Random parameters; see `Perceptron`."""
        self.perceptron = Perceptron(features, hidden, bins, dropout=dropout, rngs=rngs)

    def __call__(
        self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Gives "distribution" `[B, K]` of "features", with its "score" and "deviation"."""
        logits = self.perceptron(known["features"], rngs=rngs)
        score, deviation = moments(logits)
        return {"score": score, "deviation": deviation, "distribution": logits}


class UncertainHead(nnx.Module):
    """A mean and the logarithm of a variance."""

    def __init__(self, features: int, hidden: int, *, dropout: float, rngs: nnx.Rngs) -> None:
        """Random parameters; see `Perceptron`."""
        self.perceptron = Perceptron(features, hidden, 2, dropout=dropout, rngs=rngs)

    def __call__(
        self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Gives "score" and "deviation" `[B]` of "features" `[B, F]`."""
        mean, log_variance = jnp.moveaxis(self.perceptron(known["features"], rngs=rngs), -1, 0)
        # Neither so small that one example outweighs all others, nor infinite.
        deviation = LEAST_DEVIATION + jnp.exp(jnp.minimum(log_variance, 10.0) / 2)
        return {"score": MIDDLE + mean, "deviation": deviation}


class ContentHead(nnx.Module):
    """A score of features that content scales and shifts: what harms a face may suit a lawn."""

    def __init__(
        self, features: int, hidden: int, *, content: int, dropout: float, rngs: nnx.Rngs
    ) -> None:
        """Random parameters; content changes nothing at first.

        Args:
            features: Length of vectors of features.
            hidden: See `Perceptron`.
            content: Length of vectors of content.
            dropout: See `Perceptron`.
            rngs: Where parameters come from.
        """
        zeros = nnx.initializers.zeros
        self.film = nnx.Linear(content, 2 * features, kernel_init=zeros, rngs=rngs)
        self.perceptron = Perceptron(features, hidden, 1, dropout=dropout, rngs=rngs)

    def __call__(
        self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Gives "score" `[B]` of "features" `[B, F]` and "content" `[B, E]`."""
        gain, offset = jnp.split(self.film(known["content"]), 2, -1)
        features = known["features"] * (1 + gain) + offset
        return {"score": MIDDLE + self.perceptron(features, rngs=rngs)[:, 0]}


class AttentionHead(nnx.Module):
    """A score at every place, and their mean weighted by saliency."""

    def __init__(self, channels: int, hidden: int, *, dropout: float, rngs: nnx.Rngs) -> None:
        """Random parameters; see `Perceptron`."""
        self.perceptron = Perceptron(channels, hidden, 1, dropout=dropout, rngs=rngs)

    def __call__(
        self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Gives "score" `[B]` of "local" features `[B, h, w, C]` and "saliency" `[B, H, W]`.

        Returns:
            Also "map" `[B, h, w]`, and the same scores as "patches" `[B, P]` with their "weights".
        """
        scores = MIDDLE + self.perceptron(known["local"], rngs=rngs)[..., 0]
        size = (scores.shape[1], scores.shape[2])
        weights = to_weights(known["saliency"], size)
        patches, weights = (x.reshape(len(x), -1) for x in (scores, weights))
        score = (weights * patches).sum(1)
        return {"score": score, "map": scores, "patches": patches, "weights": weights}


HEADS: dict[str, Callable[..., Any]] = {
    "score": ScoreHead,
    "distribution": DistributionHead,
    "uncertain": UncertainHead,
    "content": ContentHead,
    "attention": AttentionHead,
}


class DistortionHead(nnx.Module):
    """What is wrong with an image, beside its score, and how much each task counts in training.

    Attributes:
        log_variances: Of the tasks "score", "distortion" and "level", learned with all else
            (Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses",
            CVPR 2018).
    """

    def __init__(
        self, features: int, hidden: int, types: int, *, dropout: float, rngs: nnx.Rngs
    ) -> None:
        """Random parameters.

        Args:
            features: Length of vectors of features.
            hidden: See `Perceptron`.
            types: How many kinds of distortions there are.
            dropout: See `Perceptron`.
            rngs: Where parameters come from.
        """
        self.perceptron = Perceptron(features, hidden, types + 1, dropout=dropout, rngs=rngs)
        self.log_variances = nnx.Dict(
            {task: nnx.Param(jnp.zeros((), jnp.float32)) for task in TASKS}
        )

    def __call__(
        self, known: Mapping[str, jax.Array], *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Gives "distortion" `[B, types]`, logits, and "level" `[B]`, of "features" `[B, F]`."""
        result = self.perceptron(known["features"], rngs=rngs)
        return {"distortion": result[:, 1:], "level": LEVEL + result[:, 0]}


def centres(bins: int) -> jax.Array:
    """The middles of bins of equal width that cover 0 to 1.

    >>> print(centres(4))
    [0.125 0.375 0.625 0.875]
    """
    return (jnp.arange(bins) + 0.5) / bins


def moments(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of a distribution over bins from 0 to 1.

    Args:
        logits: `[..., K]`, before the softmax.

    Returns:
        Two arrays `[...]`.

    >>> mean, deviation = moments(jnp.array([-99.0, 0.0, 0.0, -99.0]))
    >>> print(mean, deviation)
    0.5 0.125
    """
    shares = jax.nn.softmax(logits)
    places = centres(logits.shape[-1]).astype(logits.dtype)
    mean = (shares * places).sum(-1)
    variance = (shares * (places - mean[..., None]) ** 2).sum(-1)
    return mean, safe_sqrt(variance)


def to_shares(scores: jax.Array, deviations: jax.Array | float, bins: int) -> jax.Array:
    """What share of votes is expected in each bin, of votes normally distributed and cut to 0 to 1.

    Args:
        scores: Means `[...]`.
        deviations: Of single votes, `[...]`, positive; often not known, and then one number.
        bins: How many; see `centres`.

    Returns:
        `[..., bins]`, which add up to one; votes beyond the ends are in the outermost bins.

    >>> print(to_shares(jnp.array(0.5), 0.1, 4).round(2))
    [0.01 0.49 0.49 0.01]
    """
    inner = jnp.arange(1, bins) / bins
    below = norm.cdf(inner, jnp.asarray(scores)[..., None], jnp.asarray(deviations)[..., None])
    ends = [(0, 0)] * (below.ndim - 1)
    below = jnp.pad(below, [*ends, (1, 0)])
    return jnp.diff(jnp.pad(below, [*ends, (0, 1)], constant_values=1.0))


def to_weights(saliency: jax.Array, size: tuple[int, int]) -> jax.Array:
    """A map of saliency as weights of the cells of a coarser grid.

    Args:
        saliency: `[..., H, W]`, not negative.
        size: Rows and columns of the grid.

    Returns:
        `[..., *size]`, which add up to one; equal ones where nothing is salient.

    >>> print(to_weights(jnp.zeros((8, 8)), (2, 2))[0])
    [0.25 0.25]
    """
    coarse = imresize(saliency[..., None], size, "bilinear")[..., 0]
    coarse = equal_if_zero(jnp.maximum(coarse, 0))
    return coarse / coarse.sum((-2, -1), keepdims=True)


def stack(models: Sequence[Model]) -> Model:
    """Several models of one network as one, whose arrays have a leading axis of models.

    Args:
        models: With the same network and options, each trained from parameters of its own.

    Returns:
        For `predict_ensemble`.

    Raises:
        ValueError: There are none, or they are of different networks.

    >>> pair = stack([Model.create("quality_cnn", seed=seed, width=2) for seed in (0, 1)])
    >>> predict_ensemble(pair, jnp.zeros((3, 32, 32, 3)))["deviation"].shape
    (3,)
    """
    kinds = {(model.network, model.options, model.higher_is_better) for model in models}
    if len(kinds) != 1:
        found = ", ".join(sorted({model.network for model in models})) or "none"
        raise ValueError(
            f"an ensemble has models of one network, options and polarity; these are: {found}."
        )
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)


def predict_ensemble(models: Model, *images: jax.Array) -> Prediction:
    """What an ensemble says: the mean of its models, and how far they and a new vote may be off.

    Args:
        models: See `stack`.
        *images: As of one model.

    Returns:
        "score" and "deviation" `[B]`; the variance is that between models and, of models that
        predict a deviation, the mean of theirs.
    """
    return _mixture(jax.vmap(lambda model: model(*images))(models))


def predict_with_dropout(
    model: Model, *images: jax.Array, key: jax.Array, samples: int = 20
) -> Prediction:
    """What a model says with dropout switched on, several times.

    Only the head is computed again: there is no dropout before it, and normalisation by batch stays
    that of inference.

    Args:
        model: Of a network with `encode` and `judge`, such as "quality_cnn".
        *images: As of the model.
        key: What is random.
        samples: How many times.

    Returns:
        "score" and "deviation" `[B]`, as of `predict_ensemble`.

    Raises:
        TypeError: The network has no `encode` and `judge`.

    >>> model = Model.create("quality_cnn", width=2, dropout=0.5)
    >>> images = jnp.ones((3, 32, 32, 3))
    >>> bool((predict_with_dropout(model, images, key=jax.random.key(0))["deviation"] > 0).all())
    True
    """
    network: Any = model.merge()
    if not hasattr(network, "judge"):
        raise TypeError(f"{model.network} has no methods `encode` and `judge`; use `stack`.")
    known = network.encode(*images)

    def draw(key: jax.Array) -> Prediction:
        return model.merge().judge(known, rngs=nnx.Rngs(dropout=key))  # type: ignore[attr-defined]

    return _mixture(jax.vmap(draw)(jax.random.split(key, samples)))


def _mixture(predictions: Prediction) -> Prediction:
    """Mean and deviation of equal parts, of predictions `[parts, B]`."""
    scores = predictions["score"]
    variance = scores.var(0)
    if "deviation" in predictions:
        variance = variance + (predictions["deviation"] ** 2).mean(0)
    return {"score": scores.mean(0), "deviation": safe_sqrt(variance)}
