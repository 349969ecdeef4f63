"""Opinions of metrics: ranks whose mean follows each, whatever its scale or polarity."""

import numpy as np
import pytest

from jiqa.training import Data
from jiqa.training.pseudo_opinion import PseudoOpinion
from tests.training.small_run import make_items


@pytest.fixture
def items():
    """Images whose error is `score`, seen by two metrics of opposite polarity."""
    found = make_items(12)
    for item in found:
        error = item["score"]
        item["extra"] = {"metrics": {"psnr": 40 - 30 * error**3, "mdsi": error**2}}
    return found


def test_the_mean_rank_follows_the_metrics(items):
    opinion = PseudoOpinion(items, ["psnr", "mdsi"])
    found = np.array([opinion(item) for item in items])
    errors = np.array([item["score"] for item in items])
    np.testing.assert_allclose(found[np.argsort(errors)], np.linspace(1, 0, 12), atol=1e-12)


def test_other_images_get_ranks_between_and_within(items):
    opinion = PseudoOpinion(items, ["psnr"])
    better = {"extra": {"metrics": {"psnr": 99.0}}}
    between = {"extra": {"metrics": {"psnr": 39.0}}}
    assert opinion(better) == 1
    assert 0 < opinion(between) < 1


def test_equal_scores_share_a_rank():
    items = [{"extra": {"metrics": {"psnr": value}}} for value in (1.0, 2.0, 2.0, 3.0)]
    opinion = PseudoOpinion(items, ["psnr"])
    assert [opinion(item) for item in items] == pytest.approx([0, 0.5, 0.5, 1])


def test_a_set_is_rated_anew(items):
    data = Data.of(items[:8], items[8:], items[8:]).rated_by(["psnr", "mdsi"])
    assert all(item["higher_is_better"] for item in data.train)
    assert (data.scale.low, data.scale.high) == (0.0, 1.0)
    assert len(data.validation) == 4
    assert len(data.train[1:3]) == 2
    assert data.train[0]["reference"] is data.train[1]["reference"]


def test_metrics_must_be_there(items):
    with pytest.raises(ValueError, match="no scores of ssim; it has psnr, mdsi"):
        PseudoOpinion(items, ["ssim"])
