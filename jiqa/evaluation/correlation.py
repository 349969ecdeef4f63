"""How well scores agree with opinions: linear and rank correlation."""

from numpy.typing import ArrayLike

from jiqa.evaluation.samples import paired


def plcc(scores: ArrayLike, opinions: ArrayLike) -> float:
    """Pearson's linear correlation coefficient.

    Published values are mostly those after a mapping fitted to the opinions: pass
    `fit_curve(scores, opinions)(scores)` for these.

    Args:
        scores: Finite scores, or predictions, `[N]`.
        opinions: MOS or DMOS `[N]`.

    Returns:
        From -1 to 1.

    Raises:
        ValueError: Shapes differ or values are not finite.
        UndefinedStatisticError: Fewer than 5 items, or all scores or opinions are equal.

    >>> round(plcc([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]), 3)
    0.9
    """
    from scipy import stats

    return float(stats.pearsonr(*paired(scores, opinions)).statistic)


def srocc(scores: ArrayLike, opinions: ArrayLike) -> float:
    """Spearman's rank correlation coefficient; equal values share their average rank.

    Args:
        scores: Scores `[N]`, which may be infinite.
        opinions: MOS or DMOS `[N]`.

    Returns:
        From -1 to 1.

    Raises:
        ValueError: Shapes differ, or values are NaN.
        UndefinedStatisticError: Fewer than 5 items, or all scores or opinions are equal.

    >>> round(srocc([10, 20, 30, 40, float("inf")], [1, 2, 3, 5, 4]), 3)
    0.9
    """
    from scipy import stats

    return float(stats.spearmanr(*paired(scores, opinions, infinite=True)).statistic)


def krocc(scores: ArrayLike, opinions: ArrayLike) -> float:
    """Kendall's rank correlation coefficient, tau-b: corrected for equal values.

    Args:
        scores: Scores `[N]`, which may be infinite.
        opinions: MOS or DMOS `[N]`.

    Returns:
        From -1 to 1.

    Raises:
        ValueError: Shapes differ, or values are NaN.
        UndefinedStatisticError: Fewer than 5 items, or all scores or opinions are equal.

    >>> round(krocc([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]), 3)
    0.8
    """
    from scipy import stats

    return float(stats.kendalltau(*paired(scores, opinions, infinite=True)).statistic)
