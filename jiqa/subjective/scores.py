"""Mean opinion scores with intervals, differential scores and z-scores.

Whoever votes is taken as one of many equal observers; `jiqa.subjective.recovery` knows that they
differ. Conventions are those of ITU-R BT.500-14 and ITU-T P.910 (2023).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.ratings import as_votes, listed


class MeanOpinion(NamedTuple):
    """Mean opinion scores, each `[stimuli]`.

    Attributes:
        score: The mean of the votes; NaN for a stimulus without a vote.
        deviation: Their standard deviation (SOS), from two votes on; NaN for fewer.
        votes: How many there are.
        error: The standard error of the score; NaN for fewer than two votes.
        low: Lower end of the confidence interval; NaN for fewer than two votes.
        high: Upper end.
    """

    score: np.ndarray
    deviation: np.ndarray
    votes: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean_opinion(
    scores: ArrayLike,
    *,
    confidence: float = 0.95,
    interval: Literal["student", "normal"] = "student",
) -> MeanOpinion:
    """Mean opinion score (MOS) of each stimulus.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.
        confidence: Of the interval, above 0 and below 1.
        interval: "student" allows for the deviation being an estimate, which matters with few
            votes; "normal" is BT.500's 1.96 standard errors.

    Returns:
        Scores, deviations, counts, errors and intervals. Where all votes are equal the interval has
        no width.

    Raises:
        ValueError: Scores of another shape, infinite or without any vote; an unknown interval; a
            confidence out of range.

    >>> found = mean_opinion([[4, 5, 3], [1, 1, 1], [2, np.nan, np.nan]])
    >>> found.score.tolist(), found.votes.tolist()
    ([4.0, 1.0, 2.0], [3, 3, 1])
    >>> print(found.low.round(2))
    [1.52 1. nan]
    """
    votes = as_votes(scores).reshape(len(scores), -1)  # type: ignore[arg-type]
    given = ~np.isnan(votes)
    count = given.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(given, votes, 0).sum(1) / count
        squares = np.where(given, (votes - mean[:, None]) ** 2, 0).sum(1)
        deviation = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
        error = deviation / np.sqrt(count)
    width = error * quantile(confidence, interval, count - 1)
    return MeanOpinion(mean, deviation, count, error, mean - width, mean + width)


def quantile(
    confidence: float, interval: Literal["student", "normal"], freedom: ArrayLike = np.inf
) -> np.ndarray:
    """Half the width of a two-sided interval in standard errors.

    Args:
        confidence: Above 0 and below 1.
        interval: "student" or "normal".
        freedom: Degrees of freedom, of any shape; only for "student".

    Returns:
        Of the shape of `freedom`; NaN without a degree of freedom.

    Raises:
        ValueError: A confidence out of range, or an unknown interval.

    >>> print(quantile(0.95, "normal").round(3), quantile(0.95, "student", 4).round(3))
    1.96 2.776
    """
    from scipy import stats

    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be above 0 and below 1, such as 0.95.")
    if interval not in ("student", "normal"):
        raise ValueError(f"interval={interval!r} is unknown; use student or normal.")
    freedom = np.asarray(freedom, float)
    if interval == "normal":
        return np.full(freedom.shape, stats.norm.ppf((1 + confidence) / 2))
    return stats.t.ppf((1 + confidence) / 2, np.where(freedom > 0, freedom, np.nan))


def differential_scores(
    scores: ArrayLike, references: ArrayLike, *, best: float = 0.0, own_reference: bool = True
) -> np.ndarray:
    """Scores less those of the hidden reference, whose mean is the differential MOS (DMOS).

    Args:
        scores: As in `mean_opinion`.
        references: `[stimuli]`, the index of each stimulus' reference, which refers to itself;
            stimuli without one (-1) get NaN.
        best: What a stimulus gets that is rated as its reference: 5 in P.910 (ACR with hidden
            reference), 0 for plain differences.
        own_reference: Whether an observer's own vote on the reference is subtracted, as P.910 has
            it; otherwise the mean of all votes on it, as sureal does.

    Returns:
        Of the scores' shape; NaN where the vote, or the observer's on the reference, is missing.

    Raises:
        ValueError: Scores of another shape, or references that are no indices of stimuli.

    >>> differential_scores([[5, 4], [3, 1]], [0, 0], best=5).tolist()
    [[5.0, 5.0], [3.0, 2.0]]
    """
    votes, index = as_votes(scores), np.asarray(references)
    if index.shape != votes.shape[:1] or index.dtype.kind not in "iu":
        raise ValueError(
            f"references have shape {index.shape} and dtype {index.dtype}; give an index for each "
            f"of the {len(votes)} stimuli."
        )
    if index.min() < -1 or index.max() >= len(votes):
        raise ValueError(
            f"references go from {index.min()} to {index.max()}; stimuli to "
            f"{len(votes) - 1}, and -1 is none."
        )
    axes = 2 if own_reference else (1, 2)
    base = _mean_of_given(votes[index], axes)
    base[index == -1] = np.nan
    return (votes - base + best).reshape(np.shape(scores))


def z_scores(scores: ArrayLike) -> np.ndarray:
    """Scores with each observer's mean taken away and divided by their standard deviation.

    Args:
        scores: As in `mean_opinion`.

    Returns:
        Of the scores' shape.

    Raises:
        ValueError: Scores of another shape; an observer with fewer than two different votes.

    >>> z_scores([[1, 20], [2, 40], [3, 60]]).tolist()
    [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]
    """
    votes = as_votes(scores)
    count = (~np.isnan(votes)).sum((0, 2))
    difference = votes - _mean_of_given(votes, (0, 2))
    squares = np.nansum(difference**2, axis=(0, 2))
    if (constant := np.flatnonzero(squares == 0)).size:
        raise ValueError(
            f"observers {listed(constant)} did not give two different votes, so they have no "
            "z-scores; leave them out."
        )
    deviation = np.sqrt(squares / (count - 1))
    return (difference / deviation[:, None]).reshape(np.shape(scores))


def rescale_z_scores(scores: ArrayLike) -> np.ndarray:
    """Z-scores on the scale of the LIVE data sets, `100 (z + 3) / 6`.

    Args:
        scores: Z-scores of any shape.

    Returns:
        Of the same shape; from 0 to 100 for z-scores from -3 to 3, and not clipped.

    >>> rescale_z_scores([-3, 0, 3]).tolist()
    [0.0, 50.0, 100.0]
    """
    return (np.asarray(scores, float) + 3) * 100 / 6


def vote_shares(scores: ArrayLike, levels: ArrayLike) -> np.ndarray:
    """What share of a stimulus' votes fell on each level of the scale.

    Args:
        scores: As in `mean_opinion`.
        levels: The scale, such as `[1, 2, 3, 4, 5]`.

    Returns:
        `[stimuli, levels]`; NaN for a stimulus without a vote.

    Raises:
        ValueError: Scores of another shape, or a vote that is none of the levels.

    >>> vote_shares([[1, 2, 2, 2]], [1, 2, 3]).tolist()
    [[0.25, 0.75, 0.0]]
    """
    votes, levels = as_votes(scores), np.asarray(levels, float)
    counts = np.stack([(votes == level).sum((1, 2)) for level in levels], axis=1)
    given = ~np.isnan(votes)
    if (strange := votes[given & ~np.isin(votes, levels)]).size:
        raise ValueError(f"vote {strange[0]:g} is none of the levels {listed(levels)}.")
    with np.errstate(invalid="ignore"):
        return counts / given.sum((1, 2))[:, None]


def _mean_of_given(votes: np.ndarray, axes: int | tuple[int, ...]) -> np.ndarray:
    """The mean over axes, kept with length 1, of votes that were given; NaN where there is none."""
    given = ~np.isnan(votes)
    with np.errstate(invalid="ignore"):
        total = np.where(given, votes, 0).sum(axes, keepdims=True)
        return total / given.sum(axes, keepdims=True)
