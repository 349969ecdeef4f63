"""PLCC, SROCC and KROCC against SciPy, with and without equal values."""

import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import krocc, plcc, srocc


@pytest.mark.parametrize("digits", [0, 1, 12])  # many equal values, some, none
def test_as_scipy_has_them(rng, digits):
    opinions = rng.normal(size=200).round(digits)
    scores = (opinions + rng.normal(size=200)).round(digits)
    assert plcc(scores, opinions) == pytest.approx(stats.pearsonr(scores, opinions)[0], abs=1e-14)
    assert srocc(scores, opinions) == pytest.approx(stats.spearmanr(scores, opinions)[0], abs=1e-14)
    assert krocc(scores, opinions) == stats.kendalltau(scores, opinions)[0]


def test_small_case_with_equal_values_by_hand():
    scores, opinions = [1, 2, 2, 3, 4], [1, 3, 2, 2, 5]
    # Ranks 1 2.5 2.5 4 5 and 1 4 2.5 2.5 5: sum of products of deviations 7.5, of squares 9.5 each.
    assert srocc(scores, opinions) == pytest.approx(7.25 / 9.5)
    # 8 pairs differ in both: 7 alike, 1 opposite; 9 differ in scores, 9 in opinions.
    assert krocc(scores, opinions) == pytest.approx((7 - 1) / 9)


def test_rank_correlations_do_not_see_a_monotone_change(rng):
    scores, opinions = rng.normal(size=(2, 30))
    assert srocc(np.exp(scores), opinions) == srocc(scores, opinions)
    assert krocc(np.exp(scores), opinions) == krocc(scores, opinions)
    assert plcc(2 - 3 * scores, opinions) == pytest.approx(-plcc(scores, opinions))
