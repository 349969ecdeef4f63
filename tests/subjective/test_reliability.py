"""Measures of how far an observer can be trusted, and rules with reasons."""

import numpy as np
import pytest

from jiqa.subjective.reliability import (
    ReliabilityRules,
    golden_share,
    judge_reliability,
    longest_run,
    measure_reliability,
    repeat_difference,
    vote_entropy,
    vote_surprise,
)


def crowd(rng):
    """Votes from 1 to 5: twelve who look, one who clicks always 3, one who clicks anything."""
    quality = rng.uniform(1, 5, 80)
    votes = quality[:, None] + rng.normal(0, 0.5, (80, 14))
    votes = votes.round().clip(1, 5)
    votes[:, 12] = 3
    votes[:, 13] = rng.integers(1, 6, 80)
    votes[rng.random(votes.shape) < 0.3] = np.nan
    return votes


def test_who_clicks_one_and_who_clicks_anything_are_found(rng):
    votes = crowd(rng)
    found = judge_reliability(measure_reliability(votes))
    assert found.rejected.nonzero()[0].tolist() == [12, 13]
    assert "entropy 0 is below 0.5" in found.reasons[12]
    assert found.reasons[13].startswith("correlation")
    assert found.statistics["entropy"][13] > 2.2  # random votes look diverse
    surprise = judge_reliability(found.statistics, ReliabilityRules(surprise=1.2))
    assert "more than the median's is above 1.2" in surprise.reasons[13]


def test_entropy_and_surprise_are_those_of_their_definition():
    votes = np.array([[1, 1, 2], [2, 1, 2], [2, 1, np.nan]], float)
    shares = np.array([1 / 3, 2 / 3])
    expected = [-(shares * np.log2(shares)).sum(), 0, 0]
    np.testing.assert_allclose(vote_entropy(votes), expected, atol=1e-12)
    # The first observer: of the others' five votes, three are 1; one vote more each: 4/7 and 3/7.
    prior = np.array([4, 3]) / 7
    on_first = (1 + prior[0]) / 3  # the others said 1 and 2
    on_second, on_third = (1 + prior[1]) / 3, prior[1] / 2
    expected = -np.log2([on_first, on_second, on_third]).mean()
    assert vote_surprise(votes)[0] == pytest.approx(expected)


def test_observers_without_votes_have_no_measures():
    votes = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])
    assert np.isnan(vote_entropy(votes)).tolist() == [False, True]
    assert np.isnan(vote_surprise(votes)).tolist() == [False, True]


def test_few_votes_are_not_judged():
    votes = np.full((6, 3), 3.0)
    votes[:, :2] = np.arange(6)[:, None] % 5
    votes[3:, 2] = np.nan
    assert not judge_reliability(measure_reliability(votes)).rejected.any()
    assert judge_reliability(measure_reliability(votes, fewest_votes=2)).rejected[2]


def test_golden_items_and_repetitions():
    votes = np.array([[[5, 4], [3, np.nan]], [[1, 3], [2, np.nan]], [[2, np.nan], [2, np.nan]]])
    np.testing.assert_allclose(golden_share(votes, [5, 1, np.nan]), [3 / 4, 1 / 2])
    np.testing.assert_allclose(golden_share(votes, [5, 1, np.nan], tolerance=2), [1, 1])
    np.testing.assert_allclose(repeat_difference(votes), [np.sqrt((1 + 4) / 2), np.nan])
    measures = measure_reliability(votes, expected=[5, 1, np.nan])
    assert set(measures) >= {"golden", "repeats"}
    rules = ReliabilityRules(repeats=1.5, golden=0.6)
    assert judge_reliability({k: measures[k] for k in ("golden", "repeats")}, rules).reasons == (
        "repeats 1.58 is above 1.5",
        "golden 0.5 is below 0.6",
    )
    with pytest.raises(ValueError, match="no stimulus is a golden item"):
        golden_share(votes, [np.nan] * 3)
    with pytest.raises(ValueError, match="2 expected scores are given for 3 stimuli"):
        golden_share(votes, [1, 2])


def test_runs():
    assert longest_run([1]) == 1
    assert longest_run([]) == 0
    assert longest_run([1, 2, 2, 2, 2, 1, 1]) == 4
    found = judge_reliability({"run": np.array([4, 40])}, ReliabilityRules(run=30))
    assert found.reasons == ("", "run 40 is above 30")
    hasty = judge_reliability({"seconds": np.array([0.4, np.nan])}, ReliabilityRules(seconds=1))
    assert hasty.reasons == ("seconds 0.4 is below 1", "")


def test_wrong_measures_are_clear_errors(rng):
    with pytest.raises(ValueError, match="the measures are speed"):
        judge_reliability({"speed": np.ones(2)})
    with pytest.raises(ValueError, match="50 different values"):
        vote_surprise(rng.permutation(100).reshape(50, 2) // 2)
    with pytest.raises(ValueError, match="no others"):
        vote_surprise([[1.0], [2.0]])
    continuous = measure_reliability(rng.normal(size=(50, 3)))
    assert "surprise" not in continuous
