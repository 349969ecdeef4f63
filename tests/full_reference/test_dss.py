"""DSS: its definition, its crop, and the least number of blocks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.fft import dctn
from scipy.ndimage import correlate

import jiqa


def worst(values):
    count = max(1, int(0.05 * values.size + 0.5))
    return np.sort(values.ravel())[:count].mean()


def score_by_definition(x, y):
    steps = np.exp(-((np.arange(8) + 0.5) ** 2) / (2 * 1.55**2))
    weights = np.outer(steps, steps)
    weights[weights < 1e-2] = 0
    weights /= weights.sum()
    one = np.exp(-(np.arange(-1, 2) ** 2) / (2 * 1.5**2))
    window = np.outer(one, one) / np.outer(one, one).sum()

    def blocks(image):
        rows, columns = image.shape[0] // 8, image.shape[1] // 8
        cut = image[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2)
        return dctn(cut, axes=(2, 3), norm="ortho")

    def mean(values):
        return correlate(values, window, mode="constant")

    x, y = blocks(255 * x), blocks(255 * y)
    score = 0
    for m, n in zip(*np.nonzero(weights), strict=True):
        a, b = x[..., m, n], y[..., m, n]
        constant = 1000 if m == n == 0 else 300
        var_a, var_b = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
        product = np.sqrt(var_a * var_b)
        similarity = worst((2 * product + constant) / (var_a + var_b + constant))
        if m == n == 0:
            covariance = mean(a * b) - mean(a) * mean(b)
            similarity *= worst((covariance + constant) / (product + constant))
        score += weights[m, n] * similarity
    return score


@pytest.mark.parametrize("size", [(75, 90), (24, 16)])
def test_definition(rng, size):
    x, y = rng.random((2, *size))
    assert_allclose(jiqa.dss(x[..., None], y[..., None]), score_by_definition(x, y), rtol=1e-10)


def test_incomplete_blocks_are_cut_off(rng):
    x, y = rng.random((2, 47, 39, 3))
    assert_allclose(jiqa.dss(x, y), jiqa.dss(x[:40, :32], y[:40, :32]), rtol=1e-12)


def test_all_blocks_can_be_pooled(rng):
    x, y = rng.random((2, 40, 32, 3))
    assert jiqa.dss(x, y, percent=100) > jiqa.dss(x, y)


def test_weights_in_one_block_give_its_entry_in_the_map(rng):
    x, y = rng.random((2, 47, 39, 3))
    at = np.zeros((47, 39))
    at[19, 30] = 0.5
    found = jiqa.dss_map(x, y)
    assert found.shape == (5, 4)
    assert_allclose(jiqa.dss(x, y, weights=at), found[2, 3], rtol=1e-10)
