"""NLPD: its definition on odd sizes, and images smaller than its pyramid is deep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import convolve, correlate

import jiqa

WINDOW = np.outer([0.05, 0.25, 0.4, 0.25, 0.05], [0.05, 0.25, 0.4, 0.25, 0.05])
CONSTANTS = [0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782]
# Kernels of a convolution: up, left, right, second right, down.
KERNELS = [
    (0.1011, 0.1493, 0.1460, 0.0072, 0.1015),
    (0.0757, 0.1986, 0.1846, 0, 0.0837),
    (0.0477, 0.2138, 0.2243, 0, 0.0467),
    (0, 0.2503, 0.2616, 0, 0),
    (0, 0.2598, 0.2552, 0, 0),
    (0, 0.2215, 0.0717, 0, 0),
]


def normalized_levels(image):
    levels = []
    for level in range(6):
        height, width = image.shape
        coarse = correlate(image, WINDOW, mode="reflect")[::2, ::2]  # SciPy's name of abc|cba
        band = image
        if level < 5:
            spread = np.zeros((2 * coarse.shape[0] + 4, 2 * coarse.shape[1] + 4))
            spread[::2, ::2] = 4 * np.pad(coarse, 1, mode="edge")
            band = image - correlate(spread, WINDOW, mode="constant")[2:-2, 2:-2][:height, :width]
        kernel = np.zeros((5, 5))
        kernel[1, 2], kernel[2, 1], kernel[2, 3], kernel[2, 4], kernel[3, 2] = KERNELS[level]
        neighbours = convolve(np.abs(band), kernel, mode="constant")
        levels.append(band / (CONSTANTS[level] + neighbours))
        image = coarse
    return levels


@pytest.mark.parametrize("size", [(45, 70), (64, 33), (5, 3)])
def test_definition(rng, size):
    x, y = rng.random((2, *size))
    pairs = zip(normalized_levels(x), normalized_levels(y), strict=True)
    expected = np.mean([np.sqrt(np.mean((a - b) ** 2)) for a, b in pairs])
    assert_allclose(jiqa.nlpd(x[..., None], y[..., None]), expected, rtol=1e-10)


def test_weights_choose_a_region(rng):
    x = rng.random((96, 256, 1))
    y = x.copy()
    y[:, :32] = rng.random((96, 32, 1))
    weights = np.zeros((96, 256))
    weights[:, 192:] = 1
    # The coarsest levels reach 192 pixels and more, with little weight.
    assert jiqa.nlpd(x, y, weights=weights) < 0.02 * jiqa.nlpd(x, y)


@pytest.mark.parametrize("size", [(1, 1), (2, 9)])
def test_tiny_images_are_finite(size):
    x = jnp.full((*size, 3), 0.5)
    value, slope = jax.value_and_grad(lambda y: jiqa.nlpd(x, y))(x * 0.5)
    assert jnp.isfinite(value)
    assert jnp.isfinite(slope).all()
