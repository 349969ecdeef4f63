"""GMSD: its map, its operators, and images of one pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa


def test_score_is_the_deviation_of_the_map(rng):
    images = rng.random((2, 3, 20, 23, 1))
    similarity = np.asarray(jiqa.gmsd_map(*images))
    assert similarity.shape == (3, 10, 12)
    assert_allclose(similarity.std((-1, -2), ddof=1), jiqa.gmsd(*images), rtol=1e-12)


def test_definition_without_downsampling(rng):
    x, y = rng.random((2, 12, 14))

    def energy(image):
        padded = np.pad(image, 1)
        across = sum(padded[i : i + 12, 2:] - padded[i : i + 12, :-2] for i in range(3)) / 3
        down = sum(padded[2:, i : i + 14] - padded[:-2, i : i + 14] for i in range(3)) / 3
        return across**2 + down**2

    constant = 170 / 255**2
    similarity = (2 * np.sqrt(energy(x) * energy(y)) + constant) / (
        energy(x) + energy(y) + constant
    )
    ours = jiqa.gmsd(x[..., None], y[..., None], downsample=False)
    assert_allclose(ours, similarity.std(ddof=1), rtol=1e-10)


def test_integers_and_range_agree(rng):
    x, y = rng.integers(0, 256, (2, 31, 33, 3), np.uint8)
    assert_allclose(jiqa.gmsd(x, y), jiqa.gmsd(x / 255.0, y / 255.0), rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 9)])
def test_tiny_images_are_finite(size):
    x = jnp.full((*size, 3), 0.5)
    value, slope = jax.value_and_grad(lambda y: jiqa.gmsd(x, y, luma=None))(x * 0.5)
    assert jnp.isfinite(value)
    assert jnp.isfinite(slope).all()


def test_unknown_operator_is_an_error():
    with pytest.raises(ValueError, match="operator='canny' is unknown"):
        jiqa.gmsd(jnp.ones((8, 8, 1)), jnp.ones((8, 8, 1)), operator="canny")
