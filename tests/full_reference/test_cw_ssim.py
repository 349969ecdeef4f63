"""CW-SSIM: insensitive to small shifts, and its map."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens


def test_a_shift_of_two_pixels_matters_less_than_to_ssim():
    photo = goldens.read("astronaut_ref")[100:300, 100:300] / 255
    shifted = np.roll(photo, 2, axis=1)
    assert jiqa.cw_ssim(photo, shifted) > 0.9 > 0.7 > jiqa.ssim(photo, shifted)


def test_map_has_the_size_of_the_coarsest_band(rng):
    images = rng.random((2, 3, 65, 90, 3))
    assert jiqa.cw_ssim_map(*images).shape == (3, 9 - 6, 12 - 6)
    assert jiqa.cw_ssim_map(*images, levels=2).shape == (3, 33 - 6, 45 - 6)


def test_the_center_weighs_most():
    photo = goldens.read("astronaut_ref")[:256, :256] / 255
    rng = np.random.default_rng(0)
    noise = 0.3 * rng.standard_normal((64, 64, 3))
    corner, center = photo.copy(), photo.copy()
    corner[:64, :64] += noise
    center[96:160, 96:160] += noise
    scores = [jiqa.cw_ssim(photo, np.clip(image, 0, 1), levels=3) for image in (corner, center)]
    assert scores[1] < scores[0] < 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_without_energy_are_alike(dtype):
    dark, light = (np.full((64, 72, 1), value, dtype) for value in (0.2, 0.8))
    assert_allclose(jiqa.cw_ssim(dark, light), 1)


def test_stabilising_constant_pulls_towards_one(rng):
    images = rng.random((2, 64, 64, 1))
    plain, stabilised = (jiqa.cw_ssim(*images, k=k) for k in (0.0, 1e6))
    assert plain < stabilised < 1
