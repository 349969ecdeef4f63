"""Scores from pairwise votes."""

import json
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jiqa.subjective.pairwise import (
    LOGISTIC_UNIT,
    NORMAL_UNIT,
    bootstrap_pairs,
    count_wins,
    fit_pairs,
    preference,
    scale_pairs,
    screen_pairs,
)

DATA = Path(__file__).parent / "data"
GOLDENS = json.loads((DATA / "sureal_goldens.json").read_text())["pairs"]


@pytest.fixture(scope="module")
def tone_mapping(shared_data):
    """The votes of pwcmp's example 3 by scene."""
    table = pd.read_csv(shared_data / "data/raw_ratings/pwcmp/ex3_tmo_cmp_data.csv")
    table["first"], table["second"] = table["condition_A"], table["condition_B"]
    table["first_preferred"] = table["is_A_selected"]
    return {scene: count_wins(votes) for scene, votes in table.groupby("scene")}


def test_scores_equal_the_published_example_of_pwcmp(tone_mapping):
    published = pd.read_csv(DATA / "pwcmp_ex3_tmo_cmp_scaled.csv")
    for scene, votes in tone_mapping.items():
        rows = published[published["scene"] == scene]
        assert votes.stimuli == tuple(rows["tmo"])
        found = scale_pairs(votes.wins, reference=0)
        np.testing.assert_allclose(found.score, rows["jod"], atol=1e-4)


def test_intervals_of_samples_are_like_the_published(tone_mapping):
    """Where no sample is unanimous; theirs are 500 other samples."""
    published = pd.read_csv(DATA / "pwcmp_ex3_tmo_cmp_scaled.csv")
    for scene in ("rivoli", "window"):
        rows = published[published["scene"] == scene]
        found = bootstrap_pairs(tone_mapping[scene].wins, reference=0, seed=1)
        # The most outlying, with least votes against it, varies most.
        np.testing.assert_allclose(found.low, rows["jod_low"], atol=0.25)
        np.testing.assert_allclose(found.high, rows["jod_high"], atol=0.25)
    with pytest.raises(ValueError, match=r"in a sample of observers, .* prior_deviation"):
        bootstrap_pairs(tone_mapping["exhibition"].wins)
    some = bootstrap_pairs(tone_mapping["exhibition"].wins, prior_deviation=3, samples=50)
    assert np.isfinite(some.high).all()


def test_the_observer_whom_pwcmp_would_look_at_is_found(tone_mapping):
    scenes = [votes.wins for votes in tone_mapping.values()]
    found = [screen_pairs(wins) for wins in scenes]
    assert all(screening.statistics["distance"].shape == (18,) for screening in found)
    wins = np.zeros((18, 35, 35))
    for index, scene in enumerate(scenes):
        block = slice(7 * index, 7 * index + 7)
        wins[:, block, block] = scene
    # All scenes together, whose distances only the prior ties.
    assert screen_pairs(wins).rejected.nonzero()[0].tolist() == [3, 14]


@pytest.mark.parametrize(
    ("model", "unit"), [("thurstone", NORMAL_UNIT), ("bradley_terry", LOGISTIC_UNIT)]
)
def test_scores_equal_sureal(model, unit):
    expected = np.array(GOLDENS[model])
    found = scale_pairs(GOLDENS["wins"], model=model)
    np.testing.assert_allclose(found.score / unit, expected - expected.mean(), atol=1e-5)


def test_intervals_cover_as_often_as_they_say(rng):
    score = np.array([-1.5, -0.7, 0.0, 0.2, 0.6, 1.4])
    first, second = np.triu_indices(6, 1)
    probability = preference(score[first] - score[second])
    wins = np.zeros((600, 6, 6))
    wins[:, first, second] = rng.binomial(40, probability, (600, 15))
    wins[:, second, first] = 40 - wins[:, first, second]
    found, covariance, _, converged = fit_pairs(wins, 0.0, model="thurstone")
    assert converged.all()
    assert np.abs(found.mean(0) - score).max() < 0.03
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    covered = np.mean(np.abs(found - score) < 1.96 * error)
    assert covered == pytest.approx(0.95, abs=0.015)
    # Differences have the variance that the covariance says.
    spread = np.var(found[:, 0] - found[:, 5])
    expected = covariance[:, 0, 0] + covariance[:, 5, 5] - 2 * covariance[:, 0, 5]
    assert spread == pytest.approx(expected.mean(), rel=0.15)


