"""Gradients of the distortions that are marked as differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.datasets.distortions import distort, find_distortion, list_distortions

DIFFERENTIABLE = [n for n in list_distortions() if find_distortion(n).differentiable]
# Rounding and noise that depends on the image are passed straight through: their gradient is that
# of what was rounded, and no limit of differences.
STRAIGHT_THROUGH = {
    "kadid_jpeg",
    "kadid_quantization",
    "tid_jpeg_tables",
    "tid_compressed_noise",
    "tid_uniform_quantization",
    "dbcnn_jpeg",
    "camera_sensor_noise",
    "camera_bayer_sensor",
    "camera_chain",
}
STRENGTH = {"tid_wide_gaussian_blur": 2.0, "tid_chromatic_aberration": 2.3}


@pytest.fixture(scope="module")
def images():
    """An image of middle values, and those on which derivatives of roots and ratios are not."""
    rng = np.random.default_rng(0)
    textured = 0.3 + 0.4 * rng.random((18, 20, 3))
    flat = [np.full((18, 20, 3), value) for value in (0.0, 0.5, 1.0)]
    return jnp.asarray(np.stack([textured, *flat]))


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_is_finite_and_right(images, name):
    found = find_distortion(name)
    strength = found.levels[1] if found.between is None else STRENGTH.get(name, 0.01)
    variant = found.variants and found.variants[1]
    weights = jax.random.normal(jax.random.key(1), images.shape[1:], images.dtype)
    direction = jax.random.normal(jax.random.key(2), images.shape[1:], images.dtype)
    small = 1e-6

    def projection(image, key):
        return jnp.vdot(weights, found.apply(image, strength, key, variant))

    @jax.jit
    def differentiate(image, key):
        ends = projection(jnp.stack([image, image])[0] + small * direction, key)
        ends -= projection(image - small * direction, key)
        return jax.grad(projection)(image, key), ends / (2 * small)

    key = jax.random.key(0)
    gradients = [differentiate(image, key) for image in images]
    for gradient, _ in gradients:
        assert bool(jnp.isfinite(gradient).all())
    gradient, difference = gradients[0]
    assert float(jnp.abs(gradient).max()) > 0
    if name not in STRAIGHT_THROUGH:
        assert_allclose(jnp.vdot(gradient, direction), difference, rtol=1e-4, atol=1e-5)


def test_gradient_through_distort_and_bisection(images):
    def loss(image):
        return distort(image, "tid_white_noise", 3, jax.random.key(0)).sum()

    gradient = jax.jit(jax.grad(loss))(images[0])
    # The strength is found, then fixed: where nothing is clipped the noise is a constant.
    assert set(np.unique(gradient)) <= {0.0, 1.0}
    assert float(gradient.mean()) > 0.9


def test_gradient_of_host_side_distortions_is_zero(images):
    gradient = jax.grad(lambda x: distort(x, "kadid_jpeg2000", 1).sum())(images[0])
    assert not gradient.any()
