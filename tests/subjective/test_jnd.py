"""Units of ISO 20462."""

import numpy as np
import pytest

from jiqa.subjective.jnd import (
    jnd_from_proportion,
    pairs_of_triplets,
    proportion_from_jnd,
    ruler_modulation,
    ruler_quality,
)
from jiqa.subjective.pairwise import preference, scale_pairs


def test_a_jnd_is_75_of_100_and_the_scale_is_nearly_normal():
    p = np.linspace(0, 1, 21)
    np.testing.assert_allclose(proportion_from_jnd(jnd_from_proportion(p)), p, atol=1e-12)
    jnd = np.linspace(-1.5, 1.5, 13)
    np.testing.assert_allclose(proportion_from_jnd(jnd), preference(jnd), atol=0.01)


def test_the_ruler_falls_with_blur_from_32_to_0():
    quality = ruler_quality(np.linspace(0.01, 0.26, 200))
    assert (np.diff(quality) < 0).all()
    assert quality[0] == pytest.approx(32, abs=0.5)
    assert quality[-1] == pytest.approx(0, abs=0.1)


def test_modulation_is_that_of_a_round_aperture():
    """The transfer of a round pupil is the share in which two such discs overlap."""
    n = 801
    y, x = np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
    shifts = [0.0, 0.3, 0.7]  # of the cut-off frequency
    inside = x**2 + y**2 <= 1
    expected = [np.mean(inside & ((x - 2 * s) ** 2 + y**2 <= 1)) / inside.mean() for s in shifts]
    np.testing.assert_allclose(ruler_modulation(np.array(shifts) / 0.05, 0.05), expected, atol=3e-3)


def test_triplets_recover_scores_with_half_of_the_presentations(rng):
    score = np.array([0.0, 0.8, 1.5, 2.0, 3.0])
    triples = [(0, 1, 2), (0, 3, 4), (1, 2, 3), (1, 3, 4), (0, 2, 4), (0, 1, 3), (1, 2, 4)]
    shown = np.array(triples * 200)
    seen = score[shown] + rng.normal(0, 1.4826 / np.sqrt(2), shown.shape)
    wins = pairs_of_triplets(shown, seen, stimuli=5)
    assert wins.sum() == 3 * len(shown)
    found = scale_pairs(wins, reference=0)
    np.testing.assert_allclose(found.score, score, atol=0.25)


def test_what_is_out_of_range_is_an_error():
    with pytest.raises(ValueError, match="from 0 to 1"):
        jnd_from_proportion(1.2)
    with pytest.raises(ValueError, match="ends at 3 JND"):
        proportion_from_jnd([0, 3.1])
    with pytest.raises(ValueError, match=r"from 0\.01 to 0\.26"):
        ruler_quality(0.3)
    with pytest.raises(ValueError, match="shows a stimulus twice"):
        pairs_of_triplets([[0, 0, 1]], [[1, 2, 3]], stimuli=2)
    with pytest.raises(ValueError, match="stimuli 0 to 2 of 2"):
        pairs_of_triplets([[0, 1, 2]], [[1, 2, 3]], stimuli=2)
    with pytest.raises(ValueError, match=r"give two of \[presentations, 3\]"):
        pairs_of_triplets([[0, 1]], [[1, 2]], stimuli=2)
