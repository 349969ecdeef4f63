"""The ROC analysis of pairs: by hand, other implementations' values, and its standard errors."""

import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import (
    Pairs,
    UndefinedStatisticError,
    decide,
    decision_frequencies,
    judge_pairs,
)
from jiqa.evaluation.decisions import _area


def test_small_case_by_hand():
    # With errors of 0.1 opinions differ beyond 1.645 * 0.1414 = 0.233.
    opinions, scores = [1.0, 1.2, 2.0, 3.0, 3.1], [1.0, 3.0, 2.5, 4.0, 6.0]
    pairs = judge_pairs(opinions, [0.1] * 5)
    names = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    similar = [names[place] for place in np.flatnonzero(pairs.outcome == 0)]
    assert similar == [(0, 1), (3, 4)]
    assert (pairs.outcome[pairs.outcome != 0] == -1).all()
    found = decide(scores, pairs)
    # Similar pairs differ by 2 and 2 in score, different ones by
    # 1.5 (02), 3 (03), 5 (04), 0.5 wrongly (12), 1 (13), 3 (14), 1.5 (23), 3.5 (24).
    assert found.different_similar[0] == 4 / 8
    assert found.correct[0] == 7 / 8
    assert found.threshold[0] == 2
    # Of pairs of a difference and a negated one, only 0.5 + 0.5 is the wrong way round.
    assert found.better_worse[0] == 63 / 64
    frequencies = decision_frequencies(scores, pairs, 1.2)
    assert frequencies.false_tie == 0.2  # 12 and 13
    assert frequencies.false_differentiation == 0.2  # 01 and 34
    assert frequencies.false_ranking == 0
    assert frequencies.correct == pytest.approx(0.6)
    assert decision_frequencies(scores, pairs, 0.4).false_ranking == 0.1


def test_values_of_another_implementation():
    """What VMAF's port of the authors' code gives in its own tests (perf_metric_test.py).

    It takes each pair in both orders and each image beside itself, and asks for |z| > 2.
    """
    np.random.seed(1)
    ratings = np.random.normal(0, 1.0, [4, 10]) + np.array([1, 2, 3, 4])[:, None]
    opinions, error = ratings.mean(1), ratings.std(1, ddof=1) / np.sqrt(10)
    first, second = (side.ravel() for side in np.indices((4, 4)))
    z = (opinions[first] - opinions[second]) / np.hypot(error[first], error[second])
    outcome = np.where(np.abs(z) > 2, np.sign(z), 0)
    found = decide([[1, 2, 3, 4], [3, 1, 2, 4]], Pairs(first, second, outcome))
    np.testing.assert_allclose(found.different_similar, [0.9375, 0.625])
    np.testing.assert_allclose(found.better_worse, [1, 0.8125])
    np.testing.assert_allclose(found.correct, [1, 0.75])
    np.testing.assert_allclose(found.threshold, [1, 2])


def test_area_is_the_mann_whitney_statistic(rng):
    positives, negatives = rng.integers(0, 8, 50) + 1.0, rng.integers(0, 8, 70) * 1.0
    area, above, below = _area(positives, negatives)
    assert area == pytest.approx(stats.mannwhitneyu(positives, negatives).statistic / 3500)
    assert above.mean() == pytest.approx(below.mean())
    assert above[0] == pytest.approx(
        ((negatives < positives[0]) + (negatives == positives[0]) / 2).mean()
    )


def test_infinite_scores(rng):
    opinions = np.sort(rng.normal(size=20))
    scores = np.concatenate([opinions[:18], [np.inf, np.inf]])
    finite = np.concatenate([opinions[:18], [1e9, 1e9]])
    pairs = judge_pairs(opinions, np.full(20, 0.2))
    one, other = decide(scores, pairs), decide(finite, pairs)
    assert one.correct == other.correct
    assert one.better_worse == other.better_worse


def test_standard_errors_over_images(rng):
    """The spread of areas over repeated studies is what one study's standard error says."""
    values, errors = [], []
    for _ in range(150):
        quality = rng.normal(size=120)
        scores = quality + np.array([[0.5], [0.9]]) * rng.normal(size=(2, 120))
        pairs = judge_pairs(quality, np.full(120, 0.25))
        found = decide(scores, pairs)
        values.append([found.different_similar, found.better_worse, found.correct])
        errors.append(found.standard_errors())
    np.testing.assert_allclose(np.std(values, axis=0), np.mean(errors, axis=0), rtol=0.25)


def test_comparison_of_metrics(rng):
    quality = rng.normal(size=120)
    scores = quality + np.array([[0.2], [1.0]]) * rng.normal(size=(2, 120))
    found = decide(scores, judge_pairs(quality, np.full(120, 0.25)))
    for one, other in zip(found.compare(0, 1), found.compare(1, 0), strict=True):
        assert one.z == -other.z > 3
        assert one.p_value < 0.01
    assert all(test.p_value == 1 for test in found.compare(0, 0))
    alone = np.arange(120)
    np.testing.assert_allclose(found.standard_errors(alone), found.standard_errors())
    grouped = found.standard_errors(np.repeat(np.arange(30), 4))
    assert (grouped > 0).all()
    assert (grouped != found.standard_errors()).any()


def test_many_pairs_are_drawn(rng):
    quality = rng.normal(size=300)
    scores = quality + 0.4 * rng.normal(size=300)
    error = np.full(300, 0.2)
    every, some = judge_pairs(quality, error), judge_pairs(quality, error, most=20_000)
    assert (len(every.first), len(some.first)) == (300 * 299 // 2, 20_000)
    assert (some.first != some.second).all()
    one, other = decide(scores, every), decide(scores, some)
    assert one.different_similar[0] == pytest.approx(other.different_similar[0], abs=0.01)
    assert one.correct[0] == pytest.approx(other.correct[0], abs=0.01)


def test_certain_opinions_differ_if_they_differ_at_all():
    assert judge_pairs([1, 1, 2, 3, 3], [0] * 5).outcome.tolist() == [0] + [-1] * 8 + [0]


def test_wrong_use():
    pairs = judge_pairs([1.0, 1.1, 3.0, 5.0, 5.2], [0.2] * 5)
    with pytest.raises(ValueError, match="scores are of 4 images, the pairs of 5"):
        decide([1, 2, 3, 4], pairs)
    with pytest.raises(ValueError, match="not finite"):
        decide([1, 2, 3, 4, np.nan], pairs)
    with pytest.raises(UndefinedStatisticError, match="10 of 10 pairs differ"):
        decide([1, 2, 3, 4, 5], judge_pairs([1, 2, 3, 4, 5], [0.0] * 5))
    with pytest.raises(ValueError, match="negative"):
        judge_pairs([1, 2, 3, 4, 5], [-1.0] * 5)
    with pytest.raises(ValueError, match="threshold is -1"):
        decision_frequencies([1, 2, 3, 4, 5], pairs, -1)
