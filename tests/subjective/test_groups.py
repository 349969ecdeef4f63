"""Groups of observers."""

import numpy as np
import pytest
from scipy import stats

from jiqa.subjective.groups import compare_groups


def test_equal_groups_are_told_apart_by_chance_only(rng):
    values = [compare_groups(rng.normal(size=40), ["a"] * 15 + ["b"] * 25) for _ in range(400)]
    assert np.mean([found.p_value < 0.05 for found in values]) == pytest.approx(0.05, abs=0.03)


def test_means_and_variance_between_groups():
    groups = np.array(["NO", "SE", "DE", "SE", "NO", "DE", "", "NO"])
    trait = np.array([0.1, 0.5, -0.4, 0.7, 0.2, np.nan, 9.0, 0.3])
    found = compare_groups(trait, groups)
    assert found.groups == ("DE", "NO", "SE")
    assert found.observers.tolist() == [1, 3, 2]
    np.testing.assert_allclose(found.mean, [-0.4, 0.2, 0.6])
    np.testing.assert_allclose(found.error, [np.nan, 0.1 / np.sqrt(3), 0.1], atol=1e-12)
    parts = [[-0.4], [0.1, 0.2, 0.3], [0.5, 0.7]]
    assert found.p_value == pytest.approx(stats.kruskal(*parts).pvalue)
    pooled = np.concatenate(parts)
    within = sum(((part - np.mean(part)) ** 2).sum() for part in map(np.array, parts))
    assert found.explained == pytest.approx(1 - within / ((pooled - pooled.mean()) ** 2).sum())


def test_degenerate_groups():
    same = compare_groups([1.0, 1.0, 1.0], ["a", "a", "b"])
    assert np.isnan(same.p_value)
    assert np.isnan(same.explained)
    with pytest.raises(ValueError, match="needs two groups of known observers, not 1"):
        compare_groups([1, 2], ["a", ""])
    with pytest.raises(ValueError, match="3 groups are given for 2 observers"):
        compare_groups([1, 2], ["a", "b", "c"])
