"""SSIMULACRA 2: its window, its scales, the direction of its errors, small images."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.full_reference.ssimulacra2 import _compare, _window


def test_window_is_nearly_gaussian():
    window = _window()
    distance = np.arange(-4, 5)
    gaussian = np.exp(-(distance**2) / (2 * 1.5**2))
    assert_allclose(window.sum(), 1, rtol=1e-12)
    assert_allclose((window * distance**2).sum(), 1.5**2, rtol=0.15)
    assert_allclose(window, gaussian / gaussian.sum(), atol=4e-3)


def test_errors_of_a_scale_are_the_definition(rng):
    """With the four moments taken of x, y and their squares, by plain sums."""
    x, y = rng.random((2, 15, 18, 1))
    window = np.outer(_window(), _window())

    def blur(image):
        padded = np.pad(image[..., 0], 4)
        return np.einsum(
            "ijkl,kl->ij", np.lib.stride_tricks.sliding_window_view(padded, (9, 9)), window
        )

    mx, my = blur(x), blur(y)
    numerator = 2 * (blur(x * y) - mx * my) + 0.0009
    denominator = blur(x * x) - mx**2 + blur(y * y) - my**2 + 0.0009
    structure = np.maximum(1 - (1 - (mx - my) ** 2) * numerator / denominator, 0)
    edges = (1 + np.abs(y[..., 0] - my)) / (1 + np.abs(x[..., 0] - mx)) - 1
    maps = structure, np.maximum(edges, 0), np.maximum(-edges, 0)
    expected = [[np.mean(each) for each in maps], [np.mean(each**4) ** 0.25 for each in maps]]
    assert_allclose(_compare(x, y, None)[0], expected, rtol=1e-9)


def test_published_levels_of_quality(rng):
    """Equal images score 100, hardly visible noise about 90, strong noise far below 50."""
    x = 0.25 + 0.5 * rng.random((128, 150, 3)) ** 2
    noise = rng.standard_normal(x.shape)
    faint, strong = (float(jiqa.ssimulacra2(x, x + level * noise)) for level in (1e-4, 0.1))
    assert 80 < faint < 100
    assert strong < 50


def test_order_matters_and_the_range_does_not(rng):
    x = rng.random((40, 47, 3))
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    score = jiqa.ssimulacra2(x, y)
    assert abs(score - jiqa.ssimulacra2(y, x)) > 0.001
    assert_allclose(jiqa.ssimulacra2(x * 255, y * 255, data_range=255), score, rtol=1e-9)


def test_gray_is_neutral_colour(rng):
    x, y = rng.random((2, 40, 47, 1))
    three = (np.repeat(image, 3, -1) for image in (x, y))
    assert_allclose(jiqa.ssimulacra2(x, y), jiqa.ssimulacra2(*three), rtol=1e-9)


def test_small_images():
    tiny = np.zeros((7, 40, 3))
    with pytest.raises(ValueError, match="at least 8"):
        jiqa.ssimulacra2(tiny, tiny)
    assert jiqa.ssimulacra2(np.zeros((8, 8, 3)), np.zeros((8, 8, 3))) == 100


def test_weights_look_at_a_side(rng):
    """Two scales, as an image of 16 rows has, see some 20 pixels far."""
    x = rng.random((16, 400, 3))
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    damaged = np.where(np.arange(400)[:, None] < 150, 0.5, y)
    right = np.broadcast_to(np.arange(400) >= 300, (16, 400))
    clean = jiqa.ssimulacra2(x, y, weights=right)
    assert_allclose(jiqa.ssimulacra2(x, damaged, weights=right), clean, rtol=1e-9)
    assert jiqa.ssimulacra2(x, damaged) < jiqa.ssimulacra2(x, y) - 1
