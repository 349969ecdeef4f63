"""The F-test with its gate and Wilcoxon's test, against SciPy and in simulation."""

import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import UndefinedStatisticError, f_test, wilcoxon_test


def test_f_test_by_the_distribution(rng):
    first, second = rng.normal(0, 1, 30), rng.normal(0, 1.6, 30)
    found = f_test(first, second)
    ratio = first.var(ddof=1) / second.var(ddof=1)
    assert found.ratio == pytest.approx(ratio)
    assert found.p_value == pytest.approx(2 * stats.f.cdf(ratio, 29, 29))
    swapped = f_test(second, first)
    assert swapped.ratio == pytest.approx(1 / ratio)
    assert swapped.p_value == pytest.approx(found.p_value)
    fitted = f_test(first, second, parameters=4)
    assert fitted.p_value == pytest.approx(2 * stats.f.cdf(ratio, 26, 26))


def test_f_test_size(rng):
    p = [f_test(*rng.normal(size=(2, 40))).p_value for _ in range(800)]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.075


def test_gate_by_kurtosis(rng):
    normal = rng.normal(size=2000)
    assert f_test(normal, 2 * normal).normal
    found = f_test(normal, rng.laplace(size=2000))  # kurtosis 6
    assert not found.normal
    assert found.kurtosis[0] == pytest.approx(stats.kurtosis(normal, fisher=False))
    assert not f_test(normal, rng.uniform(size=2000)).normal  # kurtosis 1.8


def test_f_test_limits():
    zero, some = np.zeros(6), np.array([1.0, -1, 2, -2, 1, 0])
    assert f_test(some, some).p_value == 1
    assert f_test(zero, zero).ratio == 1
    assert f_test(zero, some).p_value == 0
    assert f_test(some, zero).ratio == np.inf
    with pytest.raises(UndefinedStatisticError, match="too few for 6 fitted"):
        f_test(some, some, parameters=6)


def test_wilcoxon_as_scipy_has_it(rng):
    first, second = rng.normal(0, 1, 50), rng.normal(0, 1.5, 50)
    found = wilcoxon_test(first, second)
    assert found.p_value == stats.wilcoxon(np.abs(first), np.abs(second)).pvalue
    assert found.difference == np.median(np.abs(first) - np.abs(second))
    assert wilcoxon_test(first, -first).p_value == 1


def test_wilcoxon_size_with_dependent_metrics(rng):
    """Of metrics that err alike the F-test hardly ever rejects, Wilcoxon's as often as it says."""
    p = np.zeros((600, 2))
    for row in p:
        common = rng.normal(size=60)
        first, second = common + 0.5 * rng.normal(size=(2, 60))
        row[:] = wilcoxon_test(first, second).p_value, f_test(first, second).p_value
    rejected = (p < 0.05).mean(0)
    assert 0.025 < rejected[0] < 0.08
    assert rejected[1] < 0.02
