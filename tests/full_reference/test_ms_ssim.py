"""MS-SSIM: scales, the rule for negative comparisons, the least size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.filters import downsample_box


def test_one_scale_is_ssim(rng):
    images = rng.random((2, 40, 41, 3))
    near = images[0], 0.5 * (images[0] + images[1])
    assert_allclose(jiqa.ms_ssim(*near, scale_weights=(1.0,)), jiqa.ssim(*near), rtol=1e-12)


def test_two_scales_by_hand(rng):
    reference = rng.random((41, 47, 1))
    distorted = np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1)
    factors = jiqa.ssim_factors(reference, distorted)
    fine = (factors.contrast * factors.structure).mean()
    coarse = jiqa.ssim(downsample_box(reference, 2), downsample_box(distorted, 2))
    score = jiqa.ms_ssim(reference, distorted, scale_weights=(0.4, 0.6))
    assert_allclose(score, fine**0.4 * coarse**0.6, rtol=1e-12)


def test_anti_correlated_images_score_zero_with_a_finite_gradient(rng):
    reference = rng.random((48, 48, 1))
    score, gradient = jax.value_and_grad(lambda y: jiqa.ms_ssim(reference, y, window_size=3))(
        1 - reference
    )
    assert score == 0
    assert jnp.all(jnp.isfinite(gradient))


@pytest.mark.parametrize("metric", [jiqa.ms_ssim, jiqa.iw_ssim])
def test_the_least_size_is_the_authors(metric):
    image = np.zeros((175, 300, 1))
    with pytest.raises(ValueError, match=r"175 x 300 pixels; 5 scales .* at least 176"):
        metric(image, image)
    with pytest.raises(ValueError, match="at least 16"):
        metric(image[:15], image[:15], window_size=8, scale_weights=(0.5, 0.5))
