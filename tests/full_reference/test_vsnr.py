"""VSNR: the toolbox's values on small images, what cannot be seen, and images without contrast."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens


@pytest.fixture(scope="module")
def pair():
    return [image.astype(float) for image in goldens.pair_images("coffee_jpeg10")]


@pytest.mark.parametrize(
    ("rows", "columns", "value"),
    [
        (slice(100, 200), slice(200, 290), 24.478355642694925),
        (slice(100, 131), slice(200, 250), 21.197835633359929),
    ],
)
def test_small_images_are_mirrored_as_the_toolbox_does(pair, rows, columns, value):
    """Values of MeTriX MuX under GNU Octave; extensions are longer than the second image."""
    x, y = (image[rows, columns] for image in pair)
    assert_allclose(jiqa.vsnr(x, y, data_range=255), value, rtol=1e-9)


def test_invisible_errors_are_infinitely_good(pair):
    x = pair[0][:128, :160]
    assert jiqa.vsnr(x, x, data_range=255) == np.inf
    speck = x.copy()
    speck[40, 50] += 3
    assert jiqa.vsnr(x, speck, data_range=255) == np.inf
    assert jiqa.vsnr(x, speck, data_range=255, cap=90.0) == 90


def test_brightness_alone_follows_webers_law():
    """The luminance of level k is proportional to k ** 2.2."""
    x = np.full((128, 128, 1), 100.0)
    change = 1.1**2.2 - 1
    expected = 20 / change - 20 * np.log10(1.5)
    assert_allclose(jiqa.vsnr(x, x * 1.1, data_range=255), expected, rtol=1e-9)
    assert jiqa.vsnr(np.full((128, 128, 1), 300.0), x * 0 + 301, data_range=1000) == np.inf


def test_images_without_contrast(pair):
    y = pair[0][:128, :128]
    black, gray = np.zeros_like(y), np.full_like(y, 9.0)
    assert jiqa.vsnr(black, black, data_range=255) == np.inf
    assert jiqa.vsnr(gray, gray, data_range=255) == np.inf
    assert jiqa.vsnr(black, y, data_range=255) == -np.inf
    assert jiqa.vsnr(gray, y, data_range=255) == -np.inf
    red = black.copy()
    red[..., 0] = y[..., 0]
    assert jiqa.vsnr(red, y, data_range=255, luma=None) == -np.inf


def test_options_change_the_score(pair):
    x, y = (image[:128, :128] for image in pair)
    score = jiqa.vsnr(x, y, data_range=255)
    assert abs(jiqa.vsnr(x, y, data_range=255, alpha=0.5) - score) > 0.1
    assert jiqa.vsnr(x, y, data_range=255, pixels_per_degree=128.0) > score
