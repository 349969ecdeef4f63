"""MEON: sizes, squares, gating, both steps of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model, count_parameters
from jiqa.networks.meon import overlapping
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import make_recipe


@pytest.fixture(scope="module")
def model():
    return Model.create("meon")


def test_it_has_as_many_parameters_as_the_published_network():
    assert count_parameters("meon", types=5) == 149_906


def test_predictions(model, rng):
    images = photographs(rng, 2, 256, 301, 1)
    shapes = {"score": (2,), "distortion": (2, 5), "patches": (2, 2)}
    check_predictions(model, (images,), shapes)


def test_squares_cover_the_image_evenly():
    image = jnp.arange(10)[None, :, None, None] * jnp.ones((1, 10, 9, 1))
    squares = overlapping(image, side=4, step=2)
    assert squares.shape == (1, 16, 4, 4, 1)
    assert squares[0, ::4, 0, 0, 0].tolist() == [0, 2, 4, 6]
    np.testing.assert_array_equal(overlapping(squares), squares)


def test_score_is_that_of_each_distortion_weighted_by_its_probability(model, rng):
    images = photographs(rng, 2, 256, 256, 3)
    module = model.merge()
    features = module._features(images)[:, 0]
    logits, scores = module.distortion(features), module.quality(features)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    result = model(images)
    np.testing.assert_allclose(result["score"], (weights * scores).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(np.exp(result["distortion"]), weights, rtol=1e-5)
    np.testing.assert_allclose(module.identify(images), result["distortion"], rtol=1e-5)


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((1, 256, 256, 3), jnp.float32))


def test_small_images_are_an_error(model):
    with pytest.raises(ValueError, match="255 x 300 pixels, smaller than the 256 x 256"):
        model(jnp.zeros((1, 255, 300, 3)))


def test_it_learns_the_distortion_and_then_quality(rng):
    recipe = make_recipe("meon", side=256, quick=True)
    assert next(recipe.stages[0].batches)["distorted"].shape == (16, 256, 256, 3)
    images = photographs(rng, 4, 256, 256, 3)
    noise = 0.3 * jax.random.normal(jax.random.key(1), images[:2].shape, jnp.float32)
    batch = {
        "distorted": images.at[:2].set(jnp.clip(images[:2] + noise, 0, 1)),
        "distortion": jnp.arange(4) // 2,
        "score": jnp.array([0.2, 0.1, 0.9, 1.0], jnp.float32),
    }
    model = Model.create("meon", types=2)
    for stage in recipe.stages:
        model, losses = train(model, stage.loss, batch, steps=20, learning_rate=3e-3)
        assert np.min(losses[-5:]) < 0.5 * losses[0], stage.name
    assert (jnp.argmax(model(batch["distorted"])["distortion"], -1) == batch["distortion"]).all()
