"""HaarPSI: its map, its options, and images without any wavelet coefficient."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

import jiqa


def test_without_downsampling_on_one_channel(rng):
    x, y = rng.random((2, 17, 22))

    def response(image, scale, axis):
        half = 2 ** (scale - 1)
        window = np.full((2 * half, 2 * half), 2.0**-scale)
        window[half:] *= -1
        window = window if axis == 0 else window.T
        padded = np.pad(image, ((half - 1, half), (half - 1, half)))
        parts = np.lib.stride_tricks.sliding_window_view(padded, window.shape)
        return np.abs(np.einsum("ijkl,kl->ij", parts, window))

    constant, pooled, total = 30 / 255**2, 0.0, 0.0
    for axis in (0, 1):
        x1, x2, x3 = (response(x, scale, axis) for scale in (1, 2, 3))
        y1, y2, y3 = (response(y, scale, axis) for scale in (1, 2, 3))
        alike = sum(
            (2 * a * b + constant) / (a * a + b * b + constant) for a, b in ((x1, y1), (x2, y2))
        )
        weight = np.maximum(x3, y3)
        pooled += (weight / (1 + np.exp(-4.2 * alike / 2))).sum()
        total += weight.sum()
    expected = (np.log(pooled / total / (1 - pooled / total)) / 4.2) ** 2
    ours = jiqa.haarpsi(x[..., None], y[..., None], downsample=False)
    assert_allclose(ours, expected, rtol=1e-10)


def test_map_is_one_where_images_are_alike(rng):
    x = rng.random((2, 30, 41, 3))
    y = x.copy()
    y[:, :, 30:] = rng.random(y[:, :, 30:].shape)
    local = np.asarray(jiqa.haarpsi_map(x, y))
    assert local.shape == (2, 15, 21)
    assert_allclose(local[..., :12], 1, atol=1e-12)
    assert local[..., 16:].max() < 1


def test_flat_images_of_unlike_colour_differ():
    red, blue = (jnp.broadcast_to(jnp.array(c), (16, 16, 3)) for c in ([1.0, 0, 0], [0, 0, 1.0]))
    value, slope = jax.value_and_grad(jiqa.haarpsi, 1)(red, blue)
    assert value < 0.95
    assert jnp.isfinite(slope).all()


def test_colour_is_seen_only_without_luma(rng):
    x = rng.random((24, 24, 3))
    y = x[..., ::-1]
    assert jiqa.haarpsi(x, y) < 0.999
    gray = np.repeat(x.mean(-1, keepdims=True), 3, -1)
    assert_allclose(
        jiqa.haarpsi(gray, gray * 0.9, luma="bt601"),
        jiqa.haarpsi(gray[..., :1], gray[..., :1] * 0.9),
        rtol=1e-9,
    )
