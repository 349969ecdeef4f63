"""PAMSE: its definition and map."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import convolve2d

import jiqa


@pytest.mark.parametrize(("sigma", "taps"), [(0.8, 7), (1.2, 9)])
def test_definition(rng, sigma, taps):
    x, y = rng.random((2, 15, 22))
    offsets = np.arange(taps) - taps // 2
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    squared = convolve2d(x - y, window / window.sum(), "valid") ** 2
    pair = x[..., None], y[..., None]
    assert_allclose(jiqa.pamse_map(*pair, sigma=sigma), squared, rtol=1e-10, atol=1e-15)
    assert_allclose(jiqa.pamse(*pair, sigma=sigma), squared.mean(), rtol=1e-10)


def test_weights_are_cropped_with_the_map(rng):
    x, y = rng.random((2, 15, 22, 3))
    weights = rng.random((15, 22))
    expected = np.average(jiqa.pamse_map(x, y), weights=weights[3:-3, 3:-3])
    assert_allclose(jiqa.pamse(x, y, weights=weights), expected, rtol=1e-10)


def test_fine_errors_count_less_than_coarse_ones():
    x = np.full((32, 32, 1), 0.5)
    fine, coarse = x.copy(), x.copy()
    fine[::2] += 0.1
    coarse[:16] += 0.1
    assert_allclose(jiqa.mse(x, fine), jiqa.mse(x, coarse))
    assert jiqa.pamse(x, fine) < 0.7 * jiqa.pamse(x, coarse)
