"""Means with intervals, differences from references, and z-scores."""

import json
from pathlib import Path

import numpy as np
import pytest

from jiqa.subjective.rating_files import read_sureal
from jiqa.subjective.scores import (
    differential_scores,
    mean_opinion,
    quantile,
    rescale_z_scores,
    vote_shares,
    z_scores,
)

GOLDENS = json.loads((Path(__file__).parent / "data/sureal_goldens.json").read_text())


def test_means_are_those_of_numpy_without_missing_votes(rng):
    scores = rng.uniform(1, 5, (6, 5, 2))
    scores[rng.random(scores.shape) < 0.3] = np.nan
    found, flat = mean_opinion(scores), scores.reshape(6, -1)
    np.testing.assert_allclose(found.score, np.nanmean(flat, 1))
    np.testing.assert_allclose(found.deviation, np.nanstd(flat, 1, ddof=1))
    np.testing.assert_array_equal(found.votes, (~np.isnan(flat)).sum(1))


def test_intervals_cover_as_often_as_they_say(rng):
    votes = rng.normal(3, 1, (20_000, 6))
    for confidence in (0.95, 0.8):
        found = mean_opinion(votes, confidence=confidence)
        covered = np.mean((found.low <= 3) & (found.high >= 3))
        assert covered == pytest.approx(confidence, abs=0.01)
    normal = mean_opinion(votes, interval="normal")
    assert np.mean((normal.low <= 3) & (normal.high >= 3)) < 0.92  # too narrow for six votes
    np.testing.assert_allclose(normal.high - normal.score, 1.959964 * normal.error, rtol=1e-6)


def test_few_votes_have_no_error_and_equal_votes_none():
    found = mean_opinion([[3, np.nan], [np.nan, np.nan], [4, 4]])
    np.testing.assert_array_equal(found.score, [3, np.nan, 4])
    np.testing.assert_array_equal(found.error, [np.nan, np.nan, 0])
    np.testing.assert_array_equal(found.low, [np.nan, np.nan, 4])


@pytest.mark.parametrize("name", [name for name in GOLDENS if name != "pairs"])
def test_equal_sureal_on_its_data_sets(shared_data, name):
    ratings = read_sureal(shared_data / f"data/raw_ratings/sureal/{name}.py")
    goldens = GOLDENS[name]
    found = mean_opinion(ratings.scores)
    np.testing.assert_allclose(found.score, goldens["mos"]["quality_scores"], atol=1e-6)
    np.testing.assert_allclose(found.error, goldens["mos"]["quality_scores_std"], atol=1e-6)
    if "dmos" not in goldens:
        return
    for own_reference in (True, False):  # no vote is missing, so that means are the same
        difference = differential_scores(
            ratings.scores, ratings.references, best=5, own_reference=own_reference
        )
        score = mean_opinion(difference).score
        np.testing.assert_allclose(score, goldens["dmos"]["quality_scores"], atol=1e-6)
    live = mean_opinion(rescale_z_scores(z_scores(difference))).score
    np.testing.assert_allclose(live, goldens["live_dmos"]["quality_scores"], atol=1e-6)


def test_differences_are_missing_where_the_reference_is():
    scores = [[5, np.nan], [3, 4], [2, 2]]
    found = differential_scores(scores, [0, 0, -1])
    np.testing.assert_array_equal(found, [[0, np.nan], [-2, np.nan], [np.nan, np.nan]])
    found = differential_scores(scores, [0, 0, -1], own_reference=False)
    np.testing.assert_array_equal(found[1], [-2, -1])
    with pytest.raises(ValueError, match="from 0 to 3; stimuli to 2"):
        differential_scores(scores, [0, 0, 3])
    with pytest.raises(ValueError, match="give an index for each of the 3 stimuli"):
        differential_scores(scores, [0, 0])


def test_z_scores_have_mean_zero_and_deviation_one(rng):
    scores = rng.normal(3, [1, 2, 0.5], (30, 3))
    scores[:4, 1] = np.nan
    found = z_scores(scores)
    np.testing.assert_allclose(np.nanmean(found, 0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(found, 0, ddof=1), 1)
    with pytest.raises(ValueError, match="observers 1 did not give two different votes"):
        z_scores([[1, 3], [2, 3]])


def test_shares_of_levels():
    found = vote_shares([[1, 3, np.nan], [np.nan] * 3], [1, 2, 3])
    np.testing.assert_array_equal(found, [[0.5, 0, 0.5], [np.nan] * 3])
    with pytest.raises(ValueError, match=r"vote 2\.5 is none of the levels 1"):
        vote_shares([[2.5]], [1, 2, 3])


def test_options_are_checked():
    with pytest.raises(ValueError, match="confidence=95"):
        quantile(95, "normal")
    with pytest.raises(ValueError, match="interval='t'"):
        mean_opinion([[1, 2]], interval="t")
