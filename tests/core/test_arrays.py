"""Safe arithmetic and the checks of image arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.core import arrays

VALUES = np.array([-1.0, 0.0, 1e-300, 0.25, 4.0])


@pytest.mark.parametrize(
    ("safe", "plain"),
    [
        (arrays.safe_sqrt, np.sqrt),
        (lambda x: arrays.safe_power(x, 0.3), lambda x: x**0.3),
        (arrays.safe_log, np.log),
        (lambda x: arrays.safe_divide(3.0, x), lambda x: 3 / x),
    ],
    ids=["sqrt", "power", "log", "divide"],
)
def test_safe_functions_equal_the_plain_ones_and_have_finite_gradients(safe, plain):
    for value in (0.25, 4.0):
        assert_allclose(safe(jnp.float64(value)), plain(value), rtol=1e-14)
        step = 1e-6 * value
        difference = (plain(value + step) - plain(value - step)) / (2 * step)
        assert_allclose(jax.grad(safe)(value), difference, rtol=1e-8)
    for value in (-1.0, 0.0):
        for dtype in (jnp.float32, jnp.float64):
            assert jnp.isfinite(safe(dtype(value)))
            assert jnp.isfinite(jax.grad(safe)(dtype(value)))


def test_not_a_number_is_not_hidden():
    nan = jnp.float32(jnp.nan)
    assert jnp.isnan(arrays.safe_sqrt(nan))
    assert jnp.isnan(arrays.safe_power(nan, 2.0))
    assert jnp.isnan(arrays.safe_log(nan))
    assert jnp.isnan(arrays.safe_divide(nan, nan))


def test_values_are_not_checked_under_tracing():
    def checked(image):
        arrays.check_values("test", "image", image, 1.0)
        return image.sum()

    assert jax.jit(checked)(jnp.full((2, 2, 1), 200.0)) == 800
    assert_allclose(jax.vmap(checked)(jnp.full((2, 2, 2, 1), 200.0)), [800, 800])
    with pytest.raises(ValueError, match="divide by 255"):
        checked(jnp.full((2, 2, 1), 200.0))


@pytest.mark.parametrize(
    ("highest", "remedy"), [(255.0, "255"), (65535.0, "65535"), (1e6, "1000000")]
)
def test_the_likely_range_is_named(highest, remedy):
    with pytest.raises(ValueError, match=f"pass data_range={remedy}"):
        arrays.check_values("test", "image", np.array([0.0, highest]), 1.0)


def test_values_little_outside_the_range_pass():
    arrays.check_values("test", "image", np.array([-0.3, 1.3]), 1.0)


def test_a_dark_image_of_whole_numbers_may_have_a_large_range():
    arrays.check_values("test", "image", np.array([0.0, 1.0]), 255.0)


@pytest.mark.parametrize(
    ("dtype", "given", "resolved"),
    [
        ("float32", None, 1.0),
        ("float32", 255, 255.0),
        ("uint8", None, 255.0),
        ("uint8", 255, 255.0),
        ("uint16", None, 65535.0),
    ],
)
def test_data_range_is_resolved(dtype, given, resolved):
    assert arrays.resolve_data_range("test", np.dtype(dtype), given) == resolved


@pytest.mark.parametrize("given", [0, -1, float("nan"), float("inf")])
def test_senseless_data_ranges_are_errors(given):
    with pytest.raises(ValueError, match="positive, finite"):
        arrays.resolve_data_range("test", np.dtype("float32"), given)


def test_weights_broadcast_over_the_batch():
    shape = (2, 3, 8, 9, 1)
    for weights in (np.ones((8, 9)), np.ones((3, 8, 9), bool), np.ones((2, 1, 8, 9))):
        assert arrays.check_weights("test", weights, shape).shape == weights.shape
    for bad in (np.ones(9), np.ones((9, 8)), np.ones((4, 8, 9)), np.ones((1, 2, 3, 8, 9))):
        with pytest.raises(ValueError, match=r"give \[..., 8, 9\]"):
            arrays.check_weights("test", bad, shape)


def test_angles_are_those_of_numpy_all_round():
    turns = np.linspace(-np.pi, np.pi, 4001)
    lengths = np.geomspace(1e-12, 1e12, 7)[:, None]
    y, x = lengths * np.sin(turns), lengths * np.cos(turns)
    expected = np.arctan2(y.astype(np.float32), x.astype(np.float32))
    found = jax.jit(arrays.arctan2)(jnp.float32(y), jnp.float32(x))
    assert found.dtype == jnp.float32
    assert_allclose(found, expected, atol=4e-7)
    assert_allclose(jax.vmap(arrays.arctan2)(jnp.float32(y), jnp.float32(x)), found, atol=4e-7)
    small = jnp.float32([1e-20, 1e-6, 0.01])  # of small angles every digit counts
    assert_allclose(arrays.arctan2(small, jnp.ones(3, jnp.float32)), np.arctan(small), rtol=3e-7)
    assert_allclose(arrays.arctan2(jnp.asarray(y), jnp.asarray(x)), np.arctan2(y, x), rtol=1e-15)


def test_angles_have_finite_gradients():
    for dtype in (jnp.float32, jnp.float64):
        y, x = (jnp.array(values, dtype) for values in ([0.3, -2.0, 1.0], [0.7, -0.1, 0.0]))
        for place in (0, 1):
            slope = jax.vmap(jax.grad(arrays.arctan2, argnums=place))(y, x)
            expected = jax.vmap(jax.grad(jnp.arctan2, argnums=place))(y, x)
            assert_allclose(slope, expected, rtol=1e-6, atol=1e-7)
            assert jax.grad(arrays.arctan2, argnums=place)(dtype(0), dtype(0)) == 0


def test_powers_in_single_precision():
    base = np.geomspace(1e-30, 1e30, 601)
    for exponent in (1 / 3, 0.3, 2.4):
        expected = base**exponent
        there = (expected > 1e-37) & (expected < 1e37)
        found = jax.jit(arrays.safe_power)(jnp.float32(base), exponent)
        assert_allclose(found[there], expected[there], rtol=2e-5)
        near = (base > 1e-3) & (base < 1e3)
        assert_allclose(found[near], expected[near], rtol=2e-6)
    slope = jax.vmap(jax.grad(lambda x: arrays.safe_power(x, 0.3)))
    assert jnp.isfinite(slope(jnp.float32([0, 1e-45, 1e-40, 1.2e-38]))).all()


def test_rounding_passes_gradients(rng):
    values = jnp.asarray(rng.random((3, 4)))

    def rounded(x):
        return arrays.pass_through(jnp.round(10 * x), 10 * x)

    for each in (rounded, jax.jit(rounded), jax.vmap(rounded)):
        assert_allclose(each(values), np.round(10 * values))
    assert_allclose(jax.grad(lambda x: rounded(x).sum())(values), 10)
