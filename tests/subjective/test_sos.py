"""The SOS hypothesis."""

import numpy as np
import pytest

from jiqa.subjective.rating_files import read_matrix
from jiqa.subjective.sos import fit_sos


def test_votes_of_a_binomial_have_their_parameter(rng):
    """Votes 1 + binomial(4, p) have variance 4 p (1 - p) = (5 - x)(x - 1) / 4."""
    p = rng.uniform(0, 1, (400, 1))
    fit = fit_sos(1 + rng.binomial(4, p, (400, 50)), low=1, high=5)
    assert fit.a == pytest.approx(0.25, abs=4 * fit.error)
    assert fit.error < 0.005
    np.testing.assert_allclose(fit.deviation([1, 3, 5]), [0, np.sqrt(4 * fit.a), 0])


def test_images_of_a_laboratory_study_have_a_usual_parameter(shared_data):
    path = shared_data / "data/avt_image_quality/per_user.csv"
    scores = read_matrix(path, observers=[f"user{i}" for i in range(1, 22)]).scores
    # Hossfeld et al. (2011) report 0.10 to 0.25 for images and videos.
    assert fit_sos(scores, low=1, high=5).a == pytest.approx(0.130, abs=1e-3)


def test_degenerate_votes():
    ends = fit_sos([[1, 1], [5, 5]], low=1, high=5)
    assert np.isnan(ends.a)
    assert np.isnan(fit_sos([[1, 2]], low=1, high=5).error)
    with pytest.raises(ValueError, match="votes go from 0 to 3"):
        fit_sos([[0, 3]], low=1, high=5)
    with pytest.raises(ValueError, match="no stimulus has two votes"):
        fit_sos([[1], [2]], low=1, high=5)
    with pytest.raises(ValueError, match="has no width"):
        fit_sos([[1, 1]], low=1, high=1)
