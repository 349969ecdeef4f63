"""Colorfulness against its definition, gray images and weights."""

import numpy as np
from numpy.testing import assert_allclose

import jiqa
from tests import goldens


def plain_colorfulness(levels):
    red, green, blue = np.moveaxis(levels, -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())


def test_definition():
    images = np.stack([goldens.read("coffee_ref"), goldens.read("coffee_colour")])
    known = [plain_colorfulness(image.astype(float)) for image in images]
    assert known[1] > known[0]  # the saturation of the second was raised
    assert_allclose(jiqa.colorfulness(images / 255.0), known, rtol=1e-12)
    assert_allclose(jiqa.colorfulness(images), known, rtol=1e-5)


def test_gray_is_not_colorful(rng):
    gray = rng.random((8, 9, 1))
    assert jiqa.colorfulness(gray) == 0
    assert_allclose(jiqa.colorfulness(gray.repeat(3, -1)), 0, atol=1e-12)


def test_weights_choose_pixels(rng):
    image = rng.random((8, 9, 3))
    weights = np.zeros((8, 9))
    weights[2:6, 1:4] = 1.0
    known = plain_colorfulness(255 * image[2:6, 1:4])
    assert_allclose(jiqa.colorfulness(image, weights=weights), known, rtol=1e-12)
