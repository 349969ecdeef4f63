"""WSNR: its definition in the whole frequency plane, and its infinities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa


def score_by_definition(x, y, nyquist):
    height, width = x.shape
    v, u = np.mgrid[:height, :width]
    u, v = (u - width / 2 + 0.5, v - height / 2 + 0.5)
    angle = np.arctan2(v, u)
    radius = np.hypot(u, v) / height * 2 * nyquist / (0.85 + 0.15 * np.cos(4 * angle))
    csf = 2.6 * (0.0192 + 0.114 * radius) * np.exp(-((0.114 * radius) ** 1.1))
    csf[radius < 7.8909] = 0.9809
    error = np.fft.fftshift(np.fft.fft2(x - y)) * csf
    return 10 * np.log10(np.sum(np.abs(np.fft.fft2(x)) ** 2) / np.sum(np.abs(error) ** 2))


@pytest.mark.parametrize("size", [(16, 16), (15, 22), (24, 17), (13, 11)])
@pytest.mark.parametrize("nyquist", [60.0, 12.0])
def test_definition_on_even_and_odd_sizes(rng, size, nyquist):
    x, y = rng.random((2, *size))
    score = jiqa.wsnr(x[..., None], y[..., None], nyquist=nyquist)
    assert_allclose(score, score_by_definition(x, y, nyquist), rtol=1e-10)


def test_channels_are_summed_like_those_of_snr(rng):
    """With frequencies near zero the eye sees all errors alike, at 0.9809 of their size."""
    x, y = rng.random((2, 16, 18, 3))
    constant = 20 * np.log10(0.9809)
    assert_allclose(jiqa.wsnr(x, y, nyquist=1e-3), jiqa.snr(x, y) - constant, rtol=1e-10)


def test_infinities_and_cap(rng):
    x, black = rng.random((8, 9, 1)), np.zeros((8, 9, 1))
    assert jiqa.wsnr(x, x) == np.inf
    assert jiqa.wsnr(black, black) == np.inf
    assert jiqa.wsnr(black, x) == -np.inf
    assert jiqa.wsnr(black, x, cap=90.0) == -90
    assert jiqa.wsnr(x, x, cap=90.0) == 90


def test_the_order_matters(rng):
    x = rng.random((8, 9, 1))
    assert abs(jiqa.wsnr(x, x / 2) - jiqa.wsnr(x / 2, x) - 20 * np.log10(2)) < 1e-9


@pytest.mark.parametrize("size", [(16, 18), (15, 17)])
def test_the_mean_of_the_error_map_is_the_noise(rng, size):
    x, y = rng.random((2, *size, 3))
    noise = jiqa.wsnr_error_map(x, y)
    assert noise.shape == size
    assert_allclose(jiqa.wsnr(x, y), 10 * np.log10(np.mean(x**2) / noise.mean()), rtol=1e-10)
    weights = rng.random(size)
    signal = np.average((x**2).mean(-1), weights=weights)
    expected = 10 * np.log10(signal / np.average(noise, weights=weights))
    assert_allclose(jiqa.wsnr(x, y, weights=weights), expected, rtol=1e-10)
