"""Corrections for many tests: by hand, beside SciPy, and what they promise."""

import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import benjamini_hochberg, holm


def test_by_hand():
    # Sorted 0.005 0.011 0.02 0.04 times 4 3 2 1, never falling.
    np.testing.assert_allclose(holm([0.02, 0.005, 0.04, 0.011]), [0.04, 0.02, 0.04, 0.033])
    # Times 4/1 4/2 4/3 4/4, never falling from the largest down.
    np.testing.assert_allclose(
        benjamini_hochberg([0.02, 0.005, 0.04, 0.011]), [0.08 / 3, 0.02, 0.04, 0.022]
    )
    np.testing.assert_array_equal(holm([0.7, 0.9]), [1, 1])


def test_holm_is_between_bonferroni_and_no_correction(rng):
    p = rng.uniform(size=20) ** 3
    assert (holm(p) <= np.minimum(20 * p, 1)).all()
    assert (holm(p) >= benjamini_hochberg(p)).all()
    assert (benjamini_hochberg(p) >= p).all()
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))


def test_family_wise_error_is_held(rng):
    """Of 20 true hypotheses at the level 0.05, one or more is rejected in 5 % of families."""
    families = rng.uniform(size=(2000, 20))
    assert 0.035 < np.mean([holm(p).min() < 0.05 for p in families]) < 0.065
    assert np.mean([p.min() < 0.05 for p in families]) > 0.5


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
@pytest.mark.parametrize("p", [[[0.1]], [1.1], [np.nan], [-0.1]])
def test_wrong_use(correct, p):
    with pytest.raises(ValueError, match="p-values must be"):
        correct(p)
