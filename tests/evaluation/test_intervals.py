"""Intervals by Fisher's z: a known value, limits, and their coverage in simulations."""

import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import UndefinedStatisticError, fisher_interval


def test_as_scipy_has_it(rng):
    x, y = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 40).T
    found = stats.pearsonr(x, y)
    expected = found.confidence_interval(0.9)
    assert fisher_interval(found.statistic, 40, confidence=0.9) == pytest.approx(tuple(expected))


def coverage(rng, rho, coefficient, items=60, repeats=1500):
    """How often the interval of normal data holds the true coefficient."""
    x = rng.normal(size=(repeats, items))
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(repeats, items))
    truth = {"plcc": rho, "krocc": 2 / np.pi * np.arcsin(rho)}.get(
        coefficient, 6 / np.pi * np.arcsin(rho / 2)
    )
    if coefficient == "krocc":
        values = [stats.kendalltau(*pair).statistic for pair in zip(x, y, strict=True)]
    else:
        if coefficient != "plcc":
            x, y = stats.rankdata(x, axis=1), stats.rankdata(y, axis=1)
        values = stats.pearsonr(x, y, axis=1).statistic
    ends = np.array([fisher_interval(value, items, coefficient) for value in values])
    return ((ends[:, 0] < truth) & (truth < ends[:, 1])).mean()


@pytest.mark.parametrize(
    ("coefficient", "rho"), [("plcc", 0.5), ("plcc", 0.9), ("srocc", 0.5), ("srocc", 0.9)]
)
def test_coverage_is_nominal(rng, coefficient, rho):
    # 1500 repeats: a standard error of 0.006.
    assert 0.93 < coverage(rng, rho, coefficient) < 0.97


def test_fieller_is_nominal_for_moderate_coefficients_only(rng):
    assert 0.93 < coverage(rng, 0.5, "srocc_fieller") < 0.97
    assert coverage(rng, 0.95, "srocc_fieller") < 0.93
    assert 0.93 < coverage(rng, 0.5, "krocc", repeats=800) < 0.98


def test_limits_and_wrong_use():
    assert fisher_interval(1.0, 10) == (1.0, 1.0)
    assert fisher_interval(-1.0, 10, "krocc") == (-1.0, -1.0)
    with pytest.raises(UndefinedStatisticError, match="4 items"):
        fisher_interval(0.5, 4)
    with pytest.raises(ValueError, match="give one of plcc, srocc"):
        fisher_interval(0.5, 9, "tau")
    for value, confidence in ((1.1, 0.95), (np.nan, 0.95), (0.5, 1.0)):
        with pytest.raises(ValueError, match="they must be in"):
            fisher_interval(value, 9, confidence=confidence)
