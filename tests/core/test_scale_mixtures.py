"""Scale mixtures of neighbouring coefficients, against their definition in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from jiqa.core import scale_mixtures


def vectors_of(band, size):
    """All overlapping blocks of a plane as rows."""
    windows = np.lib.stride_tricks.sliding_window_view(band, (size, size))
    return windows.reshape(-1, size * size)


def test_moments_and_multipliers_are_the_definition(rng):
    band = rng.standard_normal((2, 13, 16, 3))
    views = scale_mixtures.neighbourhoods(jnp.asarray(band), 3)
    moments = scale_mixtures.second_moments(views)
    covariance = scale_mixtures.covariance(views)
    squares, eigenvalues = scale_mixtures.gaussian_scale_mixture(views, covariance)
    maps = scale_mixtures.as_maps(squares)
    assert maps.shape == (2, 11, 14, 3)
    for image in range(2):
        for channel in range(3):
            vectors = vectors_of(band[image, ..., channel], 3)
            assert_allclose(moments[image, channel], vectors.T @ vectors / len(vectors), rtol=1e-10)
            expected = np.cov(vectors.T, bias=True)
            assert_allclose(covariance[image, channel], expected, atol=1e-12)
            assert_allclose(eigenvalues[image, channel], np.linalg.eigvalsh(expected), rtol=1e-10)
            inverse = np.linalg.inv(expected)
            own = np.einsum("ni,ij,nj->n", vectors, inverse, vectors) / 9
            assert_allclose(maps[image, ..., channel].ravel(), own, rtol=1e-9)


def test_transformations_agree_and_flat_bands_are_finite(rng):
    bands = jnp.asarray(rng.standard_normal((4, 9, 10, 1)))

    def squares(band):
        views = scale_mixtures.neighbourhoods(band, 3)
        return scale_mixtures.gaussian_scale_mixture(views, scale_mixtures.covariance(views))[0]

    batch = squares(bands)
    assert_allclose(jax.jit(squares)(bands), batch, rtol=1e-9)
    assert_allclose(jax.vmap(squares)(bands), batch, rtol=1e-9)
    for value in (0.0, 0.5):
        flat = jnp.full((9, 10, 1), value)
        assert jnp.isfinite(squares(flat)).all()
        assert jnp.isfinite(jax.grad(lambda band: squares(band).sum())(flat)).all()


def test_a_flat_covariance_is_the_identity():
    covariance, flat = scale_mixtures.invertible(jnp.zeros((2, 3, 3)).at[1].set(jnp.eye(3)))
    assert flat.tolist() == [True, False]
    assert_allclose(covariance, np.broadcast_to(np.eye(3), (2, 3, 3)), rtol=1e-12)
