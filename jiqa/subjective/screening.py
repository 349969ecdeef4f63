"""Which observers to leave out: BT.500's rule of outlying votes, and correlation with the others.

Screening is for means of equal observers. Models that weight observers (`recovery`) need none.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.ratings import as_votes

OUTLYING_SHARE = 0.05
ONE_SIDED = 0.3


class Screening(NamedTuple):
    """Who is rejected and why.

    Attributes:
        rejected: `[observers]` booleans.
        reasons: `[observers]`, a sentence for who is rejected and "" for the others.
        statistics: What was judged, each `[observers]`, by name.
    """

    rejected: np.ndarray
    reasons: tuple[str, ...]
    statistics: Mapping[str, np.ndarray]


def screen_bt500(scores: ArrayLike) -> Screening:
    """Observer screening of ITU-R BT.500-14, Annex 1, 2.3.1.

    On each stimulus a vote is outlying if it is at least 2 standard deviations from the mean where
    the votes look normal (kurtosis from 2 to 4), and at least sqrt(20) of them otherwise. Of an
    observer's votes P are outlying above and Q below. Who has more than 5 % outlying votes on both
    sides, `|P - Q| / (P + Q) < 0.3`, is rejected: who votes too high or too low throughout has a
    bias and stays. It is applied once. If it would reject everybody it rejects nobody.

    The convention is that of sureal (Netflix): deviations divide by the number of votes. Unlike
    there, a stimulus on which all votes are equal has no outlying votes, and shares are of the
    votes that an observer gave.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.

    Returns:
        Who is rejected, with the statistics `outlying` (share of outlying votes), `one_sidedness`
        (NaN without outlying votes), `above` and `below` (counts).

    Raises:
        ValueError: Scores of another shape, infinite or without any vote.

    >>> votes = np.full((10, 24), 3.0)
    >>> votes[::2, 0], votes[1::2, 0] = 5, 1
    >>> screen_bt500(votes).rejected.nonzero()[0].tolist()
    [0]
    """
    votes = as_votes(scores)
    stimuli, observers, _ = votes.shape
    by_stimulus = votes.reshape(stimuli, -1)
    given = ~np.isnan(by_stimulus)
    count = np.maximum(given.sum(1), 1)[:, None]
    mean = np.where(given, by_stimulus, 0).sum(1, keepdims=True) / count
    difference = np.where(given, by_stimulus - mean, 0)
    variance = (difference**2).sum(1, keepdims=True) / count
    flat = variance <= 1e-12 * np.maximum(mean**2, 1e-12)
    variance = np.where(flat, np.inf, variance)  # nothing is outlying
    kurtosis = (difference**4).sum(1, keepdims=True) / count / variance**2
    normal = (kurtosis >= 2) & (kurtosis <= 4)
    threshold = np.sqrt(np.where(normal, 4, 20) * variance)
    above = (difference >= threshold).reshape(votes.shape).sum((0, 2))
    below = (difference <= -threshold).reshape(votes.shape).sum((0, 2))
    outliers = above + below
    with np.errstate(invalid="ignore"):
        share = outliers / np.maximum((~np.isnan(votes)).sum((0, 2)), 1)
        one_sidedness = np.abs(above - below) / outliers
        rejected = (share > OUTLYING_SHARE) & (one_sidedness < ONE_SIDED)
    if rejected.all():
        rejected = np.zeros(observers, bool)
    reasons = tuple(
        f"{share[i]:.0%} of votes are outlying, {above[i]} above and {below[i]} below (BT.500)"
        if rejected[i]
        else ""
        for i in range(observers)
    )
    statistics = {
        "outlying": share,
        "one_sidedness": one_sidedness,
        "above": above,
        "below": below,
    }
    return Screening(rejected, reasons, statistics)


def screen_by_correlation(scores: ArrayLike, *, threshold: float = 0.75) -> Screening:
    """Rejects, worst first, observers who do not agree with the mean of all that are left.

    After each rejection the mean is computed again, until everybody's Pearson correlation with it
    reaches the threshold: 0.75 is that of ITU-T P.913 (2021), 11.4; CrowdMOS (Ribeiro et al. 2011)
    takes 0.25 for crowds.

    Args:
        scores: As in `screen_bt500`.
        threshold: From -1 to 1.

    Returns:
        Who is rejected, with the statistic `correlation`: with the mean of those that were left
        when the observer was judged last. An observer without two different votes has NaN and is
        rejected.

    Raises:
        ValueError: Scores of another shape, infinite or without any vote; a threshold out of range;
            fewer than two observers would be left.

    >>> votes = np.arange(1.0, 6.0)[:, None] + np.zeros(4)
    >>> votes[:, 3] = votes[::-1, 3]
    >>> screen_by_correlation(votes).reasons
    ('', '', '', 'correlation -1.00 with the mean is below 0.75')
    """
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold={threshold} is no correlation, which is from -1 to 1.")
    votes = as_votes(scores)
    observers = votes.shape[1]
    kept, correlation = np.ones(observers, bool), np.full(observers, np.nan)
    while kept.sum() > 1:
        correlation[kept] = correlate_with_mean(votes[:, kept])
        judged = np.where(kept, np.nan_to_num(correlation, nan=-2), np.inf)
        worst = int(np.argmin(judged))
        if judged[worst] >= threshold:
            break
        kept[worst] = False
    else:
        raise ValueError(
            f"no two observers' correlation with their mean reaches {threshold:g}; at least two "
            "have to be left."
        )
    reasons = tuple(
        ""
        if kept[i]
        else "gave no two different votes"
        if np.isnan(correlation[i])
        else f"correlation {correlation[i]:.2f} with the mean is below {threshold:g}"
        for i in range(observers)
    )
    return Screening(~kept, reasons, {"correlation": correlation})


def correlate_with_mean(scores: ArrayLike, *, leave_out: bool = False) -> np.ndarray:
    """Pearson correlation of each observer's votes with the mean opinion scores.

    Args:
        scores: As in `screen_bt500`.
        leave_out: Whether an observer's own votes are left out of the means they are compared with.

    Returns:
        `[observers]`; NaN where either side is constant.

    >>> print(correlate_with_mean([[1, 2], [2, 3], [3, 4]]))
    [1. 1.]
    """
    votes = as_votes(scores)
    given = ~np.isnan(votes)
    own_sum, own_count = np.where(given, votes, 0).sum(2), given.sum(2)
    total, count = own_sum.sum(1, keepdims=True), own_count.sum(1, keepdims=True)
    if leave_out:
        total, count = total - own_sum, count - own_count
    with np.errstate(invalid="ignore", divide="ignore"):
        own, mean = own_sum / own_count, total / count
    both = ~np.isnan(own) & ~np.isnan(mean + 0 * own)
    own, mean = np.where(both, own, 0), np.where(both, mean + 0 * own, 0)
    number = np.maximum(both.sum(0), 1)
    own = np.where(both, own - own.sum(0) / number, 0)
    mean = np.where(both, mean - mean.sum(0) / number, 0)
    norms = np.sqrt((own**2).sum(0) * (mean**2).sum(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norms > 1e-12, (own * mean).sum(0) / norms, np.nan)
