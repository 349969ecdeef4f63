"""Scores recovered with the ambiguity of contents."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from jiqa.subjective.content_ambiguity import recover_with_ambiguity
from jiqa.subjective.rating_files import read_sureal
from jiqa.subjective.ratings import list_votes
from jiqa.subjective.recovery import fit_additive, recover_scores
from tests.subjective.simulated import simulate_votes

GOLDENS = json.loads((Path(__file__).parent / "data/sureal_goldens.json").read_text())
DATA_SETS = [name for name in GOLDENS if name != "pairs"]


@pytest.mark.parametrize("name", DATA_SETS)
def test_at_least_as_likely_as_sureal_and_equal_where_it_ends_at_the_same(shared_data, name):
    ratings = read_sureal(shared_data / f"data/raw_ratings/sureal/{name}.py")
    golden = GOLDENS[name]["subject_and_content"]
    found = recover_with_ambiguity(ratings.scores, ratings.contents).recovery
    assert found.log_likelihood > golden["loglikelihood"] - 1e-7
    if name == "NFLX_dataset_public_raw":
        np.testing.assert_allclose(found.score, golden["quality_scores"], atol=1e-5)
        np.testing.assert_allclose(found.score_error, golden["quality_scores_std"], atol=1e-5)
        np.testing.assert_allclose(found.bias, golden["observer_bias"], atol=1e-5)
    else:
        assert found.log_likelihood > golden["loglikelihood"] + 2e-5


@pytest.mark.parametrize("name", DATA_SETS)
def test_sureal_keeps_inconsistencies_that_its_steps_took_to_zero(shared_data, name):
    """With the same held at zero, maximum likelihood gives its scores."""
    ratings = read_sureal(shared_data / f"data/raw_ratings/sureal/{name}.py")
    golden = GOLDENS[name]["subject_and_content"]
    zero = np.array(golden["observer_inconsistency"]) == 0
    votes, names = list_votes(ratings.scores), list(dict.fromkeys(ratings.contents))
    content = np.array([names.index(one) for one in ratings.contents])[votes.stimulus]
    start = recover_scores(ratings.scores).inconsistency ** 2

    def solve(variances):
        of_observer, of_content = np.split(start.mean() * variances, [len(zero)])
        variance = np.where(zero, 0, of_observer)[votes.observer] + of_content[content]
        return variance, *fit_additive(votes, 1 / variance)

    def loss(variances):
        variance, score, bias = solve(variances)
        ratio = (votes.score - score[votes.stimulus] - bias[votes.observer]) ** 2 / variance
        slope = (1 - ratio) / variance * start.mean() / len(ratio)
        by_content = np.bincount(content, slope, len(names))
        slopes = votes.sum_by_observer(slope) * ~zero, by_content
        return np.mean(np.log(variance) + ratio), np.concatenate(slopes)

    begin = np.append(start / start.mean() / 2, np.full(len(names), 0.5))
    bounds = [(1e-6, None)] * len(begin)
    options = {"maxiter": 3000, "ftol": 1e-15, "gtol": 1e-9}
    end = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    np.testing.assert_allclose(solve(end.x)[1], golden["quality_scores"], atol=1e-3)


def test_what_made_the_votes_is_recovered(rng):
    votes, score, *_ = simulate_votes(rng, stimuli=300, observers=30, spread=(0.2, 0.5))
    ambiguity = np.array([0.0, 0.3, 0.6, 1.0])
    content = np.arange(300) % 4
    votes += ambiguity[content][:, None] * rng.normal(size=votes.shape)
    found = recover_with_ambiguity(votes, [f"content {c}" for c in content])
    assert found.contents == ("content 0", "content 1", "content 2", "content 3")
    assert found.ambiguity[0] == 0
    assert np.isinf(found.ambiguity_error[0])
    np.testing.assert_allclose(found.ambiguity, ambiguity, atol=0.05)
    recovery = found.recovery
    score = score - (score - recovery.score).mean()
    covered = np.mean(np.abs(recovery.score - score) < 1.96 * recovery.score_error)
    assert covered == pytest.approx(0.95, abs=0.03)
    assert recovery.bic < recover_scores(votes).bic  # ambiguity is worth its parameters
    plain, *_ = simulate_votes(rng, stimuli=300, observers=30, spread=(0.2, 0.5))
    without = recover_with_ambiguity(plain, [str(c) for c in content])
    assert without.recovery.bic > recover_scores(plain).bic  # where there is none, not


def test_degenerate_votes_are_clear_errors():
    votes = np.arange(12.0).reshape(4, 3) ** 1.5
    with pytest.raises(ValueError, match="3 contents are given for 4 stimuli"):
        recover_with_ambiguity(votes, ["a", "b", "c"])
    with pytest.raises(ValueError, match="all stimuli show one content"):
        recover_with_ambiguity(votes, ["a"] * 4)
    with pytest.raises(ValueError, match="no noise to divide"):
        recover_with_ambiguity(np.full((4, 3), 2.0), ["a", "a", "b", "b"])
