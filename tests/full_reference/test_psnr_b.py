"""PSNR-B: its definition with explicit loops, a golden without rounding, and what it ignores."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens


def blocking_effect(y, size):
    """Equations 6 to 13 of the paper, pair by pair."""
    height, width = y.shape
    steps = [(k, y[i, k] - y[i, k + 1]) for i in range(height) for k in range(width - 1)]
    steps += [(k, y[k, j] - y[k + 1, j]) for j in range(width) for k in range(height - 1)]
    at_edges = sum(step**2 for k, step in steps if (k + 1) % size == 0)
    elsewhere = sum(step**2 for k, step in steps if (k + 1) % size)
    edge_pairs = height * (width / size) - 1 + width * (height / size) - 1
    excess = at_edges / edge_pairs - elsewhere / (len(steps) - edge_pairs)
    return np.log2(size) / np.log2(min(height, width)) * excess if excess > 0 else 0.0


@pytest.mark.parametrize("size", [8, 5])
def test_definition(rng, size):
    x, y = rng.random((2, 21, 26))
    y[:, size::size] += 0.4
    effect = blocking_effect(y, size)
    assert effect > 0
    ours = jiqa.psnr_b(x[..., None], y[..., None], block_size=size)
    assert_allclose(ours, -10 * np.log10(np.mean((x - y) ** 2) + effect), rtol=1e-12)


def test_golden_on_the_rounded_luma_of_sewar():
    for pair in goldens.pairs_of("astronaut"):
        x, y = (np.round(image @ [0.299, 0.587, 0.114]) for image in goldens.pair_images(pair))
        known = goldens.VALUES[pair]["psnrb"]["sewar_Y"]
        assert_allclose(jiqa.psnr_b(x[..., None], y[..., None], data_range=255), known, rtol=1e-12)


def test_without_blocking_it_is_psnr():
    x = np.add.outer(np.arange(24.0), np.arange(20.0))[..., None] / 50
    assert_allclose(jiqa.psnr_b(x, 0.9 * x), jiqa.psnr(x, 0.9 * x), rtol=1e-12)


def test_blocking_of_equal_images_counts():
    blocky = np.kron(np.eye(2), np.ones((8, 8)))[..., None]
    assert_allclose(jiqa.psnr_b(blocky, blocky), -10 * np.log10(blocking_effect(blocky[..., 0], 8)))


def test_channels_share_one_error(rng):
    x, y = rng.random((2, 16, 16, 3))
    each = [10 ** (-jiqa.psnr_b(x[..., c : c + 1], y[..., c : c + 1]) / 10) for c in range(3)]
    assert_allclose(jiqa.psnr_b(x, y), -10 * np.log10(np.mean(each)), rtol=1e-12)


def test_images_need_an_edge_of_blocks():
    with pytest.raises(ValueError, match="smaller than the 9 x 9 window"):
        jiqa.psnr_b(jnp.ones((8, 20, 1)), jnp.ones((8, 20, 1)))


def test_weights_count_pairs_of_pixels_by_their_mean(rng):
    """By the definition, the weights of each kind of pair relative to their mean."""
    x, y = rng.random((2, 21, 26))
    y[:, 8::8] += 0.4
    weights = rng.random((21, 26)) * (np.arange(26) < 20)
    at_edges = elsewhere = 0.0
    for image, counted in ((y, weights), (y.T, weights.T)):
        steps = (image[:, :-1] - image[:, 1:]) ** 2
        pairs = (counted[:, :-1] + counted[:, 1:]) / 2
        edge = np.broadcast_to(np.arange(1, image.shape[1]) % 8 == 0, steps.shape)
        at_edges += np.average(steps[edge], weights=pairs[edge]) * edge.sum()
        elsewhere += np.average(steps[~edge], weights=pairs[~edge]) * (~edge).sum()
    edge_pairs = 2 * (21 * 26 / 8 - 1)
    excess = at_edges / edge_pairs - elsewhere / (21 * 25 + 26 * 20 - edge_pairs)
    assert excess > 0
    effect = 3 / np.log2(21) * excess
    expected = -10 * np.log10(np.average((x - y) ** 2, weights=weights) + effect)
    ours = jiqa.psnr_b(x[..., None], y[..., None], weights=weights)
    assert_allclose(ours, expected, rtol=1e-12)


def test_a_region_without_edges_has_no_blocking(rng):
    x, y = rng.random((2, 24, 24, 1))
    within = np.zeros((24, 24))
    within[9:15, 9:15] = 1
    inside = x[9:15, 9:15], y[9:15, 9:15]
    assert_allclose(jiqa.psnr_b(x, y, weights=within), jiqa.psnr(*inside), rtol=1e-12)
