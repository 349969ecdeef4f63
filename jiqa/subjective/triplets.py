"""Scores from triplets: which of two stimuli differs more from a third, the pivot?

Maximum likelihood difference scaling (Maloney and Yang, "Maximum likelihood difference scaling",
Journal of Vision 2003): a stimulus lies on a scale of impairment, a vote compares two distances on
it, and the comparison has normal noise. It is the model behind the triplets of JPEG AIC-3, in which
the pivot is the original.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.pairwise import NORMAL_UNIT
from jiqa.subjective.ratings import listed
from jiqa.subjective.scores import quantile

STARTS = 8
MOST_ITERATIONS = 200
HALVINGS = 30
LEAST_INFORMATION = 1e-3  # an error of 30 JND, which only votes without contradiction leave
BOUND_SHARE = 1e-6  # of the largest impairment, below which a stimulus is taken for the reference


class TripletScale(NamedTuple):
    """Impairments in just noticeable differences.

    Attributes:
        impairment: `[stimuli]`, distance from the reference, whose own is 0. A difference of 1
            between the distances of a triplet is seen by 75 of 100 votes.
        error: `[stimuli]`, standard error; NaN for a stimulus found to be no worse than the
            reference, whose impairment ends at 0.
        low: `[stimuli]`, lower end of the confidence interval.
        high: `[stimuli]`, upper end.
        log_likelihood: Mean of a vote, in nats; that of guessing is -0.693.
    """

    impairment: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log_likelihood: float


def scale_triplets(
    triplets: ArrayLike,
    right_differs_more: ArrayLike,
    *,
    stimuli: int,
    reference: int = 0,
    prior_deviation: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> TripletScale:
    """The most likely impairments.

    Args:
        triplets: `[votes, 3]`, indices of the stimuli left, pivot and right.
        right_differs_more: `[votes]`, 1 if the right one was said to differ more from the pivot,
            0 if the left one, 0.5 for "not sure".
        stimuli: How many there are.
        reference: The stimulus without impairment; all others lie on one side of it.
        prior_deviation: Standard deviation, in JND, of impairments that is expected beforehand; it
            makes those finite that differed more in every vote. None is maximum likelihood.
        confidence: Of the intervals.
        seed: Of the random starts, of which the most likely end is taken. They are needed where
            pivots other than the reference are used, as there can be more than one end.

    Returns:
        Impairments with errors.

    Raises:
        ValueError: Arrays of another shape; indices that are no stimuli; a stimulus that votes do
            not link with the reference; without a prior, impairments that are not finite.

    >>> triplets = np.repeat([[0, 0, 1], [1, 0, 2]], 4, axis=0)
    >>> found = scale_triplets(triplets, [1, 1, 1, 0] * 2, stimuli=3)
    >>> print(found.impairment.round(3))
    [0. 1. 2.]
    """
    counted = _count(triplets, right_differs_more, stimuli, reference)
    precision = 0.0 if prior_deviation is None else prior_deviation**-2
    best = _best_of_starts(counted, stimuli, reference, precision, seed)
    inside = np.flatnonzero(best > BOUND_SHARE * best.max())
    error = np.full(stimuli, np.nan)
    error[reference] = 0.0
    if inside.size:
        information = _information(best, counted, precision)[np.ix_(inside, inside)]
        values, directions = np.linalg.eigh(information)
        if values[0] < LEAST_INFORMATION:
            endless = inside[np.abs(directions[:, 0]) > 0.1]
            raise ValueError(
                f"the impairment of stimuli {listed(endless)} grows without end, as no vote "
                "contradicts it; give a prior_deviation, such as 5."
            )
        error[inside] = np.sqrt(((directions**2) / values).sum(1))
    width = error * quantile(confidence, "normal")
    likelihood = _likelihood(best, counted)[0] / (counted.right + counted.left).sum()
    return TripletScale(best, error, best - width, best + width, float(likelihood))


class _Counted(NamedTuple):
    """Different triplets, `[triplets, 3]`, and how often right and left were chosen in each."""

    triplets: np.ndarray
    right: np.ndarray
    left: np.ndarray


def _count(triplets: ArrayLike, votes: ArrayLike, stimuli: int, reference: int) -> _Counted:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index, given = np.asarray(triplets), np.asarray(votes, float)
    if index.ndim != 2 or index.shape[1] != 3 or given.shape != index.shape[:1] or not len(index):
        raise ValueError(
            f"triplets have shape {index.shape} and votes {given.shape}; give [votes, 3] and "
            "[votes]."
        )
    if index.min() < 0 or index.max() >= stimuli or not 0 <= reference < stimuli:
        raise ValueError(
            f"triplets name stimuli {index.min()} to {index.max()} and the reference is "
            f"{reference}, of {stimuli} stimuli."
        )
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("a vote is not from 0, the left differs more, to 1, the right does.")
    left, pivot, right = index.T
    edges = np.concatenate([left, right]), np.concatenate([pivot, left])
    graph = coo_array((np.ones(2 * len(index)), edges), (stimuli, stimuli))
    _, part = connected_components(graph, directed=False)
    if (apart := np.flatnonzero(part != part[reference])).size:
        raise ValueError(f"no triplets link the stimuli {listed(apart)} with the reference.")
    different, of_vote = np.unique(index, axis=0, return_inverse=True)
    right = np.bincount(of_vote.ravel(), given, len(different))
    return _Counted(different, right, np.bincount(of_vote.ravel()) - right)


def _best_of_starts(
    counted: _Counted, stimuli: int, reference: int, precision: float, seed: int
) -> np.ndarray:
    left, pivot, right = counted.triplets.T
    more = np.bincount(right, counted.right, stimuli) + np.bincount(left, counted.left, stimuli)
    less = np.bincount(right, counted.left, stimuli) + np.bincount(left, counted.right, stimuli)
    starts = [4 * (more + 1) / (more + less + 2)]  # by how often a stimulus differed more
    if (pivot != reference).any():
        rng = np.random.default_rng(seed)
        starts += list(rng.uniform(0, 4, (STARTS - 1, stimuli)))
    for start in starts:
        start[reference] = 0
    ends = [_climb(start, counted, reference, precision) for start in starts]
    return max(ends, key=lambda end: end[1])[0]


def _climb(
    impairment: np.ndarray, counted: _Counted, reference: int, precision: float
) -> tuple[np.ndarray, float]:
    """Fisher scoring with steps that never go down; impairments stay at or above zero."""

    def rate(impairment: np.ndarray) -> tuple[float, np.ndarray]:
        likelihood, slope = _likelihood(impairment, counted)
        return likelihood - precision * (impairment**2).sum() / 2, slope - precision * impairment

    value, slope = rate(impairment)
    for _ in range(MOST_ITERATIONS):
        free = (impairment > 0) | (slope > 0)
        free[reference] = False
        matrix = _information(impairment, counted, precision)[np.ix_(free, free)]
        ridge = 1e-9 * np.trace(matrix) * np.eye(len(matrix))
        step = np.zeros(len(impairment))
        step[free] = np.linalg.lstsq(matrix + ridge, slope[free])[0]
        step /= max(1.0, np.abs(step).max())  # a JND at most
        for _ in range(HALVINGS):
            candidate = np.maximum(impairment + step, 0)
            new_value, new_slope = rate(candidate)
            if new_value >= value:
                break
            step /= 2
        else:
            return impairment, value
        change = np.abs(candidate - impairment).max()
        impairment, value, slope = candidate, new_value, new_slope
        if change < 1e-9:
            break
    return impairment, value


def _evidence(impairment: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much more the right one differs, in deviations of noise, and its slope by impairments."""
    left, pivot, right = index.T
    to_right, to_left = impairment[right] - impairment[pivot], impairment[left] - impairment[pivot]
    sign_right, sign_left = (np.where(d < 0, -1, 1) / NORMAL_UNIT for d in (to_right, to_left))
    slope = np.zeros((len(index), len(impairment)))
    row = np.arange(len(index))
    np.add.at(slope, (row, right), sign_right)
    np.add.at(slope, (row, left), -sign_left)
    np.add.at(slope, (row, pivot), sign_left - sign_right)
    return sign_right * to_right - sign_left * to_left, slope


def _likelihood(impairment: np.ndarray, counted: _Counted) -> tuple[float, np.ndarray]:
    """Log-likelihood of all votes and its slope by impairments."""
    from scipy.special import log_ndtr

    evidence, slope = _evidence(impairment, counted.triplets)
    log_right, log_left = log_ndtr(evidence), log_ndtr(-evidence)
    log_density = -(evidence**2) / 2 - np.log(2 * np.pi) / 2
    pull = counted.right * np.exp(log_density - log_right)
    pull -= counted.left * np.exp(log_density - log_left)
    return float(counted.right @ log_right + counted.left @ log_left), pull @ slope


def _information(impairment: np.ndarray, counted: _Counted, precision: float) -> np.ndarray:
    """What votes like these tell of the impairments, the expected information."""
    from scipy.special import log_ndtr

    evidence, slope = _evidence(impairment, counted.triplets)
    log_density = -(evidence**2) / 2 - np.log(2 * np.pi) / 2
    of_vote = np.exp(2 * log_density - log_ndtr(evidence) - log_ndtr(-evidence))
    weight = (counted.right + counted.left) * of_vote
    return slope.T @ (weight[:, None] * slope) + precision * np.eye(len(impairment))
