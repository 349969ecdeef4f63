"""Personal quality: what one observer would say, from features of images and a few of their votes.

An observer's votes are a linear function of the features, with weights of the observer's own, plus
noise. Weights are normally distributed over observers, and estimating that distribution from all of
them (empirical Bayes, by expectation maximisation) says how far one observer's few votes are to be
trusted: weights shrink towards the mean observer's, all the way for who has not voted. With a
metric's score, or the mean opinion score, as the only feature it is a bias and a gain for each
observer.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.observers import Beliefs, meet
from jiqa.subjective.precision import in_double_precision
from jiqa.subjective.ratings import as_votes

ITERATIONS = 5000
TOLERANCE = 1e-8  # relative change of mean, covariance and noise

# Of the iteration: mean, covariance and variance, their change, and its number.
State = tuple[jax.Array, jax.Array, jax.Array, jax.Array, int]


class Prediction(NamedTuple):
    """Votes that are expected of an observer.

    Attributes:
        score: `[stimuli]`, on the scale of the votes and not clipped to its ends.
        error: `[stimuli]`, how far off the observer's mean vote may be (standard error).
        deviation: `[stimuli]`, how far off a single vote may be, with the observer's noise.
    """

    score: np.ndarray
    error: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True, eq=False)
class PersonalModel:
    """How features make votes, for the mean observer, for each, and for those to come.

    It is a model in the sense of `jiqa.core.models`: `save_model` and `load_model` take it.

    Attributes:
        centre: `[features]`, subtracted from features.
        scale: `[features]`, which then divides them.
        mean: `[features + 1]`, weights of the mean observer, the first of a constant.
        covariance: `[features + 1, features + 1]`, of the observers' weights around it.
        noise: Standard deviation of a vote around what the weights say.
        weights: `[observers, features + 1]`, of those the model was fitted to.
        weight_covariance: `[observers, features + 1, features + 1]`, of their errors.
    """

    centre: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray
    weights: np.ndarray
    weight_covariance: np.ndarray

    def predict(self, features: ArrayLike, observer: int | None = None) -> Prediction:
        """What an observer would say.

        Args:
            features: `[stimuli, features]`.
            observer: Index of one the model was fitted to; None for somebody unknown, of whom the
                mean observer's votes are expected.

        Returns:
            The expected votes.

        Raises:
            ValueError: Features of another shape, or no such observer.
        """
        design = self._design(features)
        if observer is None:
            weights, covariance = self.mean, self.covariance
        elif 0 <= observer < len(self.weights):
            weights, covariance = self.weights[observer], self.weight_covariance[observer]
        else:
            raise ValueError(f"observer {observer} is none of {len(self.weights)}.")
        variance = np.einsum("sf,fg,sg->s", design, covariance, design)
        return Prediction(design @ weights, np.sqrt(variance), np.sqrt(variance + self.noise**2))

    def meet(self, features: ArrayLike, scores: ArrayLike) -> "PersonalModel":
        """The model with one more observer, from whatever votes there are.

        Args:
            features: `[votes, features]`, of what was voted on.
            scores: `[votes]`; none at all gives the mean observer.

        Returns:
            A model whose last observer is the new one; all else is as it was.

        Raises:
            ValueError: Features or scores of another shape, or not finite.
        """
        design, votes = self._design(features), np.asarray(scores, float)
        if votes.shape != design.shape[:1] or not np.isfinite(votes).all():
            raise ValueError(
                f"scores have shape {votes.shape}; give a finite one for each of {len(design)} "
                "features."
            )
        weights, left = _meet(self.mean, self.covariance, self.noise, design, votes)
        return PersonalModel(
            self.centre,
            self.scale,
            self.mean,
            self.covariance,
            self.noise,
            np.vstack([self.weights, weights]),
            np.concatenate([self.weight_covariance, left[None]]),
        )

    def _design(self, features: ArrayLike) -> np.ndarray:
        found = np.asarray(features, float)
        if found.ndim != 2 or found.shape[1] != len(self.centre) or not np.isfinite(found).all():
            raise ValueError(
                f"features have shape {found.shape}; give finite ones [stimuli, "
                f"{len(self.centre)}]."
            )
        return np.column_stack([np.ones(len(found)), (found - self.centre) / self.scale])


def fit_personal(features: ArrayLike, scores: ArrayLike) -> PersonalModel:
    """Fits the weights of the mean observer and of each.

    Args:
        features: `[stimuli, features]`, such as scores of metrics, none of them constant.
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote. An
            observer may have none.

    Returns:
        The model.

    Raises:
        ValueError: Arrays of another shape; features not finite or constant; fewer than two
            observers; fewer votes than the mean observer's weights need.

    >>> quality = np.linspace(0, 1, 30)[:, None]
    >>> bias = np.array([-0.5, 0.0, 0.5])
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (30, 3))
    >>> model = fit_personal(quality, 1 + 4 * quality + bias + noise)
    >>> print(model.predict([[0.5]]).score.round(1), model.predict([[0.5]], 2).score.round(1))
    [3.] [3.5]
    """
    votes = as_votes(scores)
    found = np.asarray(features, float)
    if found.ndim != 2 or len(found) != len(votes) or not np.isfinite(found).all():
        raise ValueError(
            f"features have shape {found.shape}; give finite ones [stimuli, features] for "
            f"{len(votes)} stimuli."
        )
    if votes.shape[1] < 2:
        raise ValueError("one observer's weights have no distribution; at least two are needed.")
    centre, scale = found.mean(0), found.std(0)
    if (constant := scale <= 1e-12 * np.maximum(np.abs(centre), 1e-12)).any():
        raise ValueError(f"feature {int(np.argmax(constant))} is constant; leave it out.")
    given = ~np.isnan(votes)
    if given.sum() < found.shape[1] + 3:
        raise ValueError(f"{given.sum()} votes are too few for {found.shape[1]} features.")
    design = np.column_stack([np.ones(len(found)), (found - centre) / scale])
    # All that votes tell of weights: sums of products, for each observer.
    count = given.sum(2)
    total, squares = np.where(given, votes, 0).sum(2), np.where(given, votes**2, 0).sum()
    products = np.einsum("so,sf,sg->ofg", count, design, design)
    targets = total.T @ design
    mean, covariance, noise, weights, errors = _maximize(products, targets, squares, count.sum())
    return PersonalModel(centre, scale, mean, covariance, noise, weights, errors)


@in_double_precision
def _meet(*arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of an observer and their covariance, of mean, covariance, noise, design and votes."""
    mean, covariance, noise, design, votes = map(jnp.asarray, arrays)
    known = meet(Beliefs(mean, covariance, noise), design, votes)
    return np.asarray(known.mean), np.asarray(known.covariance)


