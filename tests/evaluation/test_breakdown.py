"""Statistics within groups and ranges of quality."""

import numpy as np
import pytest

from jiqa.evaluation import by_group, krocc, quality_ranges, srocc


def test_groups_by_themselves(rng):
    scores, opinions = rng.normal(size=(2, 40)), rng.normal(size=40)
    groups = np.array(["jpeg", "blur"])[rng.integers(0, 2, 40)]
    found = by_group(scores, opinions, groups, krocc)
    assert found.groups.tolist() == ["blur", "jpeg"]
    assert found.sizes.sum() == 40
    jpeg = groups == "jpeg"
    assert found.values[1, 1] == krocc(scores[1, jpeg], opinions[jpeg])


def test_small_and_constant_groups_are_undefined():
    opinions = [1, 2, 3, 4, 5, 1, 2, 1, 2, 3, 4, 5]
    scores = [1, 2, 3, 4, 5, 1, 2, 7, 7, 7, 7, 7]
    found = by_group(scores, opinions, [0] * 5 + [1] * 2 + [2] * 5)
    np.testing.assert_allclose(found.values, [[1, np.nan, np.nan]])
    with pytest.raises(ValueError, match="scores are not finite"):
        by_group([*scores[:-1], np.nan], opinions, [0] * 12)
    with pytest.raises(ValueError, match=r"they must be \[M, N\], \[N\] and \[N\]"):
        by_group(scores, opinions, [0] * 11)


def test_ranges_hold_equally_many(rng):
    ranges = quality_ranges(rng.normal(size=1000), 4)
    assert np.bincount(ranges).tolist() == [250] * 4
    assert quality_ranges([1, 1, 1, 1, 2, 3], 3).tolist() == [0, 0, 0, 0, 2, 2]
    with pytest.raises(ValueError, match="at least 4"):
        quality_ranges([1, 2])


def test_restricted_range_lowers_correlation(rng):
    opinions = rng.normal(size=2000)
    scores = opinions + 0.5 * rng.normal(size=2000)
    within = by_group(scores, opinions, quality_ranges(opinions)).values
    assert (within < srocc(scores, opinions)).all()
