"""Losses of predicted quality: distances, correlations, preferences, distributions, types.

All take predictions `[B]` and what is known of them, compute in at least single precision, and give
one number, the mean over the batch. `plcc_loss`, `srocc_loss` and `soft_rank` of
`jiqa.evaluation.differentiable` are here too.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.scipy.stats import norm

from jiqa.core.arrays import safe_divide, safe_sqrt, to_float
from jiqa.evaluation.differentiable import plcc_loss, soft_rank, srocc_loss
from jiqa.networks.network import named_arrays, split

__all__ = [
    "adversarial",
    "cross_entropy",
    "earth_movers",
    "fidelity",
    "gaussian_nll",
    "huber",
    "level_error",
    "mae",
    "mse",
    "pair_probability",
    "pairwise_hinge",
    "plcc_loss",
    "soft_rank",
    "squared_kernels",
    "srocc_loss",
    "uncertainty_weighted",
]


def mae(predictions: jax.Array, scores: jax.Array) -> jax.Array:
    """Mean absolute error; of scores `[B]` and predictions `[B, P]`, each of P has its image's.

    >>> float(mae(jnp.array([[0.0, 1.0], [1.0, 1.0]]), jnp.array([0.0, 1.0])))
    0.25
    """
    return jnp.abs(_errors(predictions, scores)).mean()


def mse(predictions: jax.Array, scores: jax.Array) -> jax.Array:
    """Mean squared error; shapes as in `mae`.

    >>> float(mse(jnp.array([0.0, 3.0]), jnp.array([0.0, 1.0])))
    2.0
    """
    return (_errors(predictions, scores) ** 2).mean()


def huber(predictions: jax.Array, scores: jax.Array, *, delta: float = 0.1) -> jax.Array:
    """Half the squared error up to `delta`, beyond it linear; shapes as in `mae`.

    >>> float(huber(jnp.array([3.0]), jnp.array([0.0]), delta=1.0))
    2.5
    """
    return optax.losses.huber_loss(_errors(predictions, scores), delta=delta).mean()


def pair_probability(first: jax.Array, second: jax.Array) -> jax.Array:
    """Thurstone's probability that the first is preferred, of scores with unit variance each.

    >>> float(pair_probability(jnp.array(1.0), jnp.array(1.0)))
    0.5
    """
    return norm.cdf((to_float(first) - to_float(second)) / jnp.sqrt(2.0))


def fidelity(probabilities: jax.Array, preferences: jax.Array) -> jax.Array:
    """How unlike predicted probabilities are to those of preferences (Tsai et al., SIGIR 2007).

    `1 - sqrt(p q) - sqrt((1 - p)(1 - q))`, from 0 for equal ones to 1.

    Args:
        probabilities: Predicted `[...]`, see `pair_probability`.
        preferences: 1 where the first is better, 0 where the second is, or a share.

    >>> float(fidelity(jnp.array([0.5, 1.0]), jnp.array([0.5, 1.0])).round(6))
    0.0
    """
    p, q = to_float(probabilities), to_float(preferences)
    return (1 - safe_sqrt(p * q) - safe_sqrt((1 - p) * (1 - q))).mean()


def pairwise_hinge(better: jax.Array, worse: jax.Array, *, margin: float = 1.0) -> jax.Array:
    """By how much the better one fails to score `margin` more than the worse.

    >>> float(pairwise_hinge(jnp.array([2.0, 0.0]), jnp.array([0.0, 0.0])))
    0.5
    """
    return jax.nn.relu(margin - to_float(better) + to_float(worse)).mean()


def earth_movers(logits: jax.Array, shares: jax.Array, *, power: float = 2.0) -> jax.Array:
    """Distance of distributions over ordered classes, by their cumulative sums.

    `(mean |P - Q|^power)^(1 / power)` with P and Q cumulative (Hou, Yu and Samaras, 2016; NIMA has
    power 2).

    Args:
        logits: Predicted `[B, K]`, before the softmax.
        shares: Of votes, `[B, K]`, which add up to one.
        power: 1 is the distance itself.

    >>> shares = jnp.array([[0.0, 0.0, 1.0]])
    >>> float(earth_movers(jnp.array([[99.0, 0.0, 0.0]]), shares, power=1).round(3))
    0.667
    """
    predicted = jnp.cumsum(jax.nn.softmax(to_float(logits)), -1)
    distance = jnp.abs(predicted - jnp.cumsum(to_float(shares), -1))
    if power == 2:
        return safe_sqrt((distance**2).mean(-1)).mean()
    return ((distance**power).mean(-1) ** (1 / power)).mean()


def gaussian_nll(means: jax.Array, deviations: jax.Array, scores: jax.Array) -> jax.Array:
    """Minus the logarithm of the density of scores under predicted normal distributions.

    Args:
        means: `[B]`.
        deviations: `[B]`, positive.
        scores: `[B]`.

    >>> float(gaussian_nll(jnp.zeros(1), jnp.ones(1), jnp.zeros(1)).round(4))
    0.9189
    """
    return -norm.logpdf(to_float(scores), to_float(means), to_float(deviations)).mean()


def cross_entropy(logits: jax.Array, classes: jax.Array) -> jax.Array:
    """Of classes, the mean over those that are known.

    Args:
        logits: `[B, K]`, before the softmax.
        classes: Numbers `[B]`; negative ones are unknown.

    Returns:
        0 where none is known.

    >>> float(cross_entropy(jnp.zeros((2, 4)), jnp.array([1, -1])).round(4))
    1.3863
    """
    known = classes >= 0
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(
        to_float(logits), jnp.where(known, classes, 0)
    )
    return safe_divide(jnp.where(known, losses, 0).sum(), known.sum().astype(losses.dtype))


def level_error(levels: jax.Array, known: jax.Array) -> jax.Array:
    """Mean squared error of levels of distortion, over images of which it is known.

    Args:
        levels: Predicted `[B]`.
        known: `[B]`, nan where it is not known.

    Returns:
        0 where none is known.

    >>> float(level_error(jnp.array([1.0, 5.0]), jnp.array([3.0, jnp.nan])))
    4.0
    """
    there = jnp.isfinite(known)
    errors = jnp.where(there, to_float(levels) - jnp.where(there, known, 0), 0)
    return safe_divide((errors**2).sum(), there.sum().astype(errors.dtype))


def squared_kernels(network: nnx.Module, part: str = "") -> jax.Array:
    """The sum of the squares of all kernels, in a part of the network or in all of it.

    Args:
        network: Any network.
        part: How the path of its parameters begins, whose parts are joined by dots.

    >>> network = nnx.Linear(2, 3, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    >>> float(squared_kernels(network))
    6.0
    """
    parameters = named_arrays(split(network)[1])
    beginning = f"{part}." if part else ""
    squares = [
        (array**2).sum()
        for name, array in parameters.items()
        if name.startswith(beginning) and name.endswith("kernel")
    ]
    return sum(squares, jnp.zeros(()))


def uncertainty_weighted(
    losses: Mapping[str, jax.Array], log_variances: Mapping[str, jax.Array]
) -> jax.Array:
    """Losses of several tasks, weighed by what is learned of their noise.

    The sum of `exp(-s) loss + s / 2` with s the logarithm of a task's variance (Kendall, Gal and
    Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018, with one factor for
    all losses).

    Args:
        losses: By task.
        log_variances: Parameters of the network, by task.

    >>> float(uncertainty_weighted({"score": jnp.array(2.0)}, {"score": jnp.array(0.0)}))
    2.0
    """
    terms = [jnp.exp(-log_variances[task]) * loss for task, loss in losses.items()]
    return sum(terms, jnp.zeros(())) + sum(log_variances[task] / 2 for task in losses)


def adversarial(logits: jax.Array, *, real: bool, kind: str = "least_squares") -> jax.Array:
    """What a discriminator, or the generator it judges, minimises.

    Args:
        logits: What the discriminator says, high for real ones.
        real: What it should say; for a generator, True.
        kind: "least_squares" (Mao et al., ICCV 2017) or "non_saturating" (Goodfellow et al.,
            NeurIPS 2014).

    Raises:
        ValueError: Another kind.

    >>> float(adversarial(jnp.array([1.0, 0.0]), real=True))
    0.5
    """
    logits = to_float(logits)
    if kind == "least_squares":
        return ((logits - float(real)) ** 2).mean()
    if kind == "non_saturating":
        return jax.nn.softplus(-logits if real else logits).mean()
    raise ValueError(f"kind={kind!r}; give 'least_squares' or 'non_saturating'.")


def _errors(predictions: jax.Array, scores: jax.Array) -> jax.Array:
    predictions, scores = to_float(predictions), to_float(scores)
    shape = (*scores.shape, *[1] * (predictions.ndim - scores.ndim))
    return predictions - scores.reshape(shape)
