"""Features that nobody trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks.handcrafted import describe_images, frequency, texture
from jiqa.no_reference.brisque import brisque_features
from tests.networks.multi_task import photographs


def test_spatial_features_are_those_of_brisque(rng):
    images = photographs(rng, 2, 48, 64, 3).astype(jnp.float64)
    expected = brisque_features(images, luma="bt601", nearest=False)[:, 0]
    np.testing.assert_allclose(describe_images(images)["spatial"], expected, rtol=1e-6)


def test_patterns_one_pixel_at_a_time(rng):
    levels = rng.integers(0, 4, (6, 7))
    counts = np.zeros(10)
    for row in range(1, 5):
        for column in range(1, 6):
            places = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
            bits = [levels[row + y, column + x] >= levels[row, column] for y, x in places]
            changes = sum(bits[i] != bits[i - 1] for i in range(8))
            counts[sum(bits) if changes <= 2 else 9] += 1
    found = texture(jnp.asarray(levels, jnp.float32)[None, ..., None])
    np.testing.assert_allclose(found[0], counts / 20, rtol=1e-6)


def test_texture_does_not_see_turns(rng):
    levels = 255 * photographs(rng, 1, 32, 32, 1)
    turned = jnp.rot90(levels, axes=(1, 2))
    np.testing.assert_allclose(texture(levels), texture(turned), atol=1e-6)


def test_blur_weakens_fine_frequencies(rng):
    noise = jnp.asarray(255 * rng.random((1, 64, 64, 1)), jnp.float32)
    smooth = (noise + jnp.roll(noise, 1, 1) + jnp.roll(noise, 1, 2)) / 3
    strengths, weaker = frequency(noise)[0, 1::2], frequency(smooth)[0, 1::2]
    assert (weaker < strengths).all()
    assert strengths[2] - weaker[2] > strengths[0] - weaker[0]


def test_grey_has_no_colour(rng):
    found = describe_images(photographs(rng, 1, 32, 32, 1))["appearance"]
    np.testing.assert_allclose(found[0, -4:], 0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_flat_images_have_finite_features_and_gradients(value):
    images = jnp.full((1, 17, 33, 3), value, jnp.float32)
    total = lambda images: sum(x.sum() for x in describe_images(images).values())  # noqa: E731
    found, gradient = jax.jit(jax.value_and_grad(total))(images)
    assert jnp.isfinite(found)
    assert jnp.isfinite(gradient).all()


def test_small_images_are_an_error():
    with pytest.raises(ValueError, match="15 x 40 pixels"):
        describe_images(jnp.zeros((1, 15, 40, 3)))
