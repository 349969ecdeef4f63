"""From ratings to tables of opinion."""

import json

import numpy as np
import pandas as pd
import pytest

from jiqa.opinions import analyse, observers_path
from jiqa.subjective.content_ambiguity import recover_with_ambiguity
from jiqa.subjective.ratings import Ratings
from jiqa.subjective.recovery import recover_scores
from jiqa.subjective.scores import differential_scores, mean_opinion, z_scores
from jiqa.subjective.sessions import Session


@pytest.fixture
def ratings(rng):
    """Thirty stimuli of three contents, twenty observers of whom the last votes at random."""
    quality = rng.uniform(1.5, 4.5, 30)
    quality[::10] = 4.8
    votes = quality[:, None] + rng.normal(0, 0.4, 20) + rng.normal(0, 0.6, (30, 20))
    votes[:, -1] = rng.uniform(1, 5, 30)
    return Ratings(
        votes.round().clip(1, 5)[..., None],
        tuple(f"image {i}" for i in range(30)),
        tuple(f"observer {i}" for i in range(20)),
        tuple(f"content {i // 10}" for i in range(30)),
        np.arange(30) // 10 * 10,
    )


def test_means_of_those_who_are_not_rejected(ratings):
    found = analyse(ratings, screen="reliability")
    assert found.observers["rejected"].to_numpy().nonzero()[0].tolist() == [19]
    assert "correlation" in found.observers["reason"][19]
    kept = mean_opinion(ratings.scores[:, :19])
    np.testing.assert_allclose(found.stimuli["score"], kept.score)
    np.testing.assert_allclose(found.stimuli["low"], kept.low)
    assert found.metadata["votes"] == 30 * 19
    assert found.metadata["rejected"] == 1
    assert list(found.metadata["agreement"])[-1] == "ICC(3,k)"
    assert 0.05 < found.metadata["sos"]["a"] < 0.3


def test_traits_are_those_of_all_observers(ratings):
    found, expected = analyse(ratings, screen="reliability"), recover_scores(ratings.scores)
    np.testing.assert_allclose(found.observers["bias"], expected.bias)
    np.testing.assert_allclose(found.observers["inconsistency"], expected.inconsistency)
    assert found.observers["inconsistency"].idxmax() == 19
    assert found.metadata["note"] == ""


def test_each_model_is_the_function_of_its_name(ratings):
    scores = ratings.scores
    recovered = recover_scores(scores)
    expected = {
        "mean": mean_opinion(scores).score,
        "differential": mean_opinion(differential_scores(scores, ratings.references, best=5)).score,
        "z_scores": 100 * (mean_opinion(z_scores(scores)).score + 3) / 6,
        "unbiased": mean_opinion(scores).score,  # all votes are there
        "recovered": recovered.score,
        "ambiguity": recover_with_ambiguity(scores, ratings.contents).recovery.score,
    }
    for model, score in expected.items():
        found = analyse(ratings, model=model, screen="none")
        np.testing.assert_allclose(found.stimuli["score"], score, atol=1e-9, err_msg=model)
        assert (found.stimuli["low"] <= found.stimuli["score"]).all()
    found = analyse(ratings, model="recovered")
    assert found.metadata["screen"] == "none"
    assert found.metadata["bic"] == pytest.approx(recovered.bic)
    width = found.stimuli["high"] - found.stimuli["score"]
    np.testing.assert_allclose(width, 1.959964 * recovered.score_error, rtol=1e-6)


def test_missing_votes_leave_two_correlations(ratings):
    ratings.scores[0, :3] = np.nan
    assert list(analyse(ratings).metadata["agreement"]) == ["ICC(1,1)", "ICC(1,k)"]


def test_csv_and_json_hold_the_same(ratings, tmp_path):
    ratings.scores[4, 1:] = np.nan  # one vote, without an interval
    found = analyse(ratings, screen="reliability")
    found.write(tmp_path / "opinions.csv")
    found.write(tmp_path / "opinions.json")
    stimuli = pd.read_csv(tmp_path / "opinions.csv")
    pd.testing.assert_frame_equal(stimuli, found.stimuli, check_dtype=False)
    observers = pd.read_csv(observers_path(tmp_path / "opinions.csv"), keep_default_na=False)
    assert observers["reason"].tolist() == found.observers["reason"].tolist()
    whole = json.loads((tmp_path / "opinions.json").read_text())
    assert whole["metadata"] == json.loads((tmp_path / "opinions.csv.meta.json").read_text())
    assert whole["stimuli"][4]["low"] is None
    assert whole["stimuli"][3]["score"] == found.stimuli["score"][3]
    assert whole["observers"][19]["rejected"] is True
    assert len(whole["observers"]) == 20


def test_sessions_are_checked_and_groups_compared(ratings):
    sessions = [
        Session(name, country="NO" if index < 10 else "SE", minutes=20.0 + index)
        for index, name in enumerate(ratings.observers)
    ]
    found = analyse(ratings, sessions=sessions).metadata
    checks = {check["name"]: check["status"] for check in found["checks"]}
    assert checks["country"] == "pass"
    assert checks["minutes without a break"] == "fail"
    assert checks["gamut"] == "unknown"
    assert list(found["groups"]) == ["country"]
    assert found["groups"]["country"]["observers"] == {"NO": 10, "SE": 10}
    assert 0 <= found["groups"]["country"]["p_value"] <= 1
    with pytest.raises(ValueError, match="nobody has a session but no votes"):
        analyse(ratings, sessions=[Session("nobody")])


def test_degenerate_ratings_have_stated_values_or_clear_errors(ratings):
    one = Ratings(ratings.scores[:, :1], ratings.stimuli, ratings.observers[:1])
    found = analyse(one)
    assert found.stimuli["low"].isna().all()
    assert found.metadata["agreement"] == {}
    assert found.metadata["sos"] is None
    assert "at least two are needed" in found.metadata["note"]
    equal = Ratings(np.full((4, 3, 1), 3.0), tuple("abcd"), tuple("xyz"))
    found = analyse(equal)
    assert (found.stimuli["high"] - found.stimuli["low"]).max() == 0
    assert found.metadata["sos"] is None
    assert set(map(tuple, found.metadata["agreement"].values())) == {(None, None, None)}
    with pytest.raises(ValueError, match="votes go from 1 to 5, which is outside the scale"):
        analyse(ratings, scale=(1, 4))
    with pytest.raises(ValueError, match="model='median' is unknown"):
        analyse(ratings, model="median")
    with pytest.raises(ValueError, match="screen='all' is unknown"):
        analyse(ratings, screen="all")
    bare = Ratings(ratings.scores, ratings.stimuli, ratings.observers)
    with pytest.raises(ValueError, match="needs references"):
        analyse(bare, model="differential")
    with pytest.raises(ValueError, match="needs contents"):
        analyse(bare, model="ambiguity")


def test_wrong_outputs_are_errors(ratings, tmp_path):
    found = analyse(ratings)
    with pytest.raises(ValueError, match=r"suffix must be one of \.csv, \.json"):
        found.write(tmp_path / "opinions.parquet")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        found.write(tmp_path / "no" / "opinions.csv")
    assert list(tmp_path.iterdir()) == []
