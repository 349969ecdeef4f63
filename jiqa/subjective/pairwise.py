"""Scores from pairwise votes: which of two stimuli is better?

Thurstone's model (1927, case V) takes a vote for the sign of a normally distributed difference;
that of Bradley and Terry (1952) takes a logistic one. Scores are in just objectionable differences
(JOD): a difference of 1 means that 75 of 100 votes prefer the better, whatever the model.
Conventions are those of pwcmp (Perez-Ortiz and Mantiuk, "A practical guide and software for
analysing pairwise comparison experiments", arXiv 1712.03686).
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.precision import in_double_precision
from jiqa.subjective.ratings import listed
from jiqa.subjective.scores import quantile
from jiqa.subjective.screening import Screening

if TYPE_CHECKING:
    import pandas as pd

Model = Literal["thurstone", "bradley_terry"]
Choice = Callable[[jax.Array], jax.Array]
State = tuple[jax.Array, jax.Array, int]  # of the iteration: scores, largest change, number

NORMAL_UNIT = 1.4826022185056018  # deviation of which a difference of 1 is the upper quartile
LOGISTIC_UNIT = 1 / np.log(3.0)
MOST_ITERATIONS = 300
OUTLYING = 1.5  # quartile distances below the lower quartile


class PairVotes(NamedTuple):
    """Who preferred what.

    Attributes:
        wins: `[observers, stimuli, stimuli]`, how often an observer preferred the first to the
            second; a tie is half a win for each.
        stimuli: Their names.
        observers: Their names.
    """

    wins: np.ndarray
    stimuli: tuple[str, ...]
    observers: tuple[str, ...]


class PairScale(NamedTuple):
    """Scores of stimuli in JOD.

    Attributes:
        score: `[stimuli]`; their mean is zero, or the reference's score is.
        error: `[stimuli]`, standard error.
        low: `[stimuli]`, lower end of the confidence interval.
        high: `[stimuli]`, upper end.
        covariance: `[stimuli, stimuli]`, of the scores' errors. That of a difference has the
            variance `c[i, i] + c[j, j] - 2 c[i, j]`.
        log_likelihood: Mean of a vote, in nats; that of guessing is -0.693.
    """

    score: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    covariance: np.ndarray
    log_likelihood: float


def count_wins(votes: "pd.DataFrame") -> PairVotes:
    """The wins in a table of pairwise votes.

    Args:
        votes: A row a vote, with the columns `observer`, `first` and `second` (names of the
            stimuli) and `first_preferred`: 1, 0, or 0.5 for a tie.

    Returns:
        The wins; stimuli and observers sorted by name.

    Raises:
        ValueError: A column is missing, a stimulus is compared with itself, or a vote is not from
            0 to 1.

    >>> import pandas as pd
    >>> table = {"observer": "A", "first": ["x", "y"], "second": ["y", "x"]}
    >>> count_wins(pd.DataFrame({**table, "first_preferred": [1, 1]})).wins.tolist()
    [[[0.0, 1.0], [1.0, 0.0]]]
    """
    import pandas as pd

    if missing := {"observer", "first", "second", "first_preferred"} - set(votes.columns):
        raise ValueError(f"the table of votes has no column {listed(sorted(missing))}.")
    won = votes["first_preferred"].to_numpy(float)
    if not ((won >= 0) & (won <= 1)).all():
        raise ValueError("a vote is not from 0, the second is preferred, to 1, the first is.")
    names = votes[["first", "second"]].astype("str").to_numpy()
    if (same := names[:, 0] == names[:, 1]).any():
        raise ValueError(f"{names[same][0, 0]} is compared with itself.")
    stimuli, index = np.unique(names, return_inverse=True)
    first, second = index.reshape(names.shape).T
    observer, observers = pd.factorize(votes["observer"].astype("str"), sort=True)
    wins = np.zeros((len(observers), len(stimuli), len(stimuli)))
    np.add.at(wins, (observer, first, second), won)
    np.add.at(wins, (observer, second, first), 1 - won)
    return PairVotes(wins, tuple(stimuli), tuple(observers))


def scale_pairs(
    wins: ArrayLike,
    *,
    model: Model = "thurstone",
    prior_deviation: float | None = None,
    reference: int | None = None,
    confidence: float = 0.95,
) -> PairScale:
    """The most likely scores, with errors from the curvature of the likelihood.

    Args:
        wins: `[stimuli, stimuli]`, how often the first was preferred to the second, or `[observers,
            stimuli, stimuli]`, which is summed.
        model: "thurstone" or "bradley_terry".
        prior_deviation: Standard deviation, in JOD, of the scores that is expected beforehand; None
            is maximum likelihood. With it, everything has a score: stimuli that won or lost every
            vote, and those that no votes link, whose distance is then the prior's.
        reference: The stimulus whose score is zero; None makes the mean zero, which is what keeps
            the errors small.
        confidence: Of the intervals, which are normal: score and error times a quantile.

    Returns:
        Scores with errors and covariance.

    Raises:
        ValueError: Wins of another shape, negative, or of a stimulus over itself; without a prior,
            stimuli that no votes link, or that won or lost every vote, whose most likely score is
            infinite; an unknown model or reference.

    >>> scale = scale_pairs([[0, 25, 0], [75, 0, 25], [0, 75, 0]], reference=0)
    >>> print(scale.score.round(6))
    [0. 1. 2.]
    """
    counts = as_wins(wins)
    counts = counts.sum(0) if counts.ndim == 3 else counts
    precision = _precision(prior_deviation)
    if reference is not None and not 0 <= reference < len(counts):
        raise ValueError(f"reference={reference} is none of the {len(counts)} stimuli.")
    if precision == 0:
        _check_finite(counts)
    score, covariance, log_likelihood, converged = fit_pairs(counts, precision, model=model)
    if not converged:
        raise ValueError("the scores did not converge; a prior_deviation, such as 3, helps.")
    if reference is not None:
        score = score - score[reference]
        across = covariance - covariance[reference]
        covariance = across - across[:, [reference]]
    error = np.sqrt(np.maximum(np.diag(covariance), 0))
    width = error * quantile(confidence, "normal")
    votes = max(float(counts.sum()), 1.0)
    return PairScale(
        score, error, score - width, score + width, covariance, float(log_likelihood) / votes
    )


def bootstrap_pairs(
    wins: ArrayLike,
    *,
    samples: int = 500,
    seed: int = 0,
    model: Model = "thurstone",
    prior_deviation: float | None = None,
    reference: int | None = None,
    confidence: float = 0.95,
) -> PairScale:
    """Scores as `scale_pairs`, with intervals from resampled observers.

    Errors of `scale_pairs` take votes for independent; votes of one observer are not, and here
    observers are drawn with replacement, as pwcmp does.

    Args:
        wins: `[observers, stimuli, stimuli]`.
        samples: How often observers are drawn.
        seed: Of the draws.
        model: As in `scale_pairs`.
        prior_deviation: As in `scale_pairs`; needed where some sample has a stimulus that won or
            lost every vote.
        reference: As in `scale_pairs`.
        confidence: Of the intervals, whose ends are percentiles of the samples.

    Returns:
        Scores of all votes, with errors, covariance and intervals of the samples.

    Raises:
        ValueError: As in `scale_pairs`, of all votes or of a sample; fewer than two observers.

    >>> wins = np.tile([[0.0, 2], [1, 0]], (9, 1, 1))
    >>> bootstrap_pairs(wins, samples=20).error.round(9).tolist()  # all observers are alike
    [0.0, 0.0]
    """
    counts = as_wins(wins)
    if counts.ndim != 3 or len(counts) < 2:
        raise ValueError("resampling needs wins [observers, stimuli, stimuli] of two observers.")
    whole = scale_pairs(
        counts,
        model=model,
        prior_deviation=prior_deviation,
        reference=reference,
        confidence=confidence,
    )
    drawn = np.random.default_rng(seed).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), samples
    )
    resampled = np.einsum("so,oij->sij", drawn, counts)
    precision = _precision(prior_deviation)
    if precision == 0:
        for sample in resampled:
            try:
                _check_finite(sample)
            except ValueError as error:
                raise ValueError(
                    f"in a sample of observers, {error} A prior_deviation, such as 3, helps."
                ) from error
    score, _, _, converged = fit_pairs(resampled, precision, model=model)
    if not converged.all():
        raise ValueError("the scores of a sample did not converge; give a prior_deviation.")
    if reference is not None:
        score = score - score[:, [reference]]
    ends = np.percentile(score, [50 * (1 - confidence), 50 * (1 + confidence)], axis=0)
    covariance = np.cov(score, rowvar=False)
    return whole._replace(
        error=score.std(0, ddof=1), low=ends[0], high=ends[1], covariance=covariance
    )


def screen_pairs(
    wins: ArrayLike,
    *,
    model: Model = "thurstone",
    prior_deviation: float = 3.0,
    threshold: float = OUTLYING,
) -> Screening:
    """Observers whose votes the scores of the others do not explain.

    It is the analysis of pwcmp, with the mean log-likelihood of a vote in place of the sum: an
    observer's distance is how far it is below the lower quartile of all observers, in distances
    between the quartiles. Perez-Ortiz and Mantiuk advise to look closely at who is beyond 1.5, and
    to reject nobody for the number alone.

    Args:
        wins: `[observers, stimuli, stimuli]`.
        model: As in `scale_pairs`.
        prior_deviation: As in `scale_pairs`.
        threshold: From which distance on an observer is rejected.

    Returns:
        The screening, with the statistics `log_likelihood` (NaN for who did not vote) and
        `distance`.

    Raises:
        ValueError: As in `scale_pairs`; fewer than four observers.

    >>> wins = np.tile([[0.0, 8], [2, 0]], (8, 1, 1))
    >>> wins[:, 0, 1] -= [0, 0, 1, 1, 2, 2, 0, 8]
    >>> screen_pairs(wins).rejected.nonzero()[0].tolist()
    [7]
    """
    counts = as_wins(wins)
    if counts.ndim != 3 or len(counts) < 4:
        raise ValueError("screening needs wins [observers, stimuli, stimuli] of four observers.")
    others = counts.sum(0) - counts
    score = fit_pairs(others, _precision(prior_deviation), model=model)[0]
    number = counts.sum((1, 2))
    log = log_preference(score[:, :, None] - score[:, None], model)
    with np.errstate(invalid="ignore"):
        likelihood = (counts * log).sum((1, 2)) / np.where(number > 0, number, np.nan)
    lower, upper = np.nanpercentile(likelihood, [25, 75])
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.where(likelihood < lower, (lower - likelihood) / (upper - lower), 0.0)
    rejected = distance > threshold
    reasons = tuple(
        f"the others' scores explain the votes badly: distance {d:.2f} is above {threshold:g}"
        if bad
        else ""
        for d, bad in zip(distance, rejected, strict=True)
    )
    return Screening(rejected, reasons, {"log_likelihood": likelihood, "distance": distance})


def preference(difference: ArrayLike, model: Model = "thurstone") -> np.ndarray:
    """How probable it is that the first of two is preferred.

    Args:
        difference: Its score less the other's, in JOD, of any shape.
        model: "thurstone" or "bradley_terry".

    Returns:
        Of the same shape, from 0 to 1.

    Raises:
        ValueError: An unknown model.

    >>> print(preference([0, 1, -1]).round(4), preference(1.0, "bradley_terry").round(4))
    [0.5  0.75 0.25] 0.75
    """
    return np.exp(log_preference(difference, model))


@in_double_precision
def log_preference(difference: ArrayLike, model: Model = "thurstone") -> np.ndarray:
    """Natural logarithm of `preference`, exact far from 0 too."""
    return np.asarray(log_choice(model)(jnp.asarray(difference, float)))


def log_choice(model: Model) -> Choice:
    """The function of a model that takes a difference in JOD to the log-probability of a vote.

    Args:
        model: "thurstone" or "bradley_terry".

    Returns:
        An elementwise function of arrays.

    Raises:
        ValueError: An unknown model.
    """
    choices: dict[str, Choice] = {
        "thurstone": lambda d: jax.scipy.special.log_ndtr(d / NORMAL_UNIT),
        "bradley_terry": lambda d: jax.nn.log_sigmoid(d / LOGISTIC_UNIT),
    }
    if model not in choices:
        raise ValueError(f"model={model!r} is unknown; use one of {', '.join(choices)}.")
    return choices[model]


@in_double_precision
def fit_pairs(
    wins: np.ndarray, precision: float, *, model: Model
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Newton's method, for any number of matrices of wins at once.

    Args:
        wins: `[..., stimuli, stimuli]`.
        precision: Inverse variance of the scores beforehand, in JOD; 0 for none.
        model: "thurstone" or "bradley_terry".

    Returns:
        Scores `[..., stimuli]` of mean zero, their covariance, the log-likelihood `[...]` of all
        votes, and whether it converged `[...]`.
    """
    flat = jnp.asarray(wins).reshape(-1, *wins.shape[-2:])
    found = _fit_all(flat, jnp.asarray(precision, float), model)
    return tuple(  # type: ignore[return-value]
        np.asarray(part).reshape((*wins.shape[:-2], *part.shape[1:])) for part in found
    )


