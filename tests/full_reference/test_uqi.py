"""UQI: the authors' rules for flat windows, and moments without cancellation."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.statistics import window_moments


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11])
def test_window_moments_equal_numpy(rng, size):
    x, y = rng.random((2, 14, 17))
    moments = window_moments(x[..., None], y[..., None], size)
    windows_x, windows_y = (sliding_window_view(image, (size, size)) for image in (x, y))
    dx = windows_x - windows_x.mean((-1, -2), keepdims=True)
    dy = windows_y - windows_y.mean((-1, -2), keepdims=True)
    assert moments.number == size**2
    for found, expected in (
        (moments.mean_x, windows_x.mean((-1, -2))),
        (moments.mean_y, windows_y.mean((-1, -2))),
        (moments.squares_x, (dx**2).sum((-1, -2))),
        (moments.squares_y, (dy**2).sum((-1, -2))),
        (moments.products, (dx * dy).sum((-1, -2))),
    ):
        assert_allclose(found[..., 0], expected, atol=1e-12)


def test_window_moments_of_flat_windows_are_exactly_zero_in_single_precision():
    flat = jnp.full((20, 20, 1), 0.3, jnp.float32)
    moments = window_moments(flat, flat, 8)
    assert jnp.all(moments.squares_x == 0)
    assert jnp.all(moments.products == 0)


def test_rules_for_flat_windows():
    black, gray, light = (np.full((8, 8, 1), value) for value in (0.0, 0.25, 0.5))
    assert jiqa.uqi(black, black) == 1
    assert jiqa.uqi(gray, gray) == 1
    # Flat but unequal: only the luminance comparison, 2 a b / (a^2 + b^2).
    assert_allclose(jiqa.uqi(gray, light), 0.8)
    assert jiqa.uqi(black, light) == 0
    ramp = np.linspace(0, 1, 64).reshape(8, 8, 1)
    assert jiqa.uqi(light, ramp) == 0


def test_map_averages_to_the_score(rng):
    images = rng.random((2, 3, 20, 22, 3))
    assert_allclose(jiqa.uqi_map(*images).mean((-1, -2)), jiqa.uqi(*images), rtol=1e-12)
