"""Scores recovered from observers who differ: each has a bias and an inconsistency.

An observer's vote is the stimulus' quality, plus the observer's bias, plus noise as large as the
observer is inconsistent. The model and its solution are those of Li, Bampis, Krasula, Janowski and
Katsavounidis, "A Simple Model for Subject Behavior in Subjective Experiments" (HVEI 2020), which is
ITU-T P.910 (2023), Annex E, and P.913 (2021), 12.6. Who votes at random gets little weight, so that
nobody needs to be rejected.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.ratings import Votes, as_votes, check_connected, list_votes, listed

SMALLEST_VARIANCE = 1e-8  # relative to the variance of all votes; that of P.910 is absolute
TOLERANCE = 1e-9  # relative to the deviation of all votes
MOST_ITERATIONS = 1000


class Recovery(NamedTuple):
    """Scores of stimuli and traits of observers, in units of the votes.

    Attributes:
        score: `[stimuli]`, the recovered quality.
        score_error: `[stimuli]`, its standard error, `1 / sqrt(sum(1 / inconsistency^2))`.
        bias: `[observers]`, how much higher than others an observer votes; its mean is zero.
        bias_error: `[observers]`, its standard error.
        inconsistency: `[observers]`, standard deviation of an observer's noise. As it is the most
            likely one, it is a little too small, by a share of about 1 / (2 observers), for the
            scores fit the same votes; so are the errors that follow from it.
        inconsistency_error: `[observers]`, its standard error.
        log_likelihood: Mean of a vote, in nats.
        bic: Bayesian information criterion of a vote; the model with the lowest describes the votes
            best for its number of parameters.
        iterations: How many it took.
    """

    score: np.ndarray
    score_error: np.ndarray
    bias: np.ndarray
    bias_error: np.ndarray
    inconsistency: np.ndarray
    inconsistency_error: np.ndarray
    log_likelihood: float
    bic: float
    iterations: int


def subtract_bias(scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Votes without the observers' biases, as ITU-T P.913 (2021), 12.4 estimates them.

    A bias is an observer's mean difference from the mean opinion scores. Where votes are missing,
    `recover_scores` estimates biases and scores together and is to be preferred.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.

    Returns:
        Votes of the scores' shape, and biases `[observers]`.

    Raises:
        ValueError: Scores of another shape; a stimulus or an observer without a vote.

    >>> votes, bias = subtract_bias([[1, 3], [3, 5]])
    >>> votes.tolist(), bias.tolist()
    ([[2.0, 2.0], [4.0, 4.0]], [-1.0, 1.0])
    """
    votes = list_votes(scores)
    _, bias = means(votes)
    removed = as_votes(scores) - bias[:, None]
    return removed.reshape(np.shape(scores)), bias


def recover_scores(scores: ArrayLike, *, prior_votes: float = 0.0) -> Recovery:
    """Quality, bias and inconsistency of maximum likelihood, as P.910 finds them.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.
        prior_votes: How many votes of average inconsistency are added to an observer's own when
            the inconsistency is estimated. 0 is P.910. Crowds, where some gave few votes, need
            some, such as 5: the fewer votes, the easier they agree with the scores by chance, and
            the larger the weight that this earns them.

    Returns:
        Scores and traits. Where all votes are equal, errors and inconsistencies are zero.

    Raises:
        ValueError: Scores of another shape; a stimulus or an observer without a vote; fewer than
            two observers; without prior votes, an observer with fewer than three; stimuli that no
            chain of observers links; no convergence.

    >>> quality, bias = np.arange(1.0, 6.0), np.array([-0.5, 0.0, 0.5])
    >>> noise = np.random.default_rng(0).normal(0, 0.01, (5, 3))
    >>> print(recover_scores(quality[:, None] + bias + noise).bias.round(1))
    [-0.5  0.   0.5]
    """
    votes = list_votes(scores)
    _check_observers(votes, prior_votes)
    spread = np.std(votes.score) or 1.0
    score, bias = means(votes)
    for iteration in range(1, MOST_ITERATIONS + 1):
        before = score
        variance = _variances(votes, score, bias, prior_votes)
        weight = 1 / (variance + SMALLEST_VARIANCE * spread**2)
        score, bias = fit_additive(votes, weight[votes.observer])
        if np.abs(score - before).max() < TOLERANCE * spread:
            return _describe(votes, score, bias, prior_votes, iteration)
    raise ValueError(
        f"the scores still change after {MOST_ITERATIONS} iterations: some observers gave too few "
        "votes; add prior_votes=5."
    )


