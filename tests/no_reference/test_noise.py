"""Estimates of noise: their definitions, known noise, structure."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import correlate

import jiqa
from jiqa.no_reference.noise import DAUBECHIES


def test_immerkaers_mask(rng):
    image = rng.random((19, 23))
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    response = np.abs(correlate(image, mask))[1:-1, 1:-1].sum()
    known = np.sqrt(np.pi / 2) / (6 * 21 * 17) * response
    assert_allclose(jiqa.noise_level(image[..., None]), known, rtol=1e-12)


def test_wavelet_estimate_equals_scikit_image():
    """`estimate_sigma(np.random.default_rng(0).random(shape))` of scikit-image 0.26."""
    for shape, known in (((64, 64), 0.3200975138862905), ((63, 50), 0.3048099803022316)):
        image = np.random.default_rng(0).random(shape)[..., None]
        assert_allclose(jiqa.noise_level_wavelet(image), known, rtol=1e-12)


def test_the_wavelet_has_two_vanishing_moments_and_unit_energy():
    places = np.arange(4)
    moments = [DAUBECHIES.sum(), DAUBECHIES @ places, DAUBECHIES @ DAUBECHIES]
    assert_allclose(moments, [0, 0, 1], atol=1e-15)


@pytest.mark.parametrize("name", ["noise_level", "noise_level_wavelet"])
def test_known_noise_on_a_slope(name, rng):
    slope = np.add.outer(np.linspace(0.2, 0.5, 200), np.linspace(0, 0.3, 240))[..., None]
    noise = rng.standard_normal((200, 240, 3))
    for sigma in (0.01, 0.05):
        # 48,000 pixels of three channels estimate a deviation to less than one in a hundred.
        assert_allclose(jiqa.load(name)(slope + sigma * noise), sigma, rtol=1e-2)
    assert_allclose(jiqa.load(name)(slope), 0, atol=1e-12)


@pytest.mark.parametrize(("name", "size"), [("noise_level", 3), ("noise_level_wavelet", 2)])
def test_small_images_are_an_error(name, size):
    with pytest.raises(ValueError, match=f"smaller than the {size} x {size} window"):
        jiqa.load(name)(jnp.ones((size - 1, 9, 1)))


def test_map_and_weights(rng):
    image = rng.random((19, 23, 3))
    found = jiqa.noise_level_map(image)
    assert_allclose(found.mean(), jiqa.noise_level(image), rtol=1e-12)
    weights = rng.random((19, 23))
    expected = np.average(found, weights=weights[1:-1, 1:-1])
    assert_allclose(jiqa.noise_level(image, weights=weights), expected, rtol=1e-12)


def test_the_median_is_that_of_the_weights(rng):
    """Noise on one side alone: each side has its own median."""
    image = np.full((40, 80, 1), 0.5)
    image[:, 40:] += 0.1 * rng.standard_normal((40, 40, 1))
    left = np.broadcast_to(np.arange(80) < 30, (40, 80))
    right = np.broadcast_to(np.arange(80) >= 40, (40, 80))
    assert_allclose(jiqa.noise_level_wavelet(image, weights=left), 0, atol=1e-15)
    assert_allclose(jiqa.noise_level_wavelet(image, weights=right), 0.1, rtol=0.15)
