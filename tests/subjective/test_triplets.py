"""Impairments from triplets."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from jiqa.subjective.pairwise import preference, scale_pairs
from jiqa.subjective.triplets import scale_triplets


def test_pivots_at_the_reference_are_pairwise_votes(rng):
    """With everything compared with the original, the right wins as a pair's worse one does."""
    left, right = rng.integers(0, 5, (2, 3000))
    keep = left != right
    left, right = left[keep], right[keep]
    score = np.array([0.0, 0.7, 1.1, 2.0, 2.6])
    votes = rng.random(len(left)) < preference(score[right] - score[left])
    wins = np.zeros((5, 5))
    np.add.at(wins, (right, left), votes)
    np.add.at(wins, (left, right), 1 - votes)
    triplets = np.column_stack([left, 0 * left, right])
    found, pairs = scale_triplets(triplets, votes, stimuli=5), scale_pairs(wins, reference=0)
    np.testing.assert_allclose(found.impairment, pairs.score, atol=1e-4)
    np.testing.assert_allclose(found.error, pairs.error, rtol=0.05)  # expected, not observed


def simulate(rng, impairment, votes):
    triplets = np.array([rng.choice(len(impairment), 3, replace=False) for _ in range(votes)])
    left, pivot, right = impairment[triplets.T]
    chance = preference(np.abs(right - pivot) - np.abs(left - pivot))
    return triplets, (rng.random(votes) < chance).astype(float)


def test_any_pivot_recovers_the_scale_and_intervals_cover(rng):
    impairment = np.array([0.0, 0.8, 1.5, 2.6, 4.0])
    covered = []
    for _ in range(60):
        triplets, votes = simulate(rng, impairment, 600)
        found = scale_triplets(triplets, votes, stimuli=5)
        covered += list((found.low <= impairment) & (impairment <= found.high))[1:]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)
    triplets, votes = simulate(rng, impairment, 20_000)
    found = scale_triplets(triplets, votes, stimuli=5)
    np.testing.assert_allclose(found.impairment, impairment, atol=0.15)


def test_votes_on_jpeg_ai_rise_with_compression(shared_data):
    path = shared_data / "data/raw_ratings/jpeg_aic/JPEG_AI_SDR_subjective_data.zip"
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if "PTC" in n and "responses" in n)
        table = pd.read_csv(io.BytesIO(archive.read(name)))
    table = table[(table["response"] != "skip") & (table["is_bias"] + table["is_trap"] == 0)]
    vote = table["response"].map({"left": 0.0, "notsure": 0.5, "right": 1.0})
    for _, image in table.groupby("img_num"):
        names = {(0, 0): 0}  # codec and level; the original first
        columns = [
            [names.setdefault(pair, len(names)) for pair in zip(image[a], image[b], strict=True)]
            for a, b in (
                ("codec_left", "dlevel_left"),
                ("codec_pivot", "dlevel_pivot"),
                ("codec_right", "dlevel_right"),
            )
        ]
        found = scale_triplets(np.transpose(columns), vote[image.index], stimuli=len(names))
        levels = [found.impairment[names[6, level]] for level in (2, 4, 6, 8, 10)]  # of JPEG AI
        assert np.corrcoef(levels, [2, 4, 6, 8, 10])[0, 1] > 0.8
        assert levels[-1] == max(levels)
        assert 0.8 < levels[-1] < 1.5
        assert found.log_likelihood > np.log(0.5)


def test_no_worse_than_the_reference_is_zero_without_an_error():
    triplets = np.repeat([[0, 0, 1], [0, 0, 2]], 20, axis=0)
    votes = np.repeat([0.8, 0.3], 20)
    found = scale_triplets(triplets, votes, stimuli=3)
    assert found.impairment[2] == 0
    assert np.isnan(found.error[2])
    assert found.error[0] == 0
    assert found.error[1] > 0


def test_degenerate_triplets_are_clear_errors():
    with pytest.raises(ValueError, match="impairment of stimuli 1 grows without end"):
        scale_triplets([[0, 0, 1]] * 5, [1] * 5, stimuli=2)
    assert scale_triplets([[0, 0, 1]] * 5, [1] * 5, stimuli=2, prior_deviation=3).impairment[1] < 6
    with pytest.raises(ValueError, match="no triplets link the stimuli 2"):
        scale_triplets([[0, 0, 1]], [0.7], stimuli=3)
    with pytest.raises(ValueError, match="a vote is not from 0"):
        scale_triplets([[0, 0, 1]], [2], stimuli=2)
    with pytest.raises(ValueError, match="stimuli 0 to 5 and the reference is 0, of 2"):
        scale_triplets([[0, 0, 5]], [1], stimuli=2)
    with pytest.raises(ValueError, match=r"give \[votes, 3\] and \[votes\]"):
        scale_triplets(np.zeros((0, 3), int), [], stimuli=2)
