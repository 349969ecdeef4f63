"""The eye's contrast sensitivity: its definition, its symmetry, and what filtering by it does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.core.vision import contrast_sensitivity, filter_by_contrast_sensitivity, half_plane


def sensitivity_by_definition(y, x):
    frequency = np.hypot(x, y) / (0.85 + 0.15 * np.cos(4 * np.arctan2(y, x)))
    if frequency < 7.8909:
        return 0.9809
    return 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (9, 5)])
def test_definition(height, width):
    step = 4.0
    expected = [
        [
            sensitivity_by_definition((i - height / 2 + 0.5) * step, (j - width / 2 + 0.5) * step)
            for j in range(width)
        ]
        for i in range(height)
    ]
    assert_allclose(contrast_sensitivity(height, width, step), expected, rtol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (9, 5)])
def test_filtering_is_the_real_part_of_the_whole_plane(height, width, rng):
    image = rng.random((height, width))
    response = contrast_sensitivity(height, width, 64.0 / width)
    expected = np.fft.ifft2(np.fft.fft2(image) * np.fft.ifftshift(response)).real
    filtered = filter_by_contrast_sensitivity(jnp.asarray(image)[..., None], 64.0)
    assert_allclose(filtered[..., 0], expected, rtol=1e-12)
    assert half_plane(response).shape == (height, width // 2 + 1)


def test_batches_jit_and_gradients_agree(rng):
    images = jnp.asarray(rng.random((2, 3, 9, 12, 3)))
    whole = filter_by_contrast_sensitivity(images, 32.0)
    jitted = jax.jit(filter_by_contrast_sensitivity, static_argnums=1)(images[1, 2], 32.0)
    assert_allclose(jitted, whole[1, 2], rtol=1e-12)
    mapped = jax.vmap(lambda image: filter_by_contrast_sensitivity(image, 32.0))(images[0])
    assert_allclose(mapped, whole[0], rtol=1e-12)
    slope = jax.grad(lambda z: filter_by_contrast_sensitivity(z, 32.0).sum())(jnp.zeros((8, 8, 1)))
    assert_allclose(slope, 0.9809, rtol=1e-12)
