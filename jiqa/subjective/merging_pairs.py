"""Several data sets of scores on one scale, through votes that compare their stimuli.

The scale is that of the votes, JOD; each data set's scores are a line of it plus their standard
errors. It is the approach of Perez-Ortiz, Mikhailiuk, Zerman, Hulusic, Valenzise and Mantiuk, "From
pairwise comparisons and rating to a unified quality scale" (IEEE TIP 2020), with each score's own
error in place of one for all.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.merging import Merged, check_sets, combine
from jiqa.subjective.pairwise import Model, as_wins, log_choice
from jiqa.subjective.precision import in_double_precision
from jiqa.subjective.ratings import listed

FEWEST_COMPARED = 3
MOST_ITERATIONS = 1000


class PairMerge(NamedTuple):
    """Data sets on the scale of pairwise votes, in JOD with mean zero.

    Attributes:
        merged: Scores and lines; `score` and `error` are those that scores and votes make together.
        agreeing: Share of votes that preferred the stimulus of the higher merged score.
        log_likelihood: Mean of a vote, in nats; that of guessing is -0.693.
    """

    merged: Merged
    agreeing: float
    log_likelihood: float


def merge_by_pairs(
    scores: ArrayLike, errors: ArrayLike, wins: ArrayLike, *, model: Model = "thurstone"
) -> PairMerge:
    """The most likely scores, and lines of the data sets.

    Args:
        scores: `[stimuli, sets]`; NaN where a set has not a stimulus; higher is better in all.
            One set is allowed too, which gives its scale in JOD.
        errors: `[stimuli, sets]`, their standard errors, positive.
        wins: `[stimuli, stimuli]` or `[observers, stimuli, stimuli]`, as in `scale_pairs`: votes
            within and between sets.
        model: Of the votes.

    Returns:
        The sets on one scale.

    Raises:
        ValueError: Arrays of another shape; a set with fewer than three stimuli in votes; parts
            that neither sets nor votes link; stimuli without score and vote; no convergence.

    >>> scores = np.array([[1, np.nan], [2, np.nan], [3, 30], [np.nan, 40], [np.nan, 50]])
    >>> wins = np.zeros((5, 5))
    >>> wins[[1, 2, 3, 4], [0, 1, 2, 3]], wins[[0, 1, 2, 3], [1, 2, 3, 4]] = 75, 25
    >>> print(np.diff(merge_by_pairs(scores, 0 * scores + 0.01, wins).merged.score).round(2))
    [1. 1. 1. 1.]
    """
    counts = as_wins(wins)
    counts = counts.sum(0) if counts.ndim == 3 else counts
    values, noise = np.asarray(scores, float), np.asarray(errors, float)
    if values.ndim == 2 and values.shape[1] > 1:
        values, noise = check_sets(scores, errors, 0)
    if values.shape != noise.shape or values.shape != (len(counts), values.shape[-1]):
        raise ValueError(
            f"scores have shape {values.shape}, errors {noise.shape} and wins {counts.shape}; give "
            "[stimuli, sets] twice and [stimuli, stimuli]."
        )
    given = ~np.isnan(values)
    if not (noise[given] > 0).all():
        raise ValueError(
            "a score has no positive error; where all votes agree, give the set's mean error."
        )
    _check_linked(given, counts)
    deviation = np.array([np.std(values[given[:, k], k]) or 1.0 for k in range(values.shape[1])])
    quality, rise, start, error, log_likelihood = _fit(
        values / deviation, noise / deviation, counts, model
    )
    slope, shift = 1 / (rise * deviation), -start / rise
    merged = combine(
        slope * values + shift, slope * noise, slope=slope, shift=shift, reference=None
    )._replace(score=quality, error=error)
    ahead = np.sign(quality[:, None] - quality)
    agreeing = (counts * np.where(ahead == 0, 0.5, ahead > 0)).sum() / counts.sum()
    return PairMerge(merged, float(agreeing), log_likelihood / float(counts.sum()))


@in_double_precision
def _fit(
    values: np.ndarray, noise: np.ndarray, wins: np.ndarray, model: Model
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Quality with its errors, the sets' lines `value = start + rise * quality`, and likelihood."""
    stimuli, sets = values.shape
    given = ~np.isnan(values)
    known, precision = np.where(given, values, 0), np.where(given, noise, np.inf) ** -2.0
    mean = known.sum(0) / given.sum(0)
    quality = np.where(given, known - mean, 0).sum(1) / np.maximum(given.sum(1), 1)
    flat = np.concatenate([quality - quality.mean(), np.zeros(sets), mean])
    damping = 1e-3  # of Levenberg and Marquardt: the larger, the shorter the step
    value, slope, hessian = map(np.asarray, _describe(flat, known, precision, wins, model))
    for _ in range(MOST_ITERATIONS):
        step = -np.linalg.solve(hessian + damping * np.diag(np.abs(np.diag(hessian))), slope)
        if np.abs(step).max() < 1e-8:
            break
        found = tuple(map(np.asarray, _describe(flat + step, known, precision, wins, model)))
        if found[0] <= value:
            flat, (value, slope, hessian) = flat + step, found
            damping = max(damping / 10, 1e-12)
        else:
            damping *= 10
    else:
        raise ValueError(
            "the scale of votes and scores did not converge: some errors are far too small to be "
            "weighed against votes."
        )
    quality, rise, start = np.split(flat, [stimuli, stimuli + sets])
    centre = np.eye(stimuli) - 1 / stimuli
    covariance = centre @ np.linalg.inv(hessian)[:stimuli, :stimuli] @ centre
    error = np.sqrt(np.maximum(np.diag(covariance), 0))
    likelihood = float(_log_likelihood(jnp.asarray(quality), jnp.asarray(wins), model))
    start = start + np.exp(rise) * quality.mean()
    return quality - quality.mean(), np.exp(rise), start, error, likelihood


