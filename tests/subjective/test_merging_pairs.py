"""Data sets on one scale, through votes."""

import numpy as np
import pytest

from jiqa.subjective.merging_pairs import merge_by_pairs
from jiqa.subjective.pairwise import preference, scale_pairs


def simulate(rng, votes=20):
    """Two sets of 12 stimuli each, and votes on neighbours within and between them."""
    quality = rng.permutation(np.linspace(-3, 3, 24))
    errors = np.full((24, 2), np.nan)
    errors[:12, 0], errors[12:, 1] = 0.1, 4.0
    scores = np.column_stack([3 + 0.6 * quality, 50 - 3 + 12 * quality])
    scores = scores + errors * rng.normal(size=(24, 2))
    wins = np.zeros((24, 24))
    order = np.argsort(quality)
    for step in (1, 2, 3):
        for one, two in zip(order[:-step], order[step:], strict=True):
            won = rng.binomial(votes, preference(quality[one] - quality[two]))
            wins[one, two], wins[two, one] = won, votes - won
    return scores, errors, wins, quality


def test_lines_and_scores_are_recovered_within_their_errors(rng):
    covered, slopes = [], []
    for _ in range(6):
        scores, errors, wins, quality = simulate(rng)
        found = merge_by_pairs(scores, errors, wins)
        covered.append(np.abs(found.merged.score - quality) < 1.96 * found.merged.error)
        slopes.append(found.merged.slope * [0.6, 12])
    assert np.mean(covered) == pytest.approx(0.95, abs=0.06)
    np.testing.assert_allclose(np.mean(slopes, 0), 1, atol=0.1)
    assert 0.6 < found.agreeing < 0.8
    # Scores help: votes alone leave more doubt.
    assert (found.merged.error < scale_pairs(wins, prior_deviation=3).error).mean() > 0.9


def test_exact_scores_lie_on_their_lines():
    scores = np.array([[1, np.nan], [2, np.nan], [3, 30], [np.nan, 40], [np.nan, 60]])
    wins = np.zeros((5, 5))
    wins[[1, 2, 3, 4], [0, 1, 2, 3]], wins[[0, 1, 2, 3], [1, 2, 3, 4]] = 75, 25
    merged = merge_by_pairs(scores, 0 * scores + 0.01, wins).merged
    np.testing.assert_allclose(merged.aligned[2, 0], merged.aligned[2, 1], atol=2e-3)
    steps = np.diff(merged.score)
    assert steps[3] == pytest.approx(2 * steps[2], rel=1e-2)  # as 40 to 60 and 30 to 40


def test_degenerate_sets_are_clear_errors():
    scores = np.array([[1.0, np.nan], [2, np.nan], [3, np.nan], [np.nan, 1], [np.nan, 2]])
    wins = np.zeros((5, 5))
    wins[[0, 1, 3], [1, 2, 4]] = wins[[1, 2, 4], [0, 1, 3]] = 3
    errors = 0 * scores + 0.1
    with pytest.raises(ValueError, match="set 1 has 2 stimuli in votes"):
        merge_by_pairs(scores, errors, wins)
    with pytest.raises(ValueError, match="neither scores nor votes link the stimuli 3, 4"):
        merge_by_pairs(scores[:, :1], errors[:, :1], wins)
    with pytest.raises(ValueError, match="has no positive error"):
        merge_by_pairs(scores, 0 * errors, wins)
    with pytest.raises(ValueError, match=r"wins \(5, 5\)"):
        merge_by_pairs(scores[:4], errors[:4], wins)
    wins[3:] = wins[:, 3:] = 0
    with pytest.raises(ValueError, match="stimuli 3, 4 have neither a score nor a vote"):
        merge_by_pairs(scores[:, :1], errors[:, :1], wins)
