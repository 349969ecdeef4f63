"""Saliency: where it is, on which scale, and on images with nothing to see."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.core.saliency import (
    center_prior,
    fine_grained,
    graph_based,
    sdsp,
    spectral_residual,
)

METHODS = [spectral_residual, sdsp, fine_grained, graph_based]


def spot(shape, row, column, color=(0.95, 0.6, 0.4)):
    """Grey noise with a disc of another colour."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    disc = (rows - row) ** 2 + (columns - column) ** 2 < 36
    noise = 0.5 + 0.02 * np.random.default_rng(1).standard_normal((*shape, 3))
    return np.where(disc[..., None], color, noise)


@pytest.mark.parametrize("method", METHODS)
def test_a_spot_is_salient(method):
    saliency = np.asarray(method(spot((80, 100), 44, 56)))
    assert saliency.shape == (80, 100)
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert abs(row - 44) < 10
    assert abs(column - 56) < 10
    assert saliency[40:48, 52:60].mean() > 1.5 * saliency.mean()


@pytest.mark.parametrize("method", METHODS)
def test_range_and_batch(method, rng):
    images = rng.random((2, 3, 21, 34, 3))
    saliency = method(images)
    assert saliency.shape == (2, 3, 21, 34)
    assert_allclose(saliency, jax.vmap(jax.vmap(method))(images), rtol=1e-9, atol=1e-12)
    assert_allclose(method(images * 255, data_range=255.0), saliency, rtol=1e-6, atol=1e-9)
    assert saliency.min() > -0.1  # bicubic interpolation overshoots a little
    assert saliency.max() < 1.1


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_constant_images_are_finite(method, dtype, level):
    image = jnp.full((24, 20, 3), level, dtype)
    value, slope = jax.value_and_grad(lambda x: method(x).sum())(image)
    assert jnp.isfinite(value)
    assert jnp.isfinite(slope).all()


def test_spectral_residual_is_hou_and_zhangs_formula(rng):
    """Of an image that is not resized, with the phase and the exponential written out."""
    image = rng.random((24, 32, 1)) * 255
    spectrum = np.fft.fft2(image[..., 0])
    log = np.log(np.abs(spectrum))
    padded = np.pad(log, 1, mode="edge")
    average = sum(padded[i : i + 24, j : j + 32] for i in range(3) for j in range(3)) / 9
    expected = np.abs(np.fft.ifft2(np.exp(log - average + 1j * np.angle(spectrum)))) ** 2
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    ours = spectral_residual(image, data_range=255.0, scale=1.0, window_size=1, sigma=1.0)
    assert_allclose(ours, expected, atol=1e-9)


def test_fine_grained_is_contrast_with_what_surrounds(rng):
    image = rng.random((30, 22, 1))
    gray, contrast = image[..., 0], np.zeros((30, 22))
    for size in (12, 24, 28, 48, 56, 112):
        for row in range(30):
            for column in range(22):
                about = gray[
                    max(row - size, 0) : row + size + 1, max(column - size, 0) : column + size + 1
                ]
                contrast[row, column] += abs(gray[row, column] - about.mean())
    expected = (contrast - contrast.min()) / (contrast.max() - contrast.min())
    assert_allclose(fine_grained(image), expected, atol=1e-12)


def test_center_prior_falls_from_the_centre():
    prior = np.asarray(center_prior(jnp.zeros((2, 21, 41, 3))))
    assert prior.shape == (2, 21, 41)
    assert np.unravel_index(prior[0].argmax(), (21, 41)) == (10, 20)
    assert (np.diff(prior[0, 10, 20:]) < 0).all()


def test_gradients_are_finite_however_a_compiler_rounds():
    """Without optimisation the map and what is compared with its extremes are rounded otherwise."""
    script = """
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from jiqa.core.saliency import spectral_residual
image = 0.1 + 0.8 * np.random.default_rng(0).random((17, 20, 3))
slope = jax.jit(jax.grad(lambda x: spectral_residual(x).sum()))(image)
assert np.isfinite(slope).all() and np.abs(slope).max() > 0
"""
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "XLA_FLAGS": flags}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
