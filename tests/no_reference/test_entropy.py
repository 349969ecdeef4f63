"""Entropy of levels against packages, official values and a histogram."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.images import read_image
from tests import goldens


def test_golden_values():
    pairs = goldens.pairs_of("astronaut")
    images = np.stack([goldens.read(pair) for pair in pairs])
    known = [goldens.VALUES[pair]["entropy"]["skimage_shannon_gray"] for pair in pairs]
    # The package rounds luma of three-digit weights, so a few pixels have another level.
    assert_allclose(jiqa.entropy(images), known, rtol=2e-5)


def test_histogram_of_each_channel(rng):
    image = rng.integers(0, 200, (40, 50, 3)).astype(np.uint8)
    known = []
    for c in range(3):
        share = np.bincount(image[..., c].ravel(), minlength=256) / 2000
        known.append(-np.sum(share[share > 0] * np.log2(share[share > 0])))
    assert_allclose(jiqa.entropy(image.astype(float), data_range=255, luma=None), np.mean(known))
    assert_allclose(jiqa.entropy(image / 255.0, luma=None), np.mean(known), rtol=1e-12)


def test_values_beyond_the_range_count_as_its_ends():
    image = np.array([-0.2, 0.0, 1.0, 1.3]).reshape(2, 2, 1)
    assert_allclose(jiqa.entropy(image), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "known"), [("i03_11_5", 6.9511), ("i04_18_5", 6.9661), ("i06_18_3", 7.5309)]
)
def test_official_values_on_tid2013(shared_data, name, known):
    image = read_image(shared_data / "data" / "tid2013_calibration" / "dist" / f"{name}.png")
    assert_allclose(jiqa.entropy(image), known, atol=1e-3)


def test_weights_count_pixels(rng):
    image = rng.integers(0, 5, (12, 10, 3)).astype(np.uint8)
    weights = np.zeros((12, 10))
    weights[3:9, 2:7] = 0.3
    inside = jiqa.entropy(image[3:9, 2:7], luma=None)
    assert_allclose(jiqa.entropy(image, luma=None, weights=weights), inside, rtol=1e-6)
