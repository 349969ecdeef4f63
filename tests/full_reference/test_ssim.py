"""SSIM: map, factors and what its arguments do."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage.metrics import structural_similarity

import jiqa


@pytest.fixture
def pair(rng):
    reference = rng.random((2, 30, 37, 3))
    return reference, np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1)


@pytest.mark.parametrize(
    ("options", "skimage"),
    [
        ({}, {"gaussian_weights": True, "use_sample_covariance": False}),
        ({"sample_covariance": True}, {"gaussian_weights": True}),
        (
            {"window": "uniform", "window_size": 7, "sample_covariance": True},
            {"win_size": 7},
        ),
    ],
    ids=["authors", "sample covariance", "uniform"],
)
def test_map_equals_scikit_image(pair, options, skimage):
    reference, distorted = (image[1] for image in pair)
    _, expected = structural_similarity(
        reference, distorted, data_range=1.0, channel_axis=-1, full=True, **skimage
    )
    found = jiqa.ssim_map(reference, distorted, border="symmetric", **options)
    assert_allclose(found, expected.mean(-1), atol=1e-10)
    cut = (options.get("window_size", 11) - 1) // 2
    valid = jiqa.ssim_map(reference, distorted, **options)
    assert_allclose(valid, expected.mean(-1)[cut:-cut, cut:-cut], atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"luma": "bt601"}, {"window_size": 8}, {"border": "zero"}])
def test_score_is_the_mean_of_the_map(pair, options):
    assert_allclose(
        jiqa.ssim(*pair, **options), jiqa.ssim_map(*pair, **options).mean((-1, -2)), rtol=1e-12
    )


def test_map_lies_at_its_place():
    """One wrong pixel changes the map within the window around it and nowhere else."""
    image = np.full((31, 33, 1), 0.5)
    wrong = image.copy()
    wrong[15, 20] = 1.0
    changed = np.argwhere(np.asarray(jiqa.ssim_map(image, wrong)) < 1 - 1e-12) + 5
    assert changed.min(0).tolist() == [10, 15]
    assert changed.max(0).tolist() == [20, 25]


def test_product_of_factors_is_the_map(pair):
    factors = jiqa.ssim_factors(*pair)
    product = (factors.luminance * factors.contrast * factors.structure).mean(-1)
    assert_allclose(product, jiqa.ssim_map(*pair), atol=1e-12)
    brighter = jiqa.ssim_factors(0.5 * pair[0], 0.5 * pair[0] + 0.3)
    assert jnp.all(brighter.luminance < 1)
    assert_allclose(brighter.contrast, 1, atol=1e-6)
    assert_allclose(brighter.structure, 1, atol=1e-6)


@pytest.mark.parametrize(("side", "factor"), [(100, 1), (383, 1), (384, 2), (639, 2), (640, 3)])
def test_downsampling_follows_the_shorter_side(side, factor):
    from jiqa.core.filters import downsampling_factor

    assert downsampling_factor((side, side + 300, 3)) == factor


def test_weights_are_reduced_with_the_images(rng):
    reference = rng.random((385, 400, 1))
    distorted = np.where(np.arange(400)[:, None] < 200, reference, 1 - reference)
    left = np.arange(400)[None, :] * np.ones((385, 1)) < 180
    score = jiqa.ssim(reference, distorted, downsample=True, weights=left)
    assert_allclose(score, 1, atol=1e-9)
    assert jiqa.ssim(reference, distorted, downsample=True) < 0.6


def test_unknown_window_is_an_error(pair):
    with pytest.raises(ValueError, match="use gaussian or uniform"):
        jiqa.ssim(*pair, window="hann")
