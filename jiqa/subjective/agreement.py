"""How well observers agree with each other, and the means of two groups of them.

Intraclass correlations are the six of Shrout and Fleiss (1979), with the intervals of McGraw and
Wong (1996): (1) each stimulus is rated by observers of its own, (2) all by the same observers, who
stand for others, (3) all by the same observers, who are the only ones of interest; each for one
observer's votes and for the means of all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.ratings import as_votes


class Correlation(NamedTuple):
    """An intraclass correlation.

    Attributes:
        value: At most 1; NaN where there is no variance at all.
        low: Lower end of the confidence interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


class ScoreAgreement(NamedTuple):
    """How two series of scores of the same stimuli agree.

    Attributes:
        stimuli: How many have both scores.
        pearson: Linear correlation; NaN where one series is constant, as for the next.
        spearman: Correlation of ranks.
        offset: Mean of the first less the second.
        rmse: Root mean square difference.
        rmse_linear: The same after the second is mapped to the first by a straight line.
        slope: Of that line.
        different: Share of stimuli whose scores differ significantly (two-sided z-test at 5 %);
            NaN without standard errors. By chance it is 0.05.
    """

    stimuli: int
    pearson: float
    spearman: float
    offset: float
    rmse: float
    rmse_linear: float
    slope: float
    different: float


def intraclass_correlations(
    scores: ArrayLike, *, confidence: float = 0.95
) -> dict[str, Correlation]:
    """The six intraclass correlations of complete ratings.

    Args:
        scores: `[stimuli, observers]`, at least two of each, without missing votes.
        confidence: Of the intervals.

    Returns:
        "ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)" and "ICC(3,k)".

    Raises:
        ValueError: Repetitions, missing votes, fewer than two stimuli or observers.

    >>> votes = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8]]
    >>> votes += [[7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> {name: round(found.value, 2) for name, found in intraclass_correlations(votes).items()}
    {'ICC(1,1)': 0.17, 'ICC(2,1)': 0.29, 'ICC(3,1)': 0.71,
     'ICC(1,k)': 0.44, 'ICC(2,k)': 0.62, 'ICC(3,k)': 0.91}
    """
    votes = as_votes(scores)
    if votes.shape[2] > 1:
        raise ValueError("votes are repeated; take their means, or correlate each repetition.")
    votes = votes[..., 0]
    n, k = votes.shape
    if np.isnan(votes).any():
        raise ValueError(
            f"{np.isnan(votes).sum()} of {votes.size} votes are missing; leave out incomplete "
            "stimuli or observers, or use one_way_correlations."
        )
    if n < 2 or k < 2:
        raise ValueError(f"{n} stimuli and {k} observers are given; two of each are the fewest.")
    grand = votes.mean()
    of_stimuli, of_observers = votes.mean(1) - grand, votes.mean(0) - grand
    residual = votes - grand - of_stimuli[:, None] - of_observers
    rows = k * (of_stimuli**2).sum() / (n - 1)
    columns = n * (of_observers**2).sum() / (k - 1)
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    within = ((votes - votes.mean(1, keepdims=True)) ** 2).sum() / (n * (k - 1))
    pure = 1e-12 * (votes**2).mean()  # what is left of nothing by rounding
    rows, columns, error, within = (v if v > pure else 0.0 for v in (rows, columns, error, within))

    one = _one_way(rows, within, n, k, n * (k - 1), confidence)
    consistent = _one_way(rows, error, n, k, (n - 1) * (k - 1), confidence)
    agreeing = _two_way(rows, columns, error, n, k, confidence)
    return {
        "ICC(1,1)": one,
        "ICC(2,1)": agreeing,
        "ICC(3,1)": consistent,
        "ICC(1,k)": _of_mean(one, k),
        "ICC(2,k)": _of_mean(agreeing, k),
        "ICC(3,k)": _of_mean(consistent, k),
    }


def one_way_correlations(scores: ArrayLike, *, confidence: float = 0.95) -> dict[str, Correlation]:
    """ICC(1,1) and ICC(1,k) where votes are missing, each stimulus with votes of its own.

    The variances are those of the analysis of variance of groups of unequal size, in which k is
    `(N - sum(n_j^2) / N) / (stimuli - 1)`; the intervals are then approximate.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.
            Stimuli without a vote do not count.
        confidence: Of the intervals.

    Returns:
        "ICC(1,1)" and "ICC(1,k)".

    Raises:
        ValueError: Scores of another shape; fewer than two stimuli with votes; none with two.

    >>> print(round(one_way_correlations([[1, 1], [2, np.nan], [5, 4]])["ICC(1,1)"].value, 2))
    0.94
    """
    votes = as_votes(scores).reshape(len(scores), -1)  # type: ignore[arg-type]
    votes = votes[~np.isnan(votes).all(1)]
    given = ~np.isnan(votes)
    count, n = given.sum(1), len(votes)
    total = count.sum()
    if n < 2 or total == n:
        raise ValueError("an intraclass correlation needs two stimuli, and one with two votes.")
    values = np.where(given, votes, 0)
    mean = values.sum(1) / count
    within = (np.where(given, votes - mean[:, None], 0) ** 2).sum() / (total - n)
    rows = (count * (mean - values.sum() / total) ** 2).sum() / (n - 1)
    k = (total - (count**2).sum() / total) / (n - 1)
    one = _one_way(rows, within, n, k, total - n, confidence)
    return {"ICC(1,1)": one, "ICC(1,k)": _of_mean(one, k)}


