"""The tests of the Waterloo Exploration Database, by hand."""

import numpy as np
import pytest

from jiqa.evaluation import UndefinedStatisticError, d_test, discriminable_pairs, l_test, p_test


def test_d_test_by_hand():
    # A threshold of 4 puts 3 of 4 pristine above and all 5 distorted below.
    found = d_test([9, 7, 6, 2], [1, 3, 4, 3, 0])
    assert found.accuracy == (3 / 4 + 5 / 5) / 2
    assert found.threshold == 4
    assert d_test([5, 6], [1, 2]).accuracy == 1
    # A metric that rates distorted images higher does no better than putting all on one side.
    assert d_test([1, 2], [5, 6]).accuracy == 0.5
    assert d_test([3, 3], [3]).accuracy == 0.5


def test_d_test_of_no_information_is_little_above_half(rng):
    assert d_test(rng.normal(size=2000), rng.normal(size=2000)).accuracy == pytest.approx(
        0.5, abs=0.03
    )


def test_l_test_by_hand():
    scores = [9, 7, 5, 3, 9, 5, 7, 3, 4, 4, 4, 4]
    levels = [1, 2, 3, 4] * 3
    lists = np.repeat(["a jpeg", "b jpeg", "b blur"], 4)
    found = l_test(scores, levels, lists)
    # In order: 1. One swap of neighbours: 0.8 and 4/6. All equal: 0.
    assert found.srocc == pytest.approx((1 + 0.8 + 0) / 3)
    assert found.krocc == pytest.approx((1 + 4 / 6 + 0) / 3)
    assert found.lists == 3
    order = np.random.default_rng(0).permutation(12)
    shuffled = l_test(np.array(scores)[order], np.array(levels)[order], lists[order])
    assert shuffled.srocc == pytest.approx(found.srocc)


def test_p_test_by_hand():
    assert p_test([3, 2, 2, 5], [1, 2, 3, 4]) == 0.5  # equal scores are no preference


def test_discriminable_pairs_need_all_metrics_and_a_margin():
    better, worse = discriminable_pairs([[0, 50, 100], [0, 30, 100], [0, 45, 80]], 40)
    assert list(zip(better.tolist(), worse.tolist(), strict=True)) == [(2, 0)]
    better, worse = discriminable_pairs([[0, 50, 100], [0, 60, 50]], 0)
    assert list(zip(better.tolist(), worse.tolist(), strict=True)) == [(1, 0), (2, 0)]


def test_wrong_use():
    with pytest.raises(ValueError, match="pristine must be one-dimensional"):
        d_test([], [1])
    with pytest.raises(ValueError, match="distorted must be"):
        d_test([1], [np.nan])
    with pytest.raises(UndefinedStatisticError, match="the list b has a single level"):
        l_test([1, 2, 3], [1, 2, 1], ["a", "a", "b"])
    with pytest.raises(ValueError, match=r"each must be \[N\]"):
        l_test([1, 2], [1, 2], ["a"])
    with pytest.raises(ValueError, match="2 better images but 1 worse"):
        p_test([1, 2], [1])
    for scores, threshold in (([1, 2], 1), ([[1, np.nan]], 1), ([[1, 2]], -1)):
        with pytest.raises(ValueError, match="the threshold at least 0"):
            discriminable_pairs(scores, threshold)
