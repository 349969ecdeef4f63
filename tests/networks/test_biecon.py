"""BIECON."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.ndimage import correlate

from jiqa import ssim_map
from jiqa.core.filters import imresize
from jiqa.networks import Model, count_parameters
from jiqa.networks.biecon import normalize, textured
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs
from tests.networks.recipes import make_recipe

SMALL = {"filters": 4, "hidden": (16, 8, 8)}
HEAD = (128 + 1) + 128  # a bias of the hidden numbers, and what makes one of them


@pytest.fixture
def model():
    return Model.create("biecon", **SMALL)


def test_numbers_of_parameters():
    shared = 4_988_480
    assert count_parameters("biecon") == shared + (128 * 128 + HEAD) + (256 * 128 + HEAD)
    assert count_parameters("biecon", deviation=False) == shared + 2 * (128 * 128 + HEAD)


@pytest.mark.parametrize("channels", [1, 3])
def test_predictions(model, rng, channels):
    _, images = pairs(rng, 2, 65, 97, channels)
    shapes = {"score": (2,), "patches": (2, 6), "weights": (2, 6), "features": (2, 16)}
    check_predictions(model, (images,), shapes)


def test_gradients_of_constant_images_are_finite(model):
    levels = jnp.array([0.0, 0.5], jnp.float32).reshape(2, 1, 1, 1)
    check_gradients(model, jnp.broadcast_to(levels, (2, 32, 64, 3)))


def test_small_images_and_wrong_shares_are_errors(model):
    with pytest.raises(ValueError, match="31 x 64"):
        model(jnp.zeros((1, 31, 64, 3)))
    with pytest.raises(ValueError, match="share=0"):
        Model.create("biecon", share=0)


def test_normalisation_is_that_of_the_authors(rng):
    image = 255 * rng.random((20, 24))
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    mean = correlate(image, kernel, mode="nearest")
    deviation = np.sqrt(np.abs(correlate(image**2, kernel, mode="nearest") - mean**2))
    expected = 2 / 3 * (image - mean) / (deviation + 127)
    found = normalize(jnp.asarray(image / 255)[..., None])[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_fifth_of_patches_does_not_count(rng):
    strengths = jnp.asarray(rng.permutation(11)).reshape(1, 11, 1, 1, 1)
    patches = strengths * jnp.asarray(rng.standard_normal((32, 32, 1)))
    np.testing.assert_array_equal(textured(patches, 0.8)[0], strengths.ravel() > 2)
    assert textured(jnp.ones((1, 7, 4, 4, 1)), 0.8).all()


def test_features_are_pooled_by_mean_and_deviation(model, rng):
    features, weights = rng.random((2, 6, 8)), np.ones((2, 6))
    weights[:, 4] = 0
    counted = np.delete(features, 4, axis=1)
    expected = np.concatenate([counted.mean(1), counted.std(1)], -1)
    pooled = model.merge().pool(jnp.asarray(features), jnp.asarray(weights))
    np.testing.assert_allclose(pooled, expected)
    by_mean = Model.create("biecon", deviation=False, **SMALL).merge()
    np.testing.assert_allclose(by_mean.pool(features, weights), expected[:, :8])


def test_patches_that_do_not_count_do_not_matter(model, rng):
    _, image = pairs(rng, 1, 32, 160, 3)
    flat = image.at[:, :, 64:96].set(0.5)
    result = model(flat)
    assert result["weights"][0].tolist() == [1, 1, 0, 1, 1]
    np.testing.assert_allclose(model(flat.at[:, :, 70:90].set(0.4))["score"], result["score"])


def test_dropout_is_of_training_alone(model, rng):
    _, images = pairs(rng, 2, 32, 32, 3)
    module = model.merge()
    first, second = (module(images, rngs=nnx.Rngs(seed))["score"] for seed in (0, 1))
    assert not jnp.allclose(first, second)


def test_targets_are_means_of_ssim_at_half_resolution(rng):
    reference, distorted = pairs(rng, 2, 64, 96, 1)
    recipe = make_recipe("biecon", side=256)
    patch_targets = recipe.stages[0].loss.func.__globals__["patch_targets"]
    local = ssim_map(imresize(reference, 0.5), imresize(distorted, 0.5), border="replicate")
    expected = np.asarray(local).reshape(2, 2, 16, 3, 16).mean((2, 4)).reshape(2, 6)
    found = patch_targets(lambda x, y: ssim_map(x, y, border="replicate"), reference, distorted)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("metric", ["ssim", "gms", "fsim"])
def test_it_learns_a_metric_and_then_opinion(rng, metric):
    recipe = make_recipe("biecon", side=128, quick=True, metric=metric)
    assert next(recipe.stages[0].batches)["reference"].shape == (8, 128, 128, 3)
    reference, distorted = pairs(rng, 4, 64, 64, 3)
    score = jnp.linspace(1, 0, 4, dtype=jnp.float32)
    batch = {"reference": reference, "distorted": distorted, "score": score}
    model = Model.create("biecon", filters=8, hidden=(32, 32))
    for stage in recipe.stages if metric == "ssim" else recipe.stages[:1]:
        model, losses = train(model, stage.loss, batch, steps=60, learning_rate=3e-3)
        assert np.mean(losses[-5:]) < 0.5 * losses[0], stage.name
