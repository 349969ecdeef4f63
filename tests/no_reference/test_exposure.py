"""Exposure against its definitions."""

import numpy as np
from numpy.testing import assert_allclose

import jiqa


def test_well_exposedness_is_the_product_over_channels(rng):
    image = rng.random((7, 9, 3))
    known = np.exp(-((image - 0.5) ** 2) / (2 * 0.2**2)).prod(-1)
    assert_allclose(jiqa.well_exposedness_map(image), known, rtol=1e-12)
    assert_allclose(jiqa.well_exposedness(image), known.mean(), rtol=1e-12)
    weights = rng.random((7, 9))
    ours = jiqa.well_exposedness(image, weights=weights)
    assert_allclose(ours, np.average(known, weights=weights), rtol=1e-12)
    assert jiqa.well_exposedness(image, sigma=0.4) > known.mean()


def test_clipped_share_counts_pixels_with_a_channel_at_an_end():
    image = np.full((2, 4, 3), 128, np.uint8)
    image[0, 0, 1] = 255
    image[0, 1] = 0
    image[1, 2] = [1, 254, 7]  # next to the ends
    assert jiqa.clipped_share(image) == 0.25
    assert jiqa.clipped_share(image / 255.0) == 0.25
    assert jiqa.clipped_share(image / 255.0, margin=2 / 255) == 0.375
    assert jiqa.clipped_share(image, luma="matlab") == 0.125


def test_clipped_share_has_a_map_and_weights(rng):
    image = np.round(rng.random((7, 9, 3)))
    image[1:4, 2:6] = 0.5
    found = jiqa.clipped_share_map(image)
    assert not found[1:4, 2:6].any()
    assert_allclose(jiqa.clipped_share(image), found.mean(), rtol=1e-12)
    weights = rng.random((7, 9))
    ours = jiqa.clipped_share(image, weights=weights)
    assert_allclose(ours, np.average(found, weights=weights), rtol=1e-12)
