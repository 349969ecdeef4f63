"""Whether two metrics correlate differently with the same opinions.

Both tests allow for the two metrics being correlated with each other, which a comparison of two
separate intervals does not. They are for Pearson's coefficient of normal data, and are applied to
Spearman's too. They assume independent items.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.samples import UndefinedStatisticError


@dataclass(frozen=True)
class ZTest:
    """The outcome of a test whose statistic is standard normal if there is no difference.

    Attributes:
        z: The statistic, positive if the first is larger.
        p_value: Two-sided.
    """

    z: float
    p_value: float


def z_test(difference: float, standard_error: float) -> ZTest:
    """The test of a difference with a known standard error; none at all is no difference.

    >>> round(z_test(1.96, 1.0).p_value, 3)
    0.05
    >>> z_test(0.0, 0.0).p_value
    1.0
    """
    from scipy import special

    if difference == 0:
        return ZTest(0.0, 1.0)
    z = difference / standard_error if standard_error > 0 else math.copysign(math.inf, difference)
    return ZTest(float(z), float(2 * special.ndtr(-abs(z))))


def meng_z_test(first: float, second: float, between: float, items: int) -> ZTest:
    """Meng, Rosenthal and Rubin's test, "Comparing correlated correlation coefficients" (1992).

    Args:
        first: Correlation of the first metric with opinion.
        second: Correlation of the second metric with opinion.
        between: Correlation of the two metrics.
        items: The number of items.

    Returns:
        The test; equal coefficients give 0 and a p-value of 1.

    Raises:
        ValueError: A coefficient is not within [-1, 1].
        UndefinedStatisticError: Fewer than 5 items, or a correlation with opinion is 1 or -1.

    >>> test = meng_z_test(0.63, -0.03, -0.19, 15)
    >>> round(test.z, 2)
    1.68
    """
    _check(first, second, between, items)
    squared = (first**2 + second**2) / 2
    f = min(1.0, (1 - between) / (2 * (1 - squared)))
    h = (1 - f * squared) / (1 - squared)
    error = math.sqrt(2 * (1 - between) * h / (items - 3))
    return z_test(math.atanh(first) - math.atanh(second), error)


def steiger_z_test(first: float, second: float, between: float, items: int) -> ZTest:
    """Steiger's test, "Tests for comparing elements of a correlation matrix" (1980), pooled.

    Args:
        first: Correlation of the first metric with opinion.
        second: Correlation of the second metric with opinion.
        between: Correlation of the two metrics.
        items: The number of items.

    Returns:
        The test (his Z1 with pooled coefficients); equal coefficients give 0 and a p-value of 1.

    Raises:
        ValueError: A coefficient is not within [-1, 1].
        UndefinedStatisticError: Fewer than 5 items, or a correlation with opinion is 1 or -1.

    >>> round(steiger_z_test(0.5, 0.3, 0.4, 103).z, 2)
    2.07
    """
    _check(first, second, between, items)
    squared = ((first + second) / 2) ** 2
    psi = between * (1 - 2 * squared) - squared / 2 * (1 - 2 * squared - between**2)
    covariance = psi / (1 - squared) ** 2
    error = math.sqrt(max(0.0, 2 - 2 * covariance) / (items - 3))
    return z_test(math.atanh(first) - math.atanh(second), error)


def _check(first: float, second: float, between: float, items: int) -> None:
    """Raises unless the tests are defined."""
    given: ArrayLike = [first, second, between]
    if not (np.abs(given) <= 1).all():
        raise ValueError(f"{first}, {second} and {between} are no correlations from -1 to 1.")
    if items < 5:
        raise UndefinedStatisticError(f"{items} items are too few, at least 5 are needed.")
    if 1 in (abs(first), abs(second)):
        raise UndefinedStatisticError("a correlation of 1 has no error to test it against.")
