"""VIF in both domains: definition, direction, contrast, degenerate and small images."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import correlate2d

import jiqa
from jiqa.full_reference.vif import _scale_information


def retyped_vif_p(x, y):
    """The pixel-domain index of one channel of 0 to 255, from the paper's equations."""
    left = there = 0.0
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        distance = np.arange(size) - size // 2
        window = np.exp(-(distance**2) / (2 * (size / 5) ** 2))
        window = np.outer(window, window) / window.sum() ** 2

        def average(image, window=window):
            return correlate2d(image, window, "valid")

        if scale:
            x, y = average(x)[::2, ::2], average(y)[::2, ::2]
        mean_x, mean_y = average(x), average(y)
        variance_x = average(x * x) - mean_x**2
        variance_y = average(y * y) - mean_y**2
        gain = (average(x * y) - mean_x * mean_y) / (variance_x + 1e-10)
        noise = variance_y - gain * (average(x * y) - mean_x * mean_y)
        noise = np.where(gain < 0, variance_y, noise)
        gain = np.maximum(gain, 0)
        left += np.log2(1 + gain**2 * variance_x / (np.maximum(noise, 1e-10) + 2)).sum()
        there += np.log2(1 + variance_x / 2).sum()
    return left / there


def test_vif_p_is_the_definition(rng):
    x = rng.random((61, 50, 3)) * 255
    y = np.clip(0.8 * x + 30 * rng.standard_normal(x.shape), 0, 255)
    expected = np.mean([retyped_vif_p(x[..., c], y[..., c]) for c in range(3)])
    assert_allclose(jiqa.vif_p(x, y, data_range=255), expected, rtol=1e-9)


def smooth(rng, shape):
    return np.cumsum(np.cumsum(rng.standard_normal(shape), 0), 1) / 100 % 0.5 + 0.25


@pytest.mark.parametrize("name", ["vif", "vif_p"])
def test_more_contrast_is_above_one_and_the_order_matters(rng, name):
    metric = jiqa.load(name)
    x = smooth(rng, (80, 75, 1))
    enhanced = 0.5 + 1.5 * (x - 0.5)
    assert metric(x, enhanced) > 1.01
    noisy = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    assert abs(metric(x, noisy) - metric(noisy, x)) > 0.01


@pytest.mark.parametrize("name", ["vif", "vif_p"])
def test_a_reference_without_information_gives_one(name):
    flat = jnp.full((80, 80, 1), 0.5)
    assert jiqa.load(name)(flat, flat) == 1


def test_integers_and_range_agree(rng):
    x, y = rng.integers(0, 256, (2, 75, 83, 3), np.uint8)
    for metric in (jiqa.vif, jiqa.vif_p):
        assert_allclose(metric(x, y), metric(x / 255.0, y / 255.0), rtol=1e-4)


def test_small_images_are_an_error():
    small = np.zeros((71, 100, 3))
    with pytest.raises(ValueError, match="at least 72"):
        jiqa.vif(small, small)
    jiqa.vif_p(small[:41], small[:41])
    with pytest.raises(ValueError, match="smaller than the 3 x 3 window"):
        jiqa.vif_p(small[:40], small[:40])


@pytest.mark.parametrize("name", ["vif", "vif_p"])
def test_map_of_equal_images_is_one_and_weights_look_at_a_side(rng, name):
    """Damage to the left is not seen from the right, where it is beyond all windows."""
    metric, to_map = jiqa.load(name), jiqa.load(name).map_function
    x = smooth(rng, (80, 240, 1))
    y = np.clip(x + 0.05 * rng.standard_normal(x.shape), 0, 1)
    damaged = np.where(np.arange(240)[:, None] < 60, 0.5, y)
    right = np.broadcast_to(np.arange(240) >= 180, (80, 240))
    assert_allclose(to_map(x, x), 1, rtol=1e-6)
    clean, dirty = to_map(x, y), to_map(x, damaged)
    assert clean.shape == (80, 240)
    assert_allclose(dirty[:, 180:], clean[:, 180:], rtol=1e-9)
    assert dirty[24:-24, 24:40].max() < 0.1
    assert metric(x, damaged) < 0.9 * metric(x, y)
    assert_allclose(metric(x, damaged, weights=right), metric(x, y, weights=right), rtol=1e-9)
    assert abs(metric(x, y, weights=right) / metric(x, y) - 1) > 1e-3


def test_map_of_vif_p_shows_the_place(rng):
    """A dot changes the map around it, as far up as down and to the left as to the right."""
    x = smooth(rng, (80, 90, 1))
    y = np.clip(x + 0.05 * rng.standard_normal(x.shape), 0, 1)
    dotted = y.copy()
    dotted[37, 50] = 1
    changed = np.abs(jiqa.vif_p_map(x, dotted) - jiqa.vif_p_map(x, y)) > 1e-12
    for axis, place in ((0, 37), (1, 50)):
        places = np.nonzero(changed.any(1 - axis))[0]
        assert abs(places[[0, -1]].mean() - place) <= 4  # half of a sample at the coarsest scale
        assert 30 < len(places) < 50


def test_weights_at_one_pixel_give_what_is_left_there(rng):
    """At each scale the sample that covers it, as often as there are samples."""
    x = smooth(rng, (60, 60, 1))
    y = np.clip(x + 0.05 * rng.standard_normal(x.shape), 0, 1)
    at = np.zeros((60, 60))
    at[30, 31] = 1.0
    left = there = 0
    scales = _scale_information(jnp.asarray(x), jnp.asarray(y), 1.0)
    for scale, (some, whole) in enumerate(scales):
        first, size = 8 + 4 * scale - 2**scale // 2, 2**scale
        place = (30 - first) // size, (31 - first) // size
        count = some.shape[0] * some.shape[1]
        left, there = left + count * some[place], there + count * whole[place]
    assert_allclose(jiqa.vif_p(x, y, weights=at), (left / there)[0], rtol=1e-9)
