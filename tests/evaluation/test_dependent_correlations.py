"""Tests of two metrics' correlations with the same opinions: published examples, size, power."""

import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import UndefinedStatisticError, meng_z_test, steiger_z_test

TESTS = [meng_z_test, steiger_z_test]


def rejected(rng, first, second, between, test, items=80, repeats=800):
    """How often a test finds a difference at the level 0.05."""
    covariance = [[1, first, second], [first, 1, between], [second, between, 1]]
    samples = rng.multivariate_normal(np.zeros(3), covariance, (repeats, items))
    found = [np.corrcoef(sample.T) for sample in samples]
    p = [test(r[0, 1], r[0, 2], r[1, 2], items).p_value for r in found]
    return np.mean(np.array(p) < 0.05)


@pytest.mark.parametrize("test", TESTS)
def test_size_and_power(rng, test):
    # 800 repeats: a standard error of 0.008.
    assert 0.025 < rejected(rng, 0.8, 0.8, 0.7, test) < 0.075
    assert rejected(rng, 0.8, 0.6, 0.7, test) > 0.8


def test_correlated_metrics_are_told_apart_more_easily():
    assert (
        meng_z_test(0.8, 0.7, 0.9, 50).p_value
        < meng_z_test(0.8, 0.7, 0.5, 50).p_value
        < 2 * stats.norm.sf((np.arctanh(0.8) - np.arctanh(0.7)) * np.sqrt(47 / 2))
    )


@pytest.mark.parametrize("test", TESTS)
def test_signs_and_limits(test):
    one, other = test(0.8, 0.7, 0.6, 50), test(0.7, 0.8, 0.6, 50)
    assert one.z == -other.z > 0
    assert one.p_value == pytest.approx(2 * stats.norm.sf(one.z))
    assert test(0.8, 0.8, 1.0, 50).p_value == 1  # a metric beside itself
    with pytest.raises(ValueError, match="no correlations"):
        test(1.1, 0.5, 0.5, 50)
    with pytest.raises(UndefinedStatisticError, match="4 items"):
        test(0.6, 0.5, 0.5, 4)
    with pytest.raises(UndefinedStatisticError, match="no error"):
        test(1.0, 0.5, 0.5, 50)


def test_both_agree_on_many_items():
    assert meng_z_test(0.9, 0.88, 0.92, 1000).z == pytest.approx(
        steiger_z_test(0.9, 0.88, 0.92, 1000).z, rel=0.01
    )