@in_double_precision
def _maximize(
    products: np.ndarray, targets: np.ndarray, squares: float, count: int
) -> tuple[np.ndarray, ...]:
    """Mean, covariance and noise of maximum likelihood, with each observer's weights."""
    found = _iterate(jnp.asarray(products), jnp.asarray(targets), squares, count)
    return tuple(np.asarray(part) for part in found)


@jax.jit
def _iterate(
    products: jax.Array, targets: jax.Array, squares: float, count: int
) -> tuple[jax.Array, ...]:
    observers, size = targets.shape

    def expect(
        mean: jax.Array, covariance: jax.Array, variance: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Each observer's weights and their covariance, given the distribution of all."""
        unit = jnp.eye(size)
        # (inverse(covariance) + products / variance)^-1 without an inverse of the covariance.
        shrink = jnp.linalg.inv(unit + covariance @ products / variance)
        errors = shrink @ covariance
        pull = targets - products @ mean
        return mean + (errors @ pull[..., None])[..., 0] / variance, errors

    def step(state: State) -> State:
        mean, covariance, variance, _, iteration = state
        weights, errors = expect(mean, covariance, variance)
        new_mean = weights.mean(0)
        spread = weights - new_mean
        new_covariance = errors.mean(0) + spread.T @ spread / observers
        explained = 2 * jnp.sum(weights * targets)
        explained -= jnp.einsum("of,ofg,og->", weights, products, weights)
        residual = squares - explained + jnp.einsum("ofg,ogf->", errors, products)
        new_variance = jnp.maximum(residual / count, 1e-12 * squares / count)
        change = jnp.maximum(_change(new_mean, mean), _change(new_covariance, covariance))
        change = jnp.maximum(change, _change(new_variance, variance))
        return new_mean, new_covariance, new_variance, change, iteration + 1

    def goes_on(state: State) -> jax.Array:
        return (state[3] > TOLERANCE) & (state[4] < ITERATIONS)

    pooled = products.sum(0) + 1e-9 * jnp.trace(products.sum(0)) / size * jnp.eye(size)
    mean = jnp.linalg.solve(pooled, targets.sum(0))
    variance = jnp.maximum(squares - mean @ targets.sum(0), 1e-9 * squares) / count
    start = mean, variance * jnp.eye(size), variance, jnp.inf * variance, 0
    mean, covariance, variance, _, _ = jax.lax.while_loop(goes_on, step, start)
    weights, errors = expect(mean, covariance, variance)
    return mean, covariance, jnp.sqrt(variance), weights, errors


def _change(new: jax.Array, old: jax.Array) -> jax.Array:
    """The largest change relative to the largest value."""
    return jnp.max(jnp.abs(new - old)) / jnp.maximum(jnp.max(jnp.abs(old)), 1e-30)
