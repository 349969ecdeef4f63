"""RR-SSIM: its normalisation, its measure, and what it estimates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

import jiqa
from jiqa.core.filters import imresize
from jiqa.reduced_reference import rr_ssim


def test_normalisation_is_the_definition(rng):
    """A coefficient over the root of y' inv(C) y / N, with the neighbours taken one by one."""
    bands = rng.standard_normal((4, 9, 11, 1))
    parents = rng.standard_normal((4, 5, 6, 1))
    ours = rr_ssim._normalize(tuple(jnp.asarray(bands)), tuple(jnp.asarray(parents)))
    assert ours.shape == (4, 1, 7, 9)
    large = np.asarray(imresize(jnp.asarray(parents), 2.0))
    for band in range(4):
        siblings = [k for k in range(4) if k != band]
        vectors = np.array(
            [
                [*bands[band, i - 1 : i + 2, j - 1 : j + 2, 0].ravel()]
                + [bands[k, i, j, 0] for k in siblings]
                + [large[band, i, j, 0]]
                for i in range(1, 8)
                for j in range(1, 10)
            ]
        )
        inverse = np.linalg.inv(vectors.T @ vectors / len(vectors))
        energy = np.einsum("pn,nm,pm->p", vectors, inverse, vectors) / 13
        centers = bands[band, 1:-1, 1:-1, 0].ravel()
        expected = (centers - centers.mean()) / np.sqrt(energy)
        assert_allclose(ours[band, 0].ravel(), expected, rtol=1e-9)


def test_coefficients_of_a_scale_mixture_become_gaussian(rng):
    """Coefficients whose energy varies from place to place have a kurtosis near 3 afterwards."""
    strength = np.exp(gaussian_filter(rng.standard_normal((128, 128)), 4, mode="wrap") * 8)
    bands = rng.standard_normal((4, 128, 128, 1)) * strength[..., None]
    before = bands[0] / bands[0].std()
    after = np.asarray(rr_ssim._normalize(tuple(jnp.asarray(bands)), None))[0]
    after = after / after.std()
    assert (before**4).mean() > 6
    assert 2 < (after**4).mean() < 3.2


def test_measure_is_the_formula(rng):
    reference, distorted = rng.random((2, 64, 64, 1))
    features = jiqa.rr_ssim_features(reference)
    sent = features.values
    statistics = jax.jit(lambda image: rr_ssim._normalized_statistics(image, 1.0, None))
    own, histograms = statistics(distorted)
    total = 0.0
    for band in range(12):
        centers = np.linspace(-15, 15, 100) * 4 ** (band // 4)
        model = np.exp(-((centers / sent["deviation"][0, band]) ** 2) / 2)
        model /= model.sum()
        histogram = np.asarray(histograms[0, band])
        kept = (histogram > 0) & (model > 0)
        divergence = (model[kept] * np.log(model[kept] / histogram[kept])).sum() / model[kept].sum()
        total += abs(abs(divergence) - sent["divergence"][0, band])
    x, y = np.asarray(sent["deviation"][0]), np.asarray(own[0])
    gain = ((x**2).sum() + (y**2).sum() + 1e-3) / (2 * (x * y).sum() + 1e-3)
    expected = gain * np.log(1 + total / 0.1)
    assert_allclose(jiqa.rr_ssim_distance(features, distorted), expected, rtol=1e-9)


def test_it_estimates_ssim_of_noisy_photographs(shared_data, rng):
    """A straight line through 1 with the slope for noise; 0.06 on average over all photographs."""
    slope = rr_ssim.SLOPES["noise"]
    errors = []
    for photograph in (2, 8, 14):
        image = jiqa.images.read_image(shared_data / f"data/pristine_kodak/{photograph}.png")
        image = image[:256, :256]
        for deviation in (8, 16, 32):
            noisy = np.clip(image + deviation * rng.standard_normal(image.shape), 0, 255)
            noisy = np.round(noisy).astype(np.uint8)
            errors.append(jiqa.rr_ssim(image, noisy, slope=slope) - jiqa.ssim_y(image, noisy))
    assert np.sqrt(np.mean(np.square(errors))) < 0.1


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_flat_images_are_finite(value, rng):
    flat = np.full((64, 64, 1), value)
    assert jiqa.rr_ssim(flat, flat) == 1
    assert np.isfinite(jiqa.rr_ssim(flat, rng.random(flat.shape)))
    assert np.isfinite(jiqa.rr_ssim(rng.random(flat.shape), flat))
    with pytest.raises(ValueError, match="at least 37 a side"):
        jiqa.rr_ssim(flat[:36], flat[:36])
