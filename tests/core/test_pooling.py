"""Pooling against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.core import pooling


@pytest.fixture
def values(rng):
    return rng.random((2, 7, 9, 3))


@pytest.fixture
def weights(rng):
    return rng.random((2, 7, 9))


def test_mean_is_numpys_average(values, weights):
    assert_allclose(pooling.mean(values), values.mean((1, 2)))
    for image in range(2):
        for channel in range(3):
            expected = np.average(values[image, ..., channel], weights=weights[image])
            found = pooling.mean(values, weights)[image, channel]
            assert_allclose(found, expected)


def test_weights_of_zero_count_as_equal(values):
    assert_allclose(pooling.mean(values, jnp.zeros((7, 9))), values.mean((1, 2)))


@pytest.mark.parametrize("exponent", [0.5, 1, 2, 4])
def test_minkowski(values, exponent):
    expected = (np.abs(values) ** exponent).mean((1, 2)) ** (1 / exponent)
    assert_allclose(pooling.minkowski(-values, exponent), expected)


def test_minkowski_gradient_is_finite_at_zero():
    gradient = jax.grad(lambda v: pooling.minkowski(v, 4).sum())(jnp.zeros((3, 3, 1)))
    assert_allclose(gradient, 0)


def test_percentile_takes_the_worst(values):
    ranked = np.sort(values.reshape(2, 63, 3), axis=1)
    assert_allclose(pooling.percentile(values, 6), ranked[:, :4].mean(1))  # ceil(0.06 * 63)
    assert_allclose(pooling.percentile(values, 6, lowest=False), ranked[:, -4:].mean(1))
    assert_allclose(pooling.percentile(values, 100), values.mean((1, 2)))
    assert_allclose(pooling.percentile(values, 0.01), values.min((1, 2)))
    with pytest.raises(ValueError, match="percent=0"):
        pooling.percentile(values, 0)


def test_standard_deviation(values, weights):
    assert_allclose(pooling.standard_deviation(values), values.std((1, 2)))
    assert_allclose(pooling.standard_deviation(values, sample=True), values.std((1, 2), ddof=1))
    center = pooling.mean(values, weights)[:, None, None]
    expected = np.sqrt(pooling.mean((values - center) ** 2, weights))
    assert_allclose(pooling.standard_deviation(values, weights), expected)
    flat = jax.grad(lambda v: pooling.standard_deviation(v).sum())(jnp.ones((4, 4, 1)))
    assert_allclose(flat, 0)


def test_information_weights_are_zero_on_flat_and_follow_the_variance(rng):
    image = np.full((40, 40, 1), 0.5)
    image[:, 20:] += 0.1 * rng.standard_normal((40, 20, 1))
    weights = pooling.information_weights(image, image)
    assert_allclose(weights[:, :14], 0, atol=1e-9)
    # Two images of variance 0.01 through noise of 0.001: about 2 log2(1 + 10) bits.
    assert_allclose(np.median(weights[6:-6, 27:-6]), 2 * np.log2(11), rtol=0.15)


def test_fit_weights_halves_and_crops(weights):
    fitted = pooling.fit_weights(weights, 2, 2, 3)
    halved = pooling.fit_weights(weights, 2, 4, 5)
    assert halved.shape == (2, 4, 5)
    assert_allclose(fitted, halved[:, 1:3, 1:4])
    assert pooling.fit_weights(None, 2, 2, 3) is None


def test_total_is_the_sum_with_weights_relative_to_their_mean(values, weights):
    assert_allclose(pooling.total(values), values.sum((1, 2)))
    assert_allclose(pooling.total(values, np.full((7, 9), 0.1)), values.sum((1, 2)))
    assert_allclose(pooling.total(values, weights), 63 * pooling.mean(values, weights))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_weights_are_repetitions(rng, dtype):
    """Of values in a row, with weights that add up to a number of which shares are whole."""
    values = rng.random((1, 40, 2)).astype(dtype)
    weights = rng.integers(0, 4, (1, 40))
    weights[0, :3] = 0
    values[0, :3] = [[-9, 9]] * 3  # what does not count, at either end
    weights[0, -1] += -weights.sum() % 20
    repeated = values.repeat(weights[0], axis=1)
    count = 6 * weights.sum() // 40
    expected = np.sort(repeated[0], axis=0)[: 3 * weights.sum() // 20].mean(0)
    assert count == 3 * weights.sum() // 20
    tolerance = 10 * np.finfo(dtype).eps
    assert_allclose(pooling.mean_of_worst(values, 6, weights)[...], expected, rtol=tolerance)
    highest = pooling.percentile(values, 15, weights, lowest=False)
    assert_allclose(highest, -pooling.mean_of_worst(-values, 6, weights), rtol=tolerance)
    assert_allclose(pooling.median(values, weights), np.median(repeated[0], axis=0), rtol=tolerance)


def test_equal_and_zero_weights_rank_like_none(values):
    for constant in (0.0, 0.3):
        weights = np.full((2, 7, 9), constant)
        assert_allclose(pooling.median(values, weights), np.median(values, (1, 2)), rtol=1e-12)
        worst = pooling.percentile(values, 6, weights)
        assert_allclose(worst, pooling.percentile(values, 6), rtol=1e-12)
    even = values[:, :6]
    assert_allclose(pooling.median(even, np.full((6, 9), 0.3)), np.median(even, (1, 2)), rtol=1e-12)


def test_blocks_gather_weights_and_spread_values(rng):
    weights, values = rng.random((2, 11, 14)), rng.random((2, 3, 4, 5))
    gathered = pooling.block_weights(weights, 3, 3, 4, first=1)
    assert_allclose(gathered[1, 2, 0], weights[1, 7:10, 1:4].mean())
    spread = pooling.spread_blocks(values, 3, 11, 14, first=1)
    assert_allclose(spread[1, 7:10, 1:4], np.broadcast_to(values[1, 2, 0], (3, 3, 5)))
    total = np.sum(weights[..., None] * spread)
    assert_allclose(total, 9 * np.sum(gathered[..., None] * values))
    assert pooling.block_weights(None, 3, 3, 4) is None


@pytest.mark.parametrize("transform", ["forward", "gradient", "vmap"])
def test_one_channel_is_pooled_like_several(values, weights, transform):
    """On CPUs it is added up in another way."""

    def pool(image, given):
        return pooling.mean(image, given).sum() + pooling.total(image**2).sum()

    if transform == "gradient":
        pool = jax.grad(pool)
    for image, given in zip(values, weights, strict=True):
        if transform == "vmap":
            pooled = jax.vmap(pool, in_axes=(0, None))(image[None], given)[0]
            single = jax.vmap(pool, in_axes=(0, None))(jnp.moveaxis(image, -1, 0)[..., None], given)
            assert_allclose(single.sum(), pooled, rtol=1e-12)
            continue
        whole, parts = pool(image, given), [pool(image[..., c : c + 1], given) for c in range(3)]
        joined = sum(parts) if transform == "forward" else jnp.concatenate(parts, -1)
        assert_allclose(joined, whole, rtol=1e-12)
