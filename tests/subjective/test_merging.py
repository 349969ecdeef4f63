"""Data sets on one scale, through common stimuli."""

import numpy as np
import pandas as pd
import pytest

from jiqa.subjective.merging import compare_sets, merge_linear, merge_monotone
from jiqa.subjective.rating_files import read_matrix
from jiqa.subjective.scores import mean_opinion


def simulate(rng, errors=(0.1, 3.0, 0.02)):
    """Three sets of one quality: 1 to 5, 0 to 100 and 0 to 1; the last overlaps the second only."""
    quality = rng.uniform(1, 5, 300)
    sets = np.column_stack([quality, 25 * (quality - 1), (quality - 1) / 4])
    noise = np.broadcast_to(errors, sets.shape)
    scores = sets + noise * rng.normal(size=sets.shape)
    scores[150:, 0] = scores[:100, 1] = scores[:200, 2] = np.nan
    return scores, np.where(np.isnan(scores), np.nan, noise), quality


def test_sets_in_a_chain_are_aligned_within_their_errors(rng):
    scores, errors, quality = simulate(rng)
    merged = merge_linear(scores, errors=errors)
    np.testing.assert_allclose(merged.slope, [1, 1 / 25, 4], rtol=0.03)
    np.testing.assert_allclose(merged.shift, [0, 1, 1], atol=0.1)
    assert merged.alignment_error.max() < 0.06
    covered = np.mean(np.abs(merged.score - quality) < 1.96 * merged.error)
    assert covered > 0.93
    first, second = merged.consistency
    assert (first.first, first.second, first.stimuli) == (0, 1, 50)
    assert (second.first, second.second, second.stimuli) == (1, 2, 100)
    for found in merged.consistency:
        assert found.rmse == pytest.approx(found.expected_rmse, rel=0.2)
        assert found.pearson > 0.98
        assert found.disorder < 0.1


def test_scales_do_not_shrink_with_noise(rng):
    """A regression of one set on the other would squeeze it by their correlation."""
    quality = rng.normal(0, 1, 3000)
    scores = np.column_stack([quality, 2 * quality]) + rng.normal(0, [0.6, 1.2], (3000, 2))
    assert merge_linear(scores).slope[1] == pytest.approx(0.5, rel=0.03)
    scores[:, 1] = 2 * quality  # noise in one only, which the errors then have to say
    assert merge_linear(scores).slope[1] > 0.55
    errors = np.tile([0.6, 0.0], (3000, 1))
    assert merge_linear(scores, errors=errors).slope[1] == pytest.approx(0.5, rel=0.03)


def test_inconsistent_sets_are_reported(rng):
    scores, errors, _ = simulate(rng)
    scores[:, 1] += rng.normal(0, 15, 300)
    merged = merge_linear(scores, errors=errors)
    assert merged.alignment_error[1] > 0.3
    found = merged.consistency[0]
    assert found.rmse > 2 * found.expected_rmse
    assert found.disorder > 0.1
    assert (merged.error[160:190] > 0.3).all()  # who has a score of that set alone


def test_a_bent_scale_is_straightened(rng):
    quality = rng.uniform(0, 1, 200)
    bent = quality**2.5 + rng.normal(0, 0.01, 200)
    scores = np.column_stack([1 + 4 * quality + rng.normal(0, 0.1, 200), bent])
    scores[100:, 0] = np.nan
    curve, line = merge_monotone(scores), merge_linear(scores)
    errors = [np.std(found.aligned[100:, 1] - 1 - 4 * quality[100:]) for found in (curve, line)]
    assert errors[0] < 0.5 * errors[1]
    order = np.argsort(bent)
    assert (np.diff(curve.aligned[order, 1]) >= 0).all()
    assert np.isnan(curve.slope[1])


def test_curves_go_on_straight_beyond_common_stimuli():
    x = np.arange(6.0)
    scores = np.column_stack([np.r_[x[:4], np.nan, np.nan], 2 * x])
    np.testing.assert_allclose(merge_monotone(scores).aligned[:, 1], x)


def test_laboratory_and_crowd_on_one_scale(shared_data):
    folder = shared_data / "data/avt_image_quality"
    lab = read_matrix(folder / "per_user.csv", observers=[f"user{i}" for i in range(1, 22)])
    crowd = pd.read_csv(folder / "mean_crowd_mos.csv").set_index("image_name")["mean_crowd"]
    scores = np.column_stack([mean_opinion(lab.scores).score, crowd.loc[list(lab.stimuli)]])
    scores[:150, 0] = np.nan  # their laboratory scores are predicted
    truth = mean_opinion(lab.scores).score[:150]
    raw = np.sqrt(np.mean((scores[:150, 1] - truth) ** 2))
    for merge in (merge_linear, merge_monotone):
        error = np.sqrt(np.mean((merge(scores).aligned[:150, 1] - truth) ** 2))
        assert error < 0.65 * raw


def test_numbers_of_consistency():
    a, b = np.array([1.0, 2, 3, 4, np.nan]), np.array([1.0, 3, 2, 4, 5])
    found = compare_sets(a, b, 0 * a + 0.3, 0 * b + 0.4, 0, 1)
    assert found.stimuli == 4
    assert found.pearson == pytest.approx(0.8)
    assert found.spearman == pytest.approx(0.8)
    assert found.disorder == pytest.approx(1 / 6)
    assert found.rmse == pytest.approx(np.sqrt(0.5))
    assert found.expected_rmse == pytest.approx(0.5)


def test_scores_of_no_set_are_missing_and_unknown_errors_too():
    merged = merge_linear([[1, 2], [2, 4], [3, 6], [np.nan, np.nan]])
    np.testing.assert_allclose(merged.score, [1, 2, 3, np.nan])
    assert np.isnan(merged.error).all()


def test_degenerate_sets_are_clear_errors():
    scores = np.array([[1, 2.0], [2, 4], [3, 6]])
    with pytest.raises(ValueError, match="scores of set 1 fall where those of set 0 rise"):
        merge_linear(scores * [1, -1])
    with pytest.raises(ValueError, match="set 1 do not vary beyond their errors"):
        merge_linear(scores * [1, 0] + 1)
    with pytest.raises(ValueError, match="set 0 do not vary beyond their errors"):
        merge_linear(scores, errors=np.full((3, 2), 2.0))
    with pytest.raises(ValueError, match="sets 1 have no chain of 3 common stimuli"):
        merge_linear([[1, 2], [2, 3], [3, np.nan], [np.nan, 4]])
    with pytest.raises(ValueError, match="some scores have no error"):
        merge_linear(scores, errors=[[1, 1], [1, np.nan], [1, 1]])
    with pytest.raises(ValueError, match="two sets or more"):
        merge_linear(scores[:, :1])
    with pytest.raises(ValueError, match="reference=2"):
        merge_linear(scores, reference=2)
    with pytest.raises(ValueError, match="finite"):
        merge_linear(scores, errors=-scores)