def means(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Mean opinion scores, and the observers' mean differences from them.

    Args:
        votes: The votes.

    Returns:
        Scores `[stimuli]` and biases `[observers]`.
    """
    ones = np.ones_like(votes.score)
    score = votes.sum_by_stimulus(votes.score) / votes.sum_by_stimulus(ones)
    difference = votes.score - score[votes.stimulus]
    return score, votes.sum_by_observer(difference) / votes.sum_by_observer(ones)


def fit_additive(votes: Votes, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and biases whose sums are nearest to the votes, in weighted least squares.

    Args:
        votes: The votes; a chain of observers links all stimuli.
        weight: `[votes]`, positive.

    Returns:
        Scores `[stimuli]` and biases `[observers]`, whose mean is zero.

    >>> votes = list_votes([[1, np.nan], [2, 4], [np.nan, 5]])
    >>> print(*fit_additive(votes, np.ones(4)))
    [2. 3. 4.] [-1.  1.]
    """
    stimuli, observers = votes.shape
    cell = votes.stimulus * observers + votes.observer
    weights = np.bincount(cell, weight, stimuli * observers).reshape(votes.shape)
    of_stimulus, of_observer = weights.sum(1), weights.sum(0)
    mean = votes.sum_by_stimulus(weight * votes.score) / of_stimulus
    # The scores eliminated, biases solve a system of their own, up to a constant that is set here.
    share = weights / of_stimulus[:, None]
    matrix = np.diag(of_observer) - weights.T @ share
    scale = of_observer.mean()
    target = votes.sum_by_observer(weight * (votes.score - mean[votes.stimulus]))
    bias = np.linalg.solve(matrix + scale / observers, target)
    bias -= bias.mean()
    return mean - share @ bias, bias


def gaussian_log_likelihood(
    votes: Votes, score: np.ndarray, bias: np.ndarray, variance: np.ndarray
) -> float:
    """Mean log-likelihood of a vote, in nats.

    Args:
        votes: The votes.
        score: `[stimuli]`.
        bias: `[observers]`.
        variance: `[votes]`, of the noise.

    Returns:
        The mean; infinite where the noise has no variance.
    """
    residual = votes.score - score[votes.stimulus] - bias[votes.observer]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.log(2 * np.pi * variance) + residual**2 / variance
    return float(-np.mean(np.where(variance > 0, terms, -np.inf)) / 2)


def information_criterion(votes: Votes, log_likelihood: float, parameters: int) -> float:
    """Bayesian information criterion of a vote: the lower, the better.

    Args:
        votes: The votes.
        log_likelihood: Mean of a vote, in nats.
        parameters: How many were fitted.

    Returns:
        `log(n) parameters / n - 2 log_likelihood` of n votes.
    """
    number = len(votes.score)
    return float(np.log(number) * parameters / number - 2 * log_likelihood)


def _describe(
    votes: Votes, score: np.ndarray, bias: np.ndarray, prior_votes: float, iterations: int
) -> Recovery:
    """The solution with its errors."""
    variance = _variances(votes, score, bias, prior_votes)
    deviation = np.sqrt(variance)
    count = votes.sum_by_observer(np.ones_like(votes.score))
    with np.errstate(divide="ignore"):
        error = 1 / np.sqrt(votes.sum_by_stimulus(1 / variance[votes.observer]))
    log_likelihood = gaussian_log_likelihood(votes, score, bias, variance[votes.observer])
    parameters = sum(votes.shape) + votes.shape[1] - 1
    return Recovery(
        score,
        error,
        bias,
        deviation / np.sqrt(count),
        deviation,
        deviation / np.sqrt(2 * count),
        log_likelihood,
        information_criterion(votes, log_likelihood, parameters),
        iterations,
    )


def _variances(votes: Votes, score: np.ndarray, bias: np.ndarray, prior_votes: float) -> np.ndarray:
    """Each observer's variance around scores and bias, with that of all as `prior_votes` more."""
    squares = (votes.score - score[votes.stimulus] - bias[votes.observer]) ** 2
    count = votes.sum_by_observer(np.ones_like(squares))
    return (votes.sum_by_observer(squares) + prior_votes * squares.mean()) / (count + prior_votes)


def _check_observers(votes: Votes, prior_votes: float) -> None:
    if prior_votes < 0:
        raise ValueError(f"prior_votes={prior_votes} must not be negative.")
    if votes.shape[1] < 2:
        raise ValueError(
            "one observer's votes are that observer's scores; at least two are needed."
        )
    count = votes.sum_by_observer(np.ones_like(votes.score))
    if prior_votes == 0 and (few := np.flatnonzero(count < 3)).size:
        raise ValueError(
            f"observers {listed(few)} gave fewer than 3 votes, which tell no inconsistency; leave "
            "them out, or add prior_votes=5."
        )
    check_connected(votes)