def _log_likelihood(quality: jax.Array, wins: jax.Array, model: Model) -> jax.Array:
    """Of the votes."""
    return jnp.sum(wins * log_choice(model)(quality[:, None] - quality))


def _loss(
    flat: jax.Array, known: jax.Array, precision: jax.Array, wins: jax.Array, model: Model
) -> jax.Array:
    """Of qualities, logarithms of the lines' rises, and their starts."""
    stimuli, sets = known.shape
    quality, rise, start = jnp.split(flat, [stimuli, stimuli + sets])
    residual = known - start - jnp.exp(rise) * quality[:, None]
    # Neither scores nor votes know a common constant; it is set by the first term.
    constant = stimuli * jnp.mean(quality) ** 2
    votes = _log_likelihood(quality, wins, model)
    return constant + jnp.sum(precision * residual**2) / 2 - votes


@functools.partial(jax.jit, static_argnames="model")
def _describe(
    flat: jax.Array, known: jax.Array, precision: jax.Array, wins: jax.Array, model: Model
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The loss with its slope and curvature."""
    value, slope = jax.value_and_grad(_loss)(flat, known, precision, wins, model)
    return value, slope, jax.hessian(_loss)(flat, known, precision, wins, model)


def _check_linked(given: np.ndarray, wins: np.ndarray) -> None:
    from scipy.sparse.csgraph import connected_components

    compared = (wins + wins.T).any(1)
    for index, own in enumerate(given.T):
        if (own & compared).sum() < FEWEST_COMPARED:
            raise ValueError(
                f"set {index} has {(own & compared).sum()} stimuli in votes; {FEWEST_COMPARED} are "
                "the fewest that tell its line."
            )
    if (nothing := np.flatnonzero(~compared & ~given.any(1))).size:
        raise ValueError(f"stimuli {listed(nothing)} have neither a score nor a vote.")
    together = (given[:, None] & given).any(-1) | (wins + wins.T > 0)
    parts, part = connected_components(together, directed=False)
    if parts > 1:
        raise ValueError(
            f"neither scores nor votes link the stimuli {listed(np.flatnonzero(part != part[0]))} "
            "with the others."
        )
