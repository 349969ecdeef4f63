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