@functools.partial(jax.jit, static_argnames="model")
def _fit_all(wins: jax.Array, precision: jax.Array, model: Model) -> tuple[jax.Array, ...]:
    return jax.vmap(lambda some: _fit(some, precision, model))(wins)


def _fit(wins: jax.Array, precision: jax.Array, model: Model) -> tuple[jax.Array, ...]:
    log_probability = log_choice(model)
    slope = jnp.vectorize(jax.grad(log_probability))
    curvature = jnp.vectorize(jax.grad(jax.grad(log_probability)))
    stimuli = len(wins)
    mean_of_all = jnp.full((stimuli, stimuli), 1 / stimuli, wins.dtype)

    def information(score: jax.Array) -> jax.Array:
        """The negative Hessian: the Laplacian of the graph whose edges are the pairs compared."""
        edges = -wins * curvature(score[:, None] - score)
        edges = edges + edges.T
        return jnp.diag(edges.sum(1) + precision) - edges

    def newton(state: State) -> State:
        score, _, iteration = state
        pulls = wins * slope(score[:, None] - score)
        gradient = pulls.sum(1) - pulls.sum(0) - precision * score
        # Likelihoods know no common constant: its direction is filled, so that no step takes it.
        matrix = information(score)
        step = jnp.linalg.solve(matrix + jnp.trace(matrix) * mean_of_all, gradient)
        step = step / jnp.maximum(1, jnp.max(jnp.abs(step)))  # far out the parabola misleads
        return score + step, jnp.max(jnp.abs(step)), iteration + 1

    def goes_on(state: State) -> jax.Array:
        return (state[1] > 1e-9) & (state[2] < MOST_ITERATIONS)

    start = jnp.zeros(stimuli, wins.dtype), jnp.asarray(jnp.inf, wins.dtype), 0
    score, change, _ = jax.lax.while_loop(goes_on, newton, start)
    matrix = information(score)
    inverse = jnp.linalg.inv(matrix + jnp.trace(matrix) * mean_of_all)
    centre = jnp.eye(stimuli) - mean_of_all
    log_likelihood = jnp.sum(wins * log_probability(score[:, None] - score))
    return score - score.mean(), centre @ inverse @ centre, log_likelihood, change <= 1e-9


