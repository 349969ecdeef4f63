"""Scores recovered with the ambiguity of contents: some are harder to judge than others.

The model of `recovery` with more noise in it: a vote's variance is that of the observer's
inconsistency plus that of the content's ambiguity. It is the full model of Li and Bampis, "Recover
Subjective Quality Scores from Noisy Measurements" (DCC 2017).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.ratings import Votes, list_votes
from jiqa.subjective.recovery import (
    Recovery,
    fit_additive,
    gaussian_log_likelihood,
    information_criterion,
    recover_scores,
)

SMALLEST_VARIANCE = 1e-6  # of an observer or a content, relative to the mean of the votes' noise
MOST_ITERATIONS = 2000


class ContentRecovery(NamedTuple):
    """What the model tells.

    Attributes:
        recovery: Scores, biases, inconsistencies and the fit, with the errors of this model; the
            error of an inconsistency of zero is infinite.
        contents: Names of the contents, in the order in which they first come.
        ambiguity: `[contents]`, standard deviation of the noise that a content adds.
        ambiguity_error: `[contents]`, its standard error; infinite where the ambiguity is zero.
    """

    recovery: Recovery
    contents: tuple[str, ...]
    ambiguity: np.ndarray
    ambiguity_error: np.ndarray


def recover_with_ambiguity(scores: ArrayLike, contents: Sequence[str]) -> ContentRecovery:
    """Quality, bias, inconsistency and ambiguity of maximum likelihood.

    Only sums of an observer's and a content's variance are observed: the ambiguity of all contents
    could as well be lower by some variance and the inconsistency of all observers higher. Of all
    these equally likely solutions the one is given whose least ambiguous content has none, so that
    inconsistency compares with that of `recover_scores`. Scores and biases are the same in all.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.
        contents: `[stimuli]`, what each stimulus shows.

    Returns:
        Scores, traits of observers and ambiguities of contents.

    Raises:
        ValueError: As in `recover_scores`; another number of contents than stimuli; fewer than two
            contents; votes without noise; no convergence.

    >>> rng = np.random.default_rng(0)
    >>> noise = np.repeat([0.2, 0.8], 20)[:, None] * rng.normal(size=(40, 9))
    >>> votes = np.linspace(1, 5, 40)[:, None] + noise
    >>> print(recover_with_ambiguity(votes, ["sea"] * 20 + ["crowd"] * 20).ambiguity.round(1))
    [0.  0.8]
    """
    votes = list_votes(scores)
    if len(contents) != votes.shape[0]:
        raise ValueError(f"{len(contents)} contents are given for {votes.shape[0]} stimuli.")
    names = tuple(dict.fromkeys(contents))
    if len(names) < 2:
        raise ValueError("all stimuli show one content, whose ambiguity cannot be told apart.")
    content = np.array([names.index(name) for name in contents])[votes.stimulus]
    start = recover_scores(scores).inconsistency ** 2
    if not start.mean() > 0:
        raise ValueError("the votes agree but for biases; there is no noise to divide.")
    of_observer, of_content, iterations = _most_likely_variances(votes, content, len(names), start)
    least = of_content.min()
    return _describe(votes, content, names, of_observer + least, of_content - least, iterations)


def _most_likely_variances(
    votes: Votes, content: np.ndarray, contents: int, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Variances of observers and contents, each with the scores and biases that fit them best."""
    from scipy.optimize import minimize

    observers, noise = votes.shape[1], start.mean()

    def loss(variances: np.ndarray) -> tuple[float, np.ndarray]:
        of_observer, of_content = np.split(noise * variances, [observers])
        variance = of_observer[votes.observer] + of_content[content]
        score, bias = fit_additive(votes, 1 / variance)
        residual = votes.score - score[votes.stimulus] - bias[votes.observer]
        # At the best scores and biases, their change with the variances does not count.
        slope = (1 - residual**2 / variance) / variance
        slopes = votes.sum_by_observer(slope), np.bincount(content, slope, contents)
        value = np.mean(np.log(variance) + residual**2 / variance)
        return value, noise * np.concatenate(slopes) / len(residual)

    begin = np.concatenate([start / noise / 2, np.full(contents, 0.5)])
    found = minimize(
        loss,
        np.maximum(begin, 2 * SMALLEST_VARIANCE),
        jac=True,
        method="L-BFGS-B",
        bounds=[(SMALLEST_VARIANCE, None)] * len(begin),
        options={"maxiter": MOST_ITERATIONS, "ftol": 1e-14, "gtol": 1e-9, "maxcor": 20},
    )
    if not found.success:
        raise ValueError(f"the model with ambiguity did not converge: {found.message}.")
    of_observer, of_content = np.split(noise * found.x, [observers])
    return of_observer, of_content, found.nit


def _describe(
    votes: Votes,
    content: np.ndarray,
    names: tuple[str, ...],
    of_observer: np.ndarray,
    of_content: np.ndarray,
    iterations: int,
) -> ContentRecovery:
    """Scores and biases for these variances, and errors from the expected information."""
    variance = of_observer[votes.observer] + of_content[content]
    score, bias = fit_additive(votes, 1 / variance)
    log_likelihood = gaussian_log_likelihood(votes, score, bias, variance)
    parameters = sum(votes.shape) + votes.shape[1] + len(names) - 2
    inconsistency, ambiguity = np.sqrt(of_observer), np.sqrt(of_content)
    by_observer = votes.sum_by_observer(1 / variance**2)
    by_content = np.bincount(content, 1 / variance**2, len(names))
    with np.errstate(divide="ignore"):
        inconsistency_error = 1 / (inconsistency * np.sqrt(2 * by_observer))
        ambiguity_error = 1 / (ambiguity * np.sqrt(2 * by_content))
    recovery = Recovery(
        score,
        1 / np.sqrt(votes.sum_by_stimulus(1 / variance)),
        bias,
        1 / np.sqrt(votes.sum_by_observer(1 / variance)),
        inconsistency,
        inconsistency_error,
        log_likelihood,
        information_criterion(votes, log_likelihood, parameters),
        iterations,
    )
    return ContentRecovery(recovery, names, ambiguity, ambiguity_error)
