"""IW-SSIM: the information weights."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.full_reference.iw_ssim import information_content


def test_information_is_zero_on_flat_and_grows_with_contrast(rng):
    texture = 20 * rng.standard_normal((40, 40, 1))
    texture[:, :20] = 0
    information = information_content(texture, texture, None)
    assert_allclose(information[:, :17], 0)
    assert jnp.all(information[:, 20:] > 1)
    more = information_content(3 * texture, 3 * texture, None)
    assert more.sum() > information.sum()


def test_information_of_gaussian_texture_is_what_the_model_says(rng):
    """White noise of variance v, no distortion: N log2(1 + 2 s v / 0.4) bits, s near 1."""
    variance = 100.0
    texture = np.sqrt(variance) * rng.standard_normal((150, 150, 1))
    information = information_content(texture, texture, None)
    expected = 9 * np.log2(1 + 2 * variance / 0.4)
    assert_allclose(np.median(information), expected, rtol=0.02)


def test_scale_weights_are_normalised(rng):
    reference = rng.random((80, 84, 1))
    distorted = np.clip(reference + 0.2 * rng.standard_normal(reference.shape), 0, 1)
    scores = [
        jiqa.iw_ssim(reference, distorted, window_size=5, scale_weights=np.array(w).tolist())
        for w in ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
    ]
    assert_allclose(scores[0], scores[1], rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_references_give_a_number(value):
    flat = np.full((80, 80, 1), value, np.float32)
    noisy = np.clip(flat + 0.01 * np.random.default_rng(0).standard_normal(flat.shape), 0, 1)
    score = jiqa.iw_ssim(flat, noisy.astype(np.float32), window_size=5)
    assert 0 <= score < 1