def compare_scores(
    first: ArrayLike,
    second: ArrayLike,
    *,
    first_error: ArrayLike | None = None,
    second_error: ArrayLike | None = None,
) -> ScoreAgreement:
    """Agreement of two groups of observers, such as a laboratory's and a crowd's.

    Args:
        first: `[stimuli]` scores of one group; NaN where there is none.
        second: `[stimuli]` scores of the other.
        first_error: `[stimuli]` standard errors.
        second_error: `[stimuli]` standard errors.

    Returns:
        The agreement on stimuli with both scores.

    Raises:
        ValueError: Series of other shapes, or fewer than three stimuli with both scores.

    >>> compare_scores([1, 2, 3, 4], [2, 3, 4, 5]).offset
    -1.0
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"the scores have shapes {a.shape} and {b.shape}; give two of [stimuli].")
    both = ~np.isnan(a + b)
    if both.sum() < 3:
        raise ValueError(f"{both.sum()} stimuli have both scores; three are the fewest.")
    different = np.nan
    if first_error is not None and second_error is not None:
        error = np.hypot(np.asarray(first_error, float), np.asarray(second_error, float))[both]
        known = error > 0
        if known.any():
            different = float(np.mean(np.abs(a - b)[both][known] > 1.96 * error[known]))
    a, b = a[both], b[both]
    slope = float(np.cov(a, b)[0, 1] / b.var(ddof=1)) if np.ptp(b) > 0 else 0.0
    line = a.mean() + slope * (b - b.mean())
    return ScoreAgreement(
        len(a),
        *correlations(a, b),
        float(np.mean(a - b)),
        float(np.sqrt(np.mean((a - b) ** 2))),
        float(np.sqrt(np.mean((a - line) ** 2))),
        slope,
        different,
    )


def correlations(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Pearson's and Spearman's correlation of two series; NaN where one is constant.

    >>> correlations(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]))
    (nan, nan)
    """
    from scipy import stats

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan, np.nan
    ranked = stats.spearmanr(first, second)[0]
    return float(np.corrcoef(first, second)[0, 1]), float(ranked)


def _one_way(
    rows: float, noise: float, n: int, k: float, freedom: float, confidence: float
) -> Correlation:
    """`(rows - noise) / (rows + (k - 1) noise)`, and its interval from the F distribution."""
    from scipy import stats

    if rows == 0 and noise == 0:
        return Correlation(np.nan, np.nan, np.nan)
    if noise == 0:
        return Correlation(1.0, 1.0, 1.0)
    ratio, tail = rows / noise, (1 + confidence) / 2
    low = ratio / stats.f.ppf(tail, n - 1, freedom)
    high = ratio * stats.f.ppf(tail, freedom, n - 1)
    return Correlation(*(float((f - 1) / (f + k - 1)) for f in (ratio, low, high)))


def _two_way(
    rows: float, columns: float, error: float, n: int, k: int, confidence: float
) -> Correlation:
    """ICC(2,1), in which differences between observers count as disagreement."""
    from scipy import stats

    total = rows + (k - 1) * error + k * (columns - error) / n
    if total == 0:
        return Correlation(np.nan, np.nan, np.nan)
    value = (rows - error) / total
    if error == 0 and columns == 0:
        return Correlation(1.0, 1.0, 1.0)
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = (a * columns + b * error) ** 2 / (
            (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
        )
    tail = (1 + confidence) / 2
    f_low, f_high = stats.f.ppf(tail, n - 1, freedom), stats.f.ppf(tail, freedom, n - 1)
    spread = k * columns + (k * n - k - n) * error
    low = n * (rows - f_low * error) / (f_low * spread + n * rows)
    high = n * (f_high * rows - error) / (spread + n * f_high * rows)
    return Correlation(float(value), float(low), float(high))


def _of_mean(single: Correlation, k: float) -> Correlation:
    """That of the mean of k votes (Spearman and Brown)."""
    return Correlation(*(float(k * value / (1 + (k - 1) * value)) for value in single))