def as_wins(wins: ArrayLike) -> np.ndarray:
    """Checks wins.

    Args:
        wins: `[stimuli, stimuli]` or `[observers, stimuli, stimuli]`.

    Returns:
        The same in double precision.

    Raises:
        ValueError: Another shape, one stimulus, counts that are negative or not finite, or wins of
            a stimulus over itself.
    """
    counts = np.asarray(wins, float)
    if counts.ndim not in (2, 3) or counts.shape[-1] != counts.shape[-2]:
        raise ValueError(
            f"wins have shape {counts.shape}; give [stimuli, stimuli] or [observers, stimuli, "
            "stimuli]."
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("wins are counts, finite and not negative.")
    if np.diagonal(counts, axis1=-2, axis2=-1).any():
        raise ValueError("a stimulus has wins over itself; the diagonal is zero.")
    if counts.shape[-1] < 2:
        raise ValueError("one stimulus has nothing to be compared with.")
    return counts


def _precision(prior_deviation: float | None) -> float:
    if prior_deviation is None:
        return 0.0
    if not 0 < prior_deviation < np.inf:
        raise ValueError(f"prior_deviation={prior_deviation} must be positive and finite, or None.")
    return prior_deviation**-2


def _check_finite(wins: np.ndarray) -> None:
    """Checks Ford's condition (1957): no group of stimuli has only wins over all others."""
    from scipy.sparse.csgraph import connected_components

    parts, part = connected_components(wins, connection="weak")
    if parts > 1:
        group = np.flatnonzero(part != part[0])
        raise ValueError(
            f"no votes link the stimuli {listed(group)} with the others, so their distance is "
            "unknown; compare them, or give a prior_deviation."
        )
    parts, part = connected_components(wins, connection="strong")
    if parts == 1:
        return
    groups = sorted((part == number for number in range(parts)), key=np.count_nonzero)
    for group in groups:
        won, lost = wins[group][:, ~group].sum(), wins[~group][:, group].sum()
        if lost == 0 or won == 0:
            how = "won" if lost == 0 else "lost"
            raise ValueError(
                f"the stimuli {listed(np.flatnonzero(group))} {how} every vote against the others, "
                "so their most likely distance is infinite; give a prior_deviation, such as 3."
            )
