"""Scores recovered from observers who differ."""

import json
from pathlib import Path

import numpy as np
import pytest

from jiqa.subjective.rating_files import read_sureal
from jiqa.subjective.ratings import list_votes
from jiqa.subjective.recovery import fit_additive, recover_scores, subtract_bias
from jiqa.subjective.scores import mean_opinion
from tests.subjective.simulated import simulate_votes

GOLDENS = json.loads((Path(__file__).parent / "data/sureal_goldens.json").read_text())
DATA_SETS = [name for name in GOLDENS if name != "pairs"]


@pytest.mark.parametrize("name", DATA_SETS)
def test_equal_sureal_on_its_data_sets(shared_data, name):
    scores = read_sureal(shared_data / f"data/raw_ratings/sureal/{name}.py").scores
    found = recover_scores(scores)
    for model in ("p910", "subject"):  # alternating projection, and maximum likelihood
        golden = GOLDENS[name][model]
        for ours, theirs in (
            ("score", "quality_scores"),
            ("score_error", "quality_scores_std"),
            ("bias", "observer_bias"),
            ("inconsistency", "observer_inconsistency"),
            ("log_likelihood", "loglikelihood"),
        ):
            # They print 7 digits; scores of the two FRTV sets go from 0 to 100.
            np.testing.assert_allclose(getattr(found, ours), golden[theirs], atol=1e-6)
    unbiased, bias = subtract_bias(scores)
    golden = GOLDENS[name]["bias_subtraction"]
    np.testing.assert_allclose(bias, golden["observer_bias"], atol=1e-6)
    np.testing.assert_allclose(mean_opinion(unbiased).score, golden["quality_scores"], atol=1e-6)


def test_what_made_the_votes_is_recovered_within_its_errors(rng):
    votes, score, bias, inconsistency = simulate_votes(rng, stimuli=800, observers=40)
    votes[rng.random(votes.shape) < 0.4] = np.nan
    found = recover_scores(votes)
    score = score - (score - found.score).mean()  # the mean bias of those drawn is not zero
    covered = np.abs(found.score - score) < 1.96 * found.score_error
    assert covered.mean() == pytest.approx(0.95, abs=0.02)
    assert (np.abs(found.bias - bias) < 1.96 * found.bias_error).mean() > 0.85  # of 40 observers
    # Scores fitted to the same votes take 1 of about 24 degrees of freedom.
    off = found.inconsistency / inconsistency - np.sqrt(1 - 1 / 24)
    assert np.abs(off.mean()) < 0.01
    assert np.std(off) == pytest.approx(1 / np.sqrt(2 * 480), rel=0.3)


def test_who_votes_at_random_does_less_harm_than_to_the_mean(rng):
    votes, score, _, _ = simulate_votes(rng, bias=0)
    votes[:, :6] = rng.uniform(1, 5, (len(votes), 6))
    found = recover_scores(votes)
    plain = mean_opinion(votes).score
    assert np.std(found.score - score) < 0.5 * np.std(plain - score)
    assert found.inconsistency[:6].min() > found.inconsistency[6:].max()


def test_a_constant_added_to_one_observer_is_all_bias(rng):
    votes, *_ = simulate_votes(rng, stimuli=20, observers=8)
    before = recover_scores(votes)
    votes[:, 3] += 2
    after = recover_scores(votes)
    np.testing.assert_allclose(after.score, before.score + 2 / 8, atol=1e-6)
    np.testing.assert_allclose((after.bias - before.bias)[[3, 0]], [1.75, -0.25], atol=1e-6)
    np.testing.assert_allclose(after.inconsistency, before.inconsistency, atol=1e-6)


def test_observers_alike_give_the_mean():
    noise = np.array([[1.0, -1, 0, 0], [0, 0, 1, -1], [-1, 1, 0, 0], [0, 0, -1, 1]])
    found = recover_scores(np.array([1.0, 2, 3, 4])[:, None] + noise)
    np.testing.assert_allclose(found.score, [1, 2, 3, 4], atol=1e-9)
    np.testing.assert_allclose(found.bias, 0, atol=1e-9)


def test_repetitions_count_as_votes(rng):
    votes, *_ = simulate_votes(rng, stimuli=30, observers=6)
    again, *_ = simulate_votes(rng, stimuli=30, observers=6)
    stacked = np.stack([votes, again], -1)
    found = recover_scores(stacked)
    doubled = recover_scores(np.repeat(stacked, 2, -1))
    np.testing.assert_allclose(doubled.score, found.score, atol=1e-6)
    np.testing.assert_allclose(doubled.score_error, found.score_error / np.sqrt(2), atol=1e-6)


def test_least_squares_are_those_of_numpy(rng):
    votes = list_votes(np.where(rng.random((7, 5)) < 0.7, rng.normal(size=(7, 5)), np.nan))
    weight = rng.uniform(0.5, 2, len(votes.score))
    design = np.zeros((len(votes.score) + 1, 12))
    rows = np.arange(len(votes.score))
    design[rows, votes.stimulus] = design[rows, 7 + votes.observer] = np.sqrt(weight)
    design[-1, 7:] = 1  # the biases' mean is zero
    target = np.append(np.sqrt(weight) * votes.score, 0)
    expected = np.linalg.lstsq(design, target)[0]
    np.testing.assert_allclose(np.concatenate(fit_additive(votes, weight)), expected, atol=1e-9)


def test_prior_votes_keep_who_voted_little_from_dictating(rng):
    votes, score, _, _ = simulate_votes(rng, stimuli=60, observers=20)
    crowd = np.full((60, 30), np.nan)
    for observer in range(30):  # three votes each
        seen = rng.choice(60, 3, replace=False)
        crowd[seen, observer] = score[seen] + rng.normal(0, 1.5, 3)
    votes = np.column_stack([votes, crowd])
    without, with_prior = recover_scores(votes), recover_scores(votes, prior_votes=5)
    assert without.inconsistency[20:].min() < 0.2  # they agree by chance
    assert with_prior.inconsistency[20:].min() > 0.3
    errors = [np.std(found.score - score) for found in (without, with_prior)]
    assert errors[1] < errors[0]


def test_votes_all_equal_have_no_error():
    found = recover_scores(np.full((4, 3), 2.0))
    np.testing.assert_allclose(found.score, 2)
    assert found.score_error.max() == found.inconsistency.max() == 0
    assert found.log_likelihood == np.inf


def test_degenerate_votes_are_clear_errors():
    with pytest.raises(ValueError, match="at least two are needed"):
        recover_scores([[1.0], [2.0], [3.0]])
    with pytest.raises(ValueError, match="stimuli 1 have no vote"):
        recover_scores([[1, 2], [np.nan, np.nan], [1, 2], [3, 4]])
    few = np.array([[1, 2, 3], [2, 3, np.nan], [4, 5, np.nan], [3, 2, 1]])
    with pytest.raises(ValueError, match="observers 2 gave fewer than 3 votes"):
        recover_scores(few)
    assert np.isfinite(recover_scores(few, prior_votes=5).score).all()
    apart = np.full((6, 4), np.nan)
    apart[:3, :2], apart[3:, 2:] = 3, 4
    with pytest.raises(ValueError, match="2 parts that no observer links"):
        recover_scores(apart)
    with pytest.raises(ValueError, match="prior_votes=-1"):
        recover_scores([[1, 2]], prior_votes=-1)
