"""Turning scores by polarity, and what is left out and said."""

import numpy as np
import pandas as pd
import pytest

from jiqa.evaluation.rated import find_polarity, rate
from tests.evaluation.folders import scored

METRICS = ["good", "worse", "poor"]


def test_polarity_from_the_data_is_said(rng):
    rated = rate("set", scored(rng), METRICS)
    assert [p.higher_is_better for p in rated.polarities.values()] == [True, False, True]
    assert {p.source for p in rated.polarities.values()} == {"data"}
    assert rated.notes == ("good, worse, poor: polarity taken from the sign of the correlation.",)
    np.testing.assert_array_equal(rated.turned[1], -rated.scores[1])
    assert rated.quality is rated.opinions


def test_dmos_is_turned(rng):
    table = scored(rng)
    table["dmos"] = 5 - table.pop("mos")
    rated = rate("set", table, METRICS)
    np.testing.assert_array_equal(rated.quality, -rated.opinions)
    assert [p.higher_is_better for p in rated.polarities.values()] == [True, False, True]


def test_polarity_from_the_registry_and_as_given():
    scores = np.arange(6.0)
    assert find_polarity("SSIM", scores, -scores).higher_is_better is True
    assert find_polarity("ssim:luma=bt601", scores, scores).source == "registry"
    assert find_polarity("gmsd", scores, scores).higher_is_better is False
    given = find_polarity("gmsd", scores, scores, higher=["gmsd"])
    assert (given.higher_is_better, given.source) == (True, "given")
    difference = find_polarity("average_difference", scores, scores)
    assert difference.higher_is_better is None
    assert difference.identical == 0
    with pytest.raises(ValueError, match="both higher and lower"):
        find_polarity("a", scores, scores, higher=["a"], lower=["a"])


def test_nearest_is_best_becomes_a_distance(rng):
    table = scored(rng)
    table["average_difference"] = np.where(rng.random(60) < 0.5, 1, -1) * (6 - table["mos"])
    rated = rate("set", table, ["average_difference"])
    np.testing.assert_allclose(rated.scores[0], 6 - table["mos"])
    np.testing.assert_allclose(rated.turned[0], table["mos"] - 6)


def test_a_metric_that_contradicts_opinion_is_named(rng):
    rated = rate("set", scored(rng), METRICS, higher=["good", "worse"])
    assert "worse: opinion contradicts the declared polarity." in rated.notes


def test_what_lacks_a_score_is_left_out_for_all(rng):
    table = scored(rng)
    table.loc[3, "good"] = np.nan
    table.loc[[4, 5], "poor"] = np.nan
    table["flat"] = 1.0
    rated = rate("set", table, [*METRICS, "flat"])
    assert rated.scores.shape == (3, 57)
    assert rated.notes[0] == (
        "3 of 60 images lack a score or an opinion (good 1, poor 2): they are left out for all "
        "metrics."
    )
    assert rated.notes[1] == "flat: one score for all images, left out."


def test_infinite_scores_are_kept_for_ranks(rng):
    table = scored(rng)
    table.loc[[7, 8], "good"] = np.inf
    rated = rate("set", table, METRICS)
    assert rated.finite.sum() == 58
    assert "good: infinite for 2 of 60 images." in rated.notes[-1]


def test_errors_and_contents_of_the_table(rng):
    table = scored(rng)
    rated = rate("set", table, METRICS)
    assert len(set(rated.content)) == 12
    np.testing.assert_array_equal(rated.standard_error, np.full(60, 0.2))
    table = table.drop(columns=["standard_error", "content"])
    assert rate("set", table, METRICS).standard_error is None
    assert rate("set", table, METRICS).content is None
    table["std"], table["ratings"] = 1.0, 25
    table["reference"] = ["I01.png", "i01.PNG"] * 30
    rated = rate("set", table, METRICS)
    np.testing.assert_array_equal(rated.standard_error, np.full(60, 0.2))
    assert set(rated.content) == {"i01.png"}


def test_nothing_left(rng):
    table = scored(rng)
    with pytest.raises(ValueError, match="all scores, or all opinions, are equal"):
        rate("set", table.assign(flat=1.0), ["flat"])
    with pytest.raises(ValueError, match="all scores, or all opinions, are equal"):
        rate("set", table.assign(mos=1.0), METRICS)
    table["good"] = np.where(np.arange(60) < 4, table["good"], np.nan)
    with pytest.raises(ValueError, match=r"4 images with all scores; at least 5.*\(good 56\)"):
        rate("set", table, METRICS)
    with pytest.raises(ValueError, match="needs one column mos"):
        rate("set", pd.DataFrame({"good": [1, 2]}), ["good"])
