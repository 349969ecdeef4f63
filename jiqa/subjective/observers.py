"""What is known of one observer: from the votes of others, and from a few of their own.

An observer's votes are a linear function of a few numbers of each image, the basis, with weights of
the observer's own, plus noise. What known observers' weights are like is a prior for somebody new,
and a few votes turn it into a posterior in closed form (Bayesian linear regression; Bishop,
"Pattern recognition and machine learning", 2006, section 3.3). Without votes the mean observer is
predicted, with many their own line, and the error falls to the observer's own inconsistency, below
which nothing can. All functions jit, differentiate and map over observers.

`jiqa.subjective.personal` estimates the prior by maximum likelihood, `jiqa.networks.personal`
learns the basis.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from jiqa.core.arrays import safe_divide, safe_log, safe_sqrt


class Beliefs(NamedTuple):
    """What is known of the weights of an observer.

    Attributes:
        mean: `[F]`, the weights that are expected.
        covariance: `[F, F]`, of what they may be instead.
        noise: The standard deviation of votes around what the weights say.
    """

    mean: jax.Array
    covariance: jax.Array
    noise: jax.Array


def prior_from(weights: jax.Array, noise: jax.Array) -> Beliefs:
    """What weights `[N, F]` and noise `[N]` of known observers tell of one who is unknown."""
    covariance = jnp.cov(weights, rowvar=False)
    return Beliefs(weights.mean(0), covariance, safe_sqrt((noise**2).mean()))


def fit_observers(basis: jax.Array, votes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights of observers who gave many votes, by least squares.

    Args:
        basis: `[S, F]` of stimuli.
        votes: `[S, N]`, NaN where an observer gave none.

    Returns:
        Weights `[N, F]`, and the standard deviation of votes around them `[N]`.

    >>> basis = jnp.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> weights, noise = fit_observers(basis, basis @ jnp.array([[1.0], [3.0]]))
    >>> print(weights.round(3))
    [[1. 3.]]
    """
    given = ~jnp.isnan(votes)

    def fit(of_one: jax.Array, votes: jax.Array) -> tuple[jax.Array, jax.Array]:
        design = jnp.where(of_one[:, None], basis, 0)
        weights = jnp.linalg.lstsq(design, votes)[0]
        freedom = jnp.maximum(of_one.sum() - basis.shape[1], 1)
        return weights, safe_sqrt(((votes - design @ weights) ** 2).sum() / freedom)

    return jax.vmap(fit, in_axes=1)(given, jnp.where(given, votes, 0))


def meet(beliefs: Beliefs, basis: jax.Array, votes: jax.Array) -> Beliefs:
    """What is known of an observer after some votes.

    Args:
        beliefs: Before: of an unknown observer, or after earlier votes.
        basis: `[k, F]`, of the stimuli voted on.
        votes: `[k]`; NaN is no vote.

    Returns:
        Beliefs after.

    >>> before = Beliefs(jnp.array([0.0, 1.0]), jnp.diag(jnp.array([1.0, 0.0])), jnp.array(1.0))
    >>> print(meet(before, jnp.array([[1.0, 3.0]]), jnp.array([5.0])).mean)
    [1. 1.]
    """
    given = ~jnp.isnan(votes)
    design = jnp.where(given[:, None], basis, 0)
    surprise = jnp.where(given, votes - basis @ beliefs.mean, 0)
    # inverse(inverse(covariance) + information), of a covariance that may be singular.
    information = design.T @ design / beliefs.noise**2
    unit = jnp.eye(len(beliefs.mean), dtype=design.dtype)
    covariance = jnp.linalg.solve(unit + beliefs.covariance @ information, beliefs.covariance)
    mean = beliefs.mean + covariance @ (design.T @ surprise) / beliefs.noise**2
    return Beliefs(mean, covariance, beliefs.noise)


def predict(beliefs: Beliefs, basis: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Votes that are expected of an observer.

    Args:
        beliefs: What is known of the observer.
        basis: `[S, F]`, of stimuli.

    Returns:
        Scores `[S]`, and how far off a single vote may be, `[S]`.
    """
    variance = jnp.einsum("sf,fg,sg->s", basis, beliefs.covariance, basis)
    return basis @ beliefs.mean, safe_sqrt(variance + beliefs.noise**2)


class Agreement(NamedTuple):
    """How well an observer's votes are predicted; all `[N]`.

    Attributes:
        rmse: Root of the mean squared error.
        plcc: Linear correlation; 0 where votes or predictions are all the same.
        log_likelihood: Mean logarithm of the probability of votes on a scale of whole numbers.
    """

    rmse: jax.Array
    plcc: jax.Array
    log_likelihood: jax.Array


def measure(
    scores: jax.Array, deviations: jax.Array, votes: jax.Array, *, step: float = 1.0
) -> Agreement:
    """Measures agreement, for each observer.

    Args:
        scores: Predicted `[S, N]`.
        deviations: Of single votes, `[S, N]` or what broadcasts with it.
        votes: `[S, N]`, NaN where an observer gave none.
        step: From one vote to the next on the scale of votes. A vote stands for all opinions that
            are less than half a step away.

    Returns:
        The measures.

    >>> votes = jnp.array([[1.0], [3.0]])
    >>> print(measure(votes + 0.5, jnp.array(1.0), votes).rmse)
    [0.5]
    """
    given = ~jnp.isnan(votes)
    count = jnp.maximum(given.sum(0), 1)
    votes = jnp.where(given, votes, 0)

    def mean(x: jax.Array) -> jax.Array:
        return jnp.where(given, x, 0).sum(0) / count

    a, b = votes - mean(votes), scores - mean(scores)
    product = safe_sqrt(mean(a**2)) * safe_sqrt(mean(b**2))
    ends = [norm.cdf((votes + side * step / 2 - scores) / deviations) for side in (1, -1)]
    return Agreement(
        rmse=safe_sqrt(mean((votes - scores) ** 2)),
        plcc=safe_divide(mean(a * b), product),
        log_likelihood=mean(safe_log(ends[0] - ends[1])),
    )


def learning_curve(
    beliefs: Beliefs, basis: jax.Array, votes: jax.Array, counts: tuple[int, ...]
) -> jax.Array:
    """How the error falls with the number of votes that are known of a new observer.

    Args:
        beliefs: Of an unknown observer.
        basis: `[S, F]`, of stimuli in the order in which votes become known.
        votes: `[S, N]` of observers who are not known; NaN is no vote.
        counts: How many votes are known. The same stimuli are predicted for all: those after the
            highest count.

    Returns:
        Root of the mean squared error `[counts, N]`.
    """
    last = max(counts)

    def error(count: int) -> jax.Array:
        known = jax.vmap(meet, (None, None, 1))(beliefs, basis[:count], votes[:count])
        scores, deviations = jax.vmap(predict, (0, None), 1)(known, basis[last:])
        return measure(scores, deviations, votes[last:]).rmse

    return jnp.stack([error(count) for count in counts])