def test_resampled_observers_show_that_they_differ(rng):
    """Observers with opinions of their own vary more than their votes alone."""
    score = np.array([-1.0, 0.0, 1.0])
    own = score + rng.normal(0, 0.8, (30, 3))
    first, second = np.triu_indices(3, 1)
    wins = np.zeros((30, 3, 3))
    wins[:, first, second] = rng.binomial(20, preference(own[:, first] - own[:, second]))
    wins[:, second, first] = 20 - wins[:, first, second]
    sampled, plain = bootstrap_pairs(wins, samples=300), scale_pairs(wins)
    np.testing.assert_allclose(sampled.score, plain.score)
    assert (sampled.error > 1.3 * plain.error).all()
    np.testing.assert_allclose(np.sqrt(np.diag(sampled.covariance)), sampled.error, rtol=1e-6)
    with pytest.raises(ValueError, match=r"needs wins .* of two observers"):
        bootstrap_pairs(plain.covariance * 0)


def test_precision_does_not_depend_on_settings():
    with jax.enable_x64(False):
        single = scale_pairs(GOLDENS["wins"])
    assert single.score.dtype == np.float64
    np.testing.assert_array_equal(single.score, scale_pairs(GOLDENS["wins"]).score)


def test_the_reference_is_zero_without_error_and_differences_stay():
    free, fixed = scale_pairs(GOLDENS["wins"]), scale_pairs(GOLDENS["wins"], reference=2)
    np.testing.assert_allclose(fixed.score, free.score - free.score[2], atol=1e-9)
    assert fixed.score[2] == fixed.error[2] == 0
    c, d = free.covariance, fixed.covariance
    assert d[0, 0] == pytest.approx(c[0, 0] + c[2, 2] - 2 * c[0, 2])
    with pytest.raises(ValueError, match="reference=4 is none of the 4 stimuli"):
        scale_pairs(GOLDENS["wins"], reference=4)


def test_unanimous_votes_need_a_prior():
    wins = np.array([[0, 5, 5], [0, 0, 3], [0, 2, 0]])
    with pytest.raises(ValueError, match="the stimuli 0 won every vote against the others"):
        scale_pairs(wins)
    with pytest.raises(ValueError, match="the stimuli 0 lost every vote against the others"):
        scale_pairs(wins.T)
    found = scale_pairs(wins, prior_deviation=2.0)
    assert 1 < found.score[0] < 4
    assert found.low[0] < found.score[0] < found.high[0]


def test_stimuli_that_no_votes_link_need_a_prior():
    wins = np.zeros((4, 4))
    wins[[0, 1, 2, 3], [1, 0, 3, 2]] = 5
    with pytest.raises(ValueError, match="no votes link the stimuli 2, 3 with the others"):
        scale_pairs(wins)
    found = scale_pairs(wins, prior_deviation=2.0)
    np.testing.assert_allclose(found.score, 0, atol=1e-9)
    nothing = scale_pairs(np.zeros((3, 3)), prior_deviation=2.0)
    np.testing.assert_allclose(nothing.error, 2 * np.sqrt(2 / 3))  # of the mean of three


def test_wrong_wins_are_clear_errors():
    with pytest.raises(ValueError, match=r"wins have shape \(2, 3\)"):
        scale_pairs(np.ones((2, 3)))
    with pytest.raises(ValueError, match="a stimulus has wins over itself"):
        scale_pairs(np.ones((2, 2)))
    with pytest.raises(ValueError, match="not negative"):
        scale_pairs([[0, -1], [1, 0]])
    with pytest.raises(ValueError, match="nothing to be compared with"):
        scale_pairs([[0]])
    with pytest.raises(ValueError, match="model='elo' is unknown"):
        scale_pairs([[0, 1], [1, 0]], model="elo")
    with pytest.raises(ValueError, match="prior_deviation=0 must be positive"):
        scale_pairs([[0, 1], [1, 0]], prior_deviation=0)


def test_votes_are_counted():
    table = pd.DataFrame(
        {
            "observer": ["B", "A", "A"],
            "first": ["x", "y", "x"],
            "second": ["y", "x", "z"],
            "first_preferred": [1, 0.5, 0],
        }
    )
    found = count_wins(table)
    assert found.stimuli == ("x", "y", "z")
    assert found.observers == ("A", "B")
    assert found.wins[0].tolist() == [[0, 0.5, 0], [0.5, 0, 0], [1, 0, 0]]
    assert found.wins[1].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="y is compared with itself"):
        count_wins(table.assign(first="y", second="y"))
    with pytest.raises(ValueError, match="a vote is not from 0"):
        count_wins(table.assign(first_preferred=2))
    with pytest.raises(ValueError, match="no column first_preferred"):
        count_wins(table.drop(columns="first_preferred"))


def test_preferences():
    differences = np.array([-40.0, -1, 0, 2])
    np.testing.assert_allclose(preference(differences), norm.cdf(differences / NORMAL_UNIT))
    logistic = 1 / (1 + 3.0**-differences)
    np.testing.assert_allclose(preference(differences, "bradley_terry"), logistic)
