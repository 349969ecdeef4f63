"""Intraclass correlations, and two groups of observers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jiqa.subjective.agreement import (
    compare_scores,
    intraclass_correlations,
    one_way_correlations,
)
from jiqa.subjective.rating_files import read_matrix
from jiqa.subjective.ratings import ratings_from_table
from jiqa.subjective.recovery import recover_scores
from jiqa.subjective.reliability import judge_reliability, measure_reliability
from jiqa.subjective.scores import mean_opinion

# Shrout and Fleiss (1979), table 2, and the values of their table 4; the intervals are those that
# the package psych of R gives.
VOTES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
PUBLISHED = {
    "ICC(1,1)": (0.17, -0.13, 0.72),
    "ICC(2,1)": (0.29, 0.02, 0.76),
    "ICC(3,1)": (0.71, 0.34, 0.95),
    "ICC(1,k)": (0.44, -0.88, 0.91),
    "ICC(2,k)": (0.62, 0.07, 0.93),
    "ICC(3,k)": (0.91, 0.68, 0.99),
}


def test_the_six_forms_are_those_of_shrout_and_fleiss():
    for name, found in intraclass_correlations(VOTES).items():
        assert [round(value, 2) for value in found] == list(PUBLISHED[name]), name


def test_intervals_cover_as_often_as_they_say(rng):
    # Each stimulus has variance 1, observers 0.3, noise 0.7: ICC(1,1) and ICC(2,1) are 0.5.
    covered = {name: [] for name in ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)")}
    for _ in range(400):
        stimuli = rng.normal(0, 1, (30, 1))
        votes = stimuli + rng.normal(0, np.sqrt(0.3), 12) + rng.normal(0, np.sqrt(0.7), (30, 12))
        found = intraclass_correlations(votes)
        truth = {"ICC(2,1)": 0.5, "ICC(3,1)": 1 / 1.7}
        for name, value in truth.items():
            covered[name].append(found[name].low <= value <= found[name].high)
        alone = stimuli + rng.normal(0, 1, (30, 12))  # observers of its own for each stimulus
        found = intraclass_correlations(alone)["ICC(1,1)"]
        covered["ICC(1,1)"].append(found.low <= 0.5 <= found.high)
    for name, some in covered.items():
        assert np.mean(some) == pytest.approx(0.95, abs=0.035), name


def test_one_way_correlations_of_complete_votes_are_the_same_and_of_others_near(rng):
    votes = rng.normal(0, 1, (200, 1)) + rng.normal(0, 1, (200, 8))
    whole = one_way_correlations(votes)
    for name in ("ICC(1,1)", "ICC(1,k)"):
        np.testing.assert_allclose(whole[name], intraclass_correlations(votes)[name])
    votes[rng.random(votes.shape) < 0.5] = np.nan
    some = one_way_correlations(votes)["ICC(1,1)"]
    assert some.low < 0.5 < some.high
    assert some.value == pytest.approx(0.5, abs=0.1)


def test_missing_and_degenerate_votes():
    with pytest.raises(ValueError, match=r"1 of 4 votes are missing.*one_way_correlations"):
        intraclass_correlations([[1, 2], [3, np.nan]])
    with pytest.raises(ValueError, match="2 stimuli and 1 observers"):
        intraclass_correlations([[1], [2]])
    with pytest.raises(ValueError, match="votes are repeated"):
        intraclass_correlations(np.ones((3, 3, 2)))
    with pytest.raises(ValueError, match="needs two stimuli, and one with two votes"):
        one_way_correlations([[1, np.nan], [np.nan, 2]])
    for found in intraclass_correlations(np.full((4, 3), 2.0)).values():
        assert np.isnan(found.value)
    for name, found in intraclass_correlations(np.arange(4.0)[:, None] + np.zeros(3)).items():
        assert found.value == 1, name
    biased = intraclass_correlations(np.arange(4.0)[:, None] + np.arange(3.0))
    assert biased["ICC(3,1)"].value == 1
    assert biased["ICC(2,1)"].value < 1


def test_two_series_of_scores(rng):
    first = rng.uniform(1, 5, 300)
    second = (first - 0.5) / 1.2 + rng.normal(0, 0.2, 300)
    second[:3] = np.nan
    found = compare_scores(first, second)
    a, b = first[3:], second[3:]
    line = stats.linregress(b, a)
    assert found.stimuli == 297
    assert found.pearson == pytest.approx(line.rvalue)
    assert found.slope == pytest.approx(line.slope)
    assert found.spearman == pytest.approx(stats.spearmanr(a, b)[0])
    assert found.offset == pytest.approx(np.mean(a - b))
    assert found.rmse_linear < found.rmse
    assert np.isnan(found.different)
    constant = compare_scores(np.ones(5), np.arange(5.0))
    assert np.isnan(constant.pearson)
    with pytest.raises(ValueError, match="2 stimuli have both scores"):
        compare_scores([1, 2, np.nan], [1, 2, 3])


def test_equal_groups_differ_by_chance_only(rng):
    quality = rng.uniform(1, 5, (5000, 1))
    groups = [mean_opinion(quality + rng.normal(0, 0.7, (5000, 25))) for _ in range(2)]
    found = compare_scores(
        groups[0].score,
        groups[1].score,
        first_error=groups[0].error,
        second_error=groups[1].error,
    )
    assert found.different == pytest.approx(0.055, abs=0.01)


def test_laboratory_and_crowd_of_one_study_agree(shared_data):
    folder = shared_data / "data/avt_image_quality"
    lab = read_matrix(folder / "per_user.csv", observers=[f"user{i}" for i in range(1, 22)])
    log = pd.read_csv(folder / "crowd_ratings.csv")
    log = log[log["rating_type"] == "acr"]
    # Four crops of each image were shown.
    image = log["stimuli_file"].str.extract(r"images/(.*)_(?:tl|tr|bl|br)\.png$")[0]
    crowd = ratings_from_table(
        log.assign(observer=log["user_ID"], stimulus=image, score=log["rating"])
    )
    order = [crowd.stimuli.index(name) for name in lab.stimuli]
    published = pd.read_csv(folder / "mean_crowd_mos.csv").set_index("image_name")
    published = published.loc[list(lab.stimuli)]
    in_lab, outside = mean_opinion(lab.scores), mean_opinion(crowd.scores)
    # The published means of two images count 22 votes of the 21 observers.
    assert (np.abs(in_lab.score - published["mos"]) > 1e-9).sum() == 2
    np.testing.assert_allclose(outside.score[order], published["mean_crowd"])

    found = compare_scores(
        in_lab.score,
        outside.score[order],
        first_error=in_lab.error,
        second_error=outside.error[order],
    )
    assert found.pearson == pytest.approx(0.9726, abs=1e-4)
    assert found.spearman == pytest.approx(0.9766, abs=1e-4)
    assert found.offset == pytest.approx(0.405, abs=1e-3)  # crowds see crops, and vote lower
    assert found.different > 0.5
    recovered = recover_scores(crowd.scores, prior_votes=5)
    weighted = compare_scores(in_lab.score, recovered.score[order])
    assert weighted.pearson > found.pearson
    assert intraclass_correlations(lab.scores)["ICC(2,k)"].value == pytest.approx(0.986, abs=1e-3)
    assert one_way_correlations(crowd.scores)["ICC(1,1)"].value == pytest.approx(0.666, abs=1e-3)
    screened = judge_reliability(measure_reliability(crowd.scores))
    assert [reason for reason in screened.reasons if reason] == ["entropy 0.353 is below 0.5"]
    assert not judge_reliability(measure_reliability(lab.scores)).rejected.any()
