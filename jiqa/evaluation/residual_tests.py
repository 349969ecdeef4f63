"""Whether one metric predicts opinion with smaller errors than another.

Residuals are opinions less predictions, the predictions being scores mapped to the opinions' scale
by a curve fitted for each metric (`jiqa.evaluation.curves`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.samples import UndefinedStatisticError, paired

# Residuals whose kurtosis lies in this range count as normal (Sheikh et al. 2006); normal ones
# have 3.
NORMAL_KURTOSIS = (2.0, 4.0)


@dataclass(frozen=True)
class FTest:
    """Whether two variances of residuals differ.

    Attributes:
        ratio: The first variance over the second; below 1 the first metric predicts better.
        p_value: Two-sided.
        kurtosis: Of the first and of the second residuals.
        normal: Whether both look normal, without which the p-value means little.
    """

    ratio: float
    p_value: float
    kurtosis: tuple[float, float]
    normal: bool


def f_test(first: ArrayLike, second: ArrayLike, *, parameters: int = 0) -> FTest:
    """The F-test of two metrics' residuals (Sheikh, Sabir and Bovik 2006).

    It takes the residuals of the two metrics for independent of each other, which on the same
    images they are not, and those of different images too; it is the test of most papers.

    Args:
        first: Residuals of the first metric `[N]`.
        second: Residuals of the second metric `[N]`.
        parameters: Of each fitted curve. There are N - 1 degrees of freedom for 0 and 1, as in most
            papers, otherwise N less this.

    Returns:
        The test. Where both have no error at all the ratio is 1 and the p-value 1.

    Raises:
        ValueError: Shapes differ or values are not finite.
        UndefinedStatisticError: Fewer than 5 residuals, or no more than parameters.

    >>> f_test([1, -1, 2, -2, 1], [2, -2, 4, -4, 2]).ratio
    0.25
    """
    from scipy import stats

    residuals = paired(first, second, constant=True)
    freedom = len(residuals[0]) - max(parameters, 1)
    if freedom < 1:
        raise UndefinedStatisticError(
            f"{len(residuals[0])} residuals are too few for {parameters} fitted parameters."
        )
    above, below = (float(((r - r.mean()) ** 2).sum()) for r in residuals)
    if above == below:
        ratio, p_value = 1.0, 1.0
    else:
        ratio = above / below if below > 0 else np.inf
        tails = stats.f.cdf(ratio, freedom, freedom), stats.f.sf(ratio, freedom, freedom)
        p_value = float(2 * min(tails))
    kurtosis = tuple(_kurtosis(r) for r in residuals)
    low, high = NORMAL_KURTOSIS
    normal = all(low <= value <= high for value in kurtosis)
    return FTest(ratio, p_value, (kurtosis[0], kurtosis[1]), normal)


@dataclass(frozen=True)
class WilcoxonTest:
    """Whether one metric's errors are mostly larger.

    Attributes:
        difference: Median of the first's absolute residual less the second's on the same item;
            below 0 the first metric predicts better.
        p_value: Two-sided.
    """

    difference: float
    p_value: float


def wilcoxon_test(first: ArrayLike, second: ArrayLike) -> WilcoxonTest:
    """Wilcoxon's signed-rank test of the absolute residuals of two metrics on the same items.

    Unlike the F-test it needs no normality, and allows for the metrics being dependent.

    Args:
        first: Residuals of the first metric `[N]`.
        second: Residuals of the second metric `[N]`.

    Returns:
        The test. Where no absolute residual differs the p-value is 1.

    Raises:
        ValueError: Shapes differ or values are not finite.
        UndefinedStatisticError: Fewer than 5 residuals.

    >>> wilcoxon_test([1, 1, -1, 1, 1, 1], [-2, 3, 4, 5, 6, 7]).p_value
    0.03125
    """
    from scipy import stats

    residuals = paired(first, second, constant=True)
    differences = np.abs(residuals[0]) - np.abs(residuals[1])
    p_value = 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)
    return WilcoxonTest(float(np.median(differences)), p_value)


def _kurtosis(values: np.ndarray) -> float:
    """Fourth moment over squared variance; 3, that of a normal variable, if nothing varies."""
    squares = (values - values.mean()) ** 2
    return float((squares**2).mean() / squares.mean() ** 2) if squares.any() else 3.0
