"""Contrasts against their definitions in plain NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa


def blocks_of(image, size):
    for i in range(0, image.shape[0] - size + 1, size):
        for j in range(0, image.shape[1] - size + 1, size):
            yield image[i : i + size, j : j + size]


@pytest.mark.parametrize("size", [8, 5])
def test_contrasts_of_blocks(rng, size):
    image = rng.random((19, 26))
    michelson = [np.ptp(block) / (block.max() + block.min()) for block in blocks_of(image, size)]
    weber = [np.mean(np.abs(b - b.mean())) / b.mean() for b in blocks_of(image, size)]
    given = image[..., None]
    ours = jiqa.michelson_contrast(given, block_size=size)
    assert_allclose(ours, np.mean(michelson), rtol=1e-12)
    assert_allclose(jiqa.weber_contrast(given, block_size=size), np.mean(weber), rtol=1e-12)


def test_rms_contrast_and_its_weights(rng):
    image = rng.random((9, 12, 3))
    assert_allclose(jiqa.rms_contrast(image), image.std((0, 1)).mean(), rtol=1e-12)
    weights = np.zeros((9, 12))
    weights[2:5, 3:9] = 2.0
    known = image[2:5, 3:9].std((0, 1)).mean()
    assert_allclose(jiqa.rms_contrast(image, weights=weights), known, rtol=1e-12)


@pytest.mark.parametrize("name", ["rms_contrast", "michelson_contrast", "weber_contrast"])
def test_less_contrast_about_the_mean_scores_less(name, rng):
    image = rng.random((24, 24, 3))
    scores = [jiqa.load(name)(0.5 + gain * (image - 0.5)) for gain in (0.0, 0.3, 1.0)]
    assert_allclose(scores[0], 0, atol=1e-12)
    assert scores[0] < scores[1] < scores[2]


def test_relative_contrasts_ignore_the_exposure(rng):
    image = rng.random((16, 16, 1))
    for metric in (jiqa.michelson_contrast, jiqa.weber_contrast):
        assert_allclose(metric(0.25 * image), metric(image), rtol=1e-12)


def test_small_images_are_an_error():
    with pytest.raises(ValueError, match="smaller than the 8 x 8 window"):
        jiqa.weber_contrast(np.ones((7, 9, 1)))


@pytest.mark.parametrize("name", ["michelson_contrast", "weber_contrast"])
def test_maps_and_weights_of_blocks(rng, name):
    image = rng.random((19, 26, 3))
    metric = jiqa.load(name)
    found = metric.map_function(image)
    assert_allclose(found.mean(), metric(image), rtol=1e-12)
    at = np.zeros((19, 26))
    at[9, 20] = 0.5
    assert_allclose(metric(image, weights=at), found[1, 2], rtol=1e-12)
