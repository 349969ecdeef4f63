"""MDSI: the definition, its map, negative similarities, unknown combinations."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import convolve2d

import jiqa


def retyped(x, y, combine):
    """The index of images of 0 to 255 below 384 pixels, with complex numbers as in the paper."""
    prewitt = np.array([[1, 0, -1]] * 3) / 3

    def light(image):
        return image @ [0.2989, 0.5870, 0.1140]

    def length(image):
        return np.hypot(*(convolve2d(image, w, "same") for w in (prewitt, prewitt.T)))

    def alike(a, b, c):
        return (2 * a * b + c) / (a * a + b * b + c)

    gx, gy, gf = length(light(x)), length(light(y)), length((light(x) + light(y)) / 2)
    structure = alike(gx, gy, 140) + alike(gy, gf, 55) - alike(gx, gf, 55)
    (h1, m1), (h2, m2) = (
        (image @ [0.30, 0.04, -0.35], image @ [0.34, -0.60, 0.17]) for image in (x, y)
    )
    chroma = (2 * (h1 * h2 + m1 * m2) + 550) / (h1**2 + h2**2 + m1**2 + m2**2 + 550)
    roots = combine(structure + 0j, chroma + 0j) ** 0.25
    return np.mean(np.abs(roots - roots.mean())) ** 0.25, structure, chroma


COMBINATIONS = {
    "sum": lambda structure, chroma: 0.6 * structure + 0.4 * chroma,
    "product": lambda structure, chroma: structure**0.2 * chroma**0.1,
}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_negative_similarities_have_complex_roots(rng, combination):
    x = 255 * rng.random((30, 41, 3))
    y = 255 - x
    expected, structure, chroma = retyped(x, y, COMBINATIONS[combination])
    assert chroma.min() < 0
    assert COMBINATIONS["sum"](structure, chroma).min() < 0
    assert_allclose(jiqa.mdsi(x, y, data_range=255, combination=combination), expected, rtol=1e-9)


def test_map_of_the_sum_is_what_is_pooled(rng):
    x, y = rng.random((2, 26, 31, 3)) * 0.2 + 0.4
    combined = np.asarray(jiqa.mdsi_map(x, y))
    roots = combined**0.25
    assert_allclose(np.mean(np.abs(roots - roots.mean())) ** 0.25, jiqa.mdsi(x, y), rtol=1e-9)


def test_large_images_are_reduced(rng):
    x, y = rng.random((2, 384, 390, 3))
    assert jiqa.mdsi_map(x, y).shape == (192, 195)
    assert jiqa.mdsi_map(x, y, downsample=False).shape == (384, 390)


def test_unknown_combination_is_an_error():
    with pytest.raises(ValueError, match="combination='mean' is unknown"):
        jiqa.mdsi(jnp.ones((8, 8, 3)), jnp.ones((8, 8, 3)), combination="mean")
