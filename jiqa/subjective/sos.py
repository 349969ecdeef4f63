"""The SOS hypothesis: how much observers disagree depends on the mean score by one parameter.

Hossfeld, Schatz and Egger, "SOS: The MOS is not enough!" (QoMEX 2011): on a scale from L to H the
variance of a stimulus' votes is `a (H - x)(x - L)`, x its mean. The parameter a tells how diverse
the opinions are, from 0, all agree, to 1, all take an end of the scale.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.scores import mean_opinion


class SosFit(NamedTuple):
    """The parabola that fits best.

    Attributes:
        a: The SOS parameter; NaN where all means are ends of the scale.
        error: Its standard error; NaN for fewer than two stimuli that count.
        rmse: Root mean square difference of variances from the parabola, in squared scores.
        stimuli: How many stimuli count: those with two votes or more.
        scale: L and H.
    """

    a: float
    error: float
    rmse: float
    stimuli: int
    scale: tuple[float, float]

    def deviation(self, score: ArrayLike) -> np.ndarray:
        """The standard deviation that the hypothesis expects at mean scores of any shape."""
        low, high = self.scale
        score = np.asarray(score, float)
        return np.sqrt(self.a * np.maximum((high - score) * (score - low), 0))


def fit_sos(scores: ArrayLike, *, low: float, high: float) -> SosFit:
    """Fits the SOS parameter by least squares.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.
        low: The lowest score of the scale.
        high: The highest.

    Returns:
        The fit.

    Raises:
        ValueError: Scores of another shape; votes outside the scale; no stimulus with two votes.

    >>> votes = np.array([[1, 1, 5, 5], [1, 1, 1, 5], [3, 5, 5, 5]])
    >>> fit = fit_sos(votes, low=1, high=5)
    >>> round(fit.a, 2), fit.deviation(3).round(2).item()
    (1.25, 2.24)
    """
    if not low < high:
        raise ValueError(f"the scale from {low:g} to {high:g} has no width.")
    votes = np.asarray(scores, float)
    if np.nanmin(votes) < low or np.nanmax(votes) > high:
        raise ValueError(
            f"votes go from {np.nanmin(votes):g} to {np.nanmax(votes):g}, which is outside the "
            f"scale from {low:g} to {high:g}."
        )
    mos = mean_opinion(votes)
    counts = mos.votes > 1
    if not counts.any():
        raise ValueError("no stimulus has two votes, so there are no variances.")
    score, variance = mos.score[counts], mos.deviation[counts] ** 2
    shape = (high - score) * (score - low)
    squares = (shape**2).sum()
    a = float((variance * shape).sum() / squares) if squares > 0 else np.nan
    residual = variance - (a if squares > 0 else 0) * shape
    freedom = counts.sum() - 1
    error = np.nan
    if freedom > 0 and squares > 0:
        error = float(np.sqrt((residual**2).sum() / freedom / squares))
    return SosFit(a, error, float(np.sqrt(np.mean(residual**2))), int(counts.sum()), (low, high))
