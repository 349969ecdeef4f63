"""Whom BT.500 and correlation reject, and whom not."""

import json
from pathlib import Path

import numpy as np
import pytest

from jiqa.subjective.rating_files import read_sureal
from jiqa.subjective.scores import mean_opinion, z_scores
from jiqa.subjective.screening import correlate_with_mean, screen_bt500, screen_by_correlation

GOLDENS = json.loads((Path(__file__).parent / "data/sureal_goldens.json").read_text())
REJECTED = {  # by sureal, of raw votes
    "NFLX_dataset_public_raw": [2],
    "NFLX_dataset_public_raw_last4outliers": [26, 28, 29],
    "VQEGHD3_dataset_raw": [12],
    "vqeg_frtv_p1_525_line_low_dataset": [17, 66],
    "vqeg_frtv_p1_625_line_high_dataset": [0, 57],
}


@pytest.mark.parametrize("name", REJECTED)
def test_bt500_rejects_whom_sureal_rejects(shared_data, name):
    scores = read_sureal(shared_data / f"data/raw_ratings/sureal/{name}.py").scores
    assert np.flatnonzero(screen_bt500(scores).rejected).tolist() == REJECTED[name]
    for golden, votes in (("bt500", scores), ("z_scores_bt500", z_scores(scores))):
        expected = GOLDENS[name][golden]
        rejected = screen_bt500(votes).rejected
        np.testing.assert_array_equal(rejected, expected["observer_rejected"])
        score = mean_opinion(votes[:, ~rejected]).score
        np.testing.assert_allclose(score, expected["quality_scores"], atol=1e-6)


def votes_with(outliers):
    """Votes of 24 observers around 3, the first with other votes on ten stimuli."""
    votes = np.tile(np.where(np.arange(24) % 2, 2.9, 3.1), (40, 1))
    votes[:10, 0] = outliers
    return votes


def test_outliers_on_both_sides_are_rejected_on_one_side_not():
    both = screen_bt500(votes_with([1, 5] * 5))
    assert both.rejected.nonzero()[0].tolist() == [0]
    assert both.reasons[0] == "25% of votes are outlying, 5 above and 5 below (BT.500)"
    assert both.reasons[1] == ""
    above = screen_bt500(votes_with([5] * 10))
    assert not above.rejected.any()
    assert above.statistics["outlying"][0] == 0.25
    assert above.statistics["one_sidedness"][0] == 1
    # |P - Q| / (P + Q) has to be below 0.3: 6 to 4 is 0.2, 7 to 3 is 0.4.
    assert screen_bt500(votes_with([1] * 4 + [5] * 6)).rejected[0]
    assert not screen_bt500(votes_with([1] * 3 + [5] * 7)).rejected[0]


def test_five_percent_of_votes_have_to_be_outlying():
    votes = votes_with([1, 5] * 5)
    votes[2:10, 0] = 3.1
    assert not screen_bt500(votes).rejected.any()  # two of 40 are 5 %, and not more
    votes[2, 0] = 5
    assert not screen_bt500(votes).rejected.any()  # three, but two of them above
    votes[3, 0] = 1
    assert screen_bt500(votes).rejected[0]


def test_equal_votes_are_no_outliers_and_missing_ones_do_not_count():
    votes = votes_with([1, 5] * 5)
    votes[20:] = 3.0
    assert screen_bt500(votes).statistics["outlying"][1:].max() == 0
    votes[20:, 0] = np.nan
    assert screen_bt500(votes).statistics["outlying"][0] == 0.5
    assert not screen_bt500(np.full((5, 6), 2.0)).rejected.any()
    assert not screen_bt500([[1.0], [2.0]]).rejected.any()  # one observer


def test_nobody_is_rejected_if_everybody_would_be():
    votes = np.full((40, 40), 3.0)
    for observer in range(40):
        votes[observer, observer], votes[(observer + 1) % 40, observer] = 5, 1
        votes[(observer + 5) % 40, observer] = 5
        votes[(observer + 9) % 40, observer] = 1
    found = screen_bt500(votes)
    assert found.statistics["outlying"].min() >= 0
    assert not found.rejected.any()


def test_the_worst_is_rejected_first(rng):
    quality = np.linspace(1, 5, 30)
    votes = quality[:, None] + rng.normal(0, 0.3, (30, 8))
    votes[:, 2] = votes[::-1, 2]
    votes[:, 5] = rng.uniform(1, 5, 30)
    found = screen_by_correlation(votes)
    assert found.rejected.nonzero()[0].tolist() == [2, 5]
    assert found.statistics["correlation"][2] < -0.9
    assert found.reasons[5].startswith("correlation")
    votes[:, 7] = 3
    assert screen_by_correlation(votes).reasons[7] == "gave no two different votes"
    with pytest.raises(ValueError, match=r"no two observers' correlation .* reaches 0\.999"):
        screen_by_correlation(rng.normal(size=(30, 8)), threshold=0.999)
    with pytest.raises(ValueError, match="threshold=2"):
        screen_by_correlation(votes, threshold=2)


def test_correlations_are_those_of_numpy(rng):
    votes = rng.normal(size=(20, 4))
    votes[:3, 1] = np.nan
    mean = np.nanmean(votes, 1)
    given = ~np.isnan(votes[:, 1])
    expected = np.corrcoef(votes[given, 1], mean[given])[0, 1]
    assert correlate_with_mean(votes)[1] == pytest.approx(expected)
    others = np.nanmean(np.delete(votes, 1, 1), 1)
    expected = np.corrcoef(votes[given, 1], others[given])[0, 1]
    assert correlate_with_mean(votes, leave_out=True)[1] == pytest.approx(expected)
