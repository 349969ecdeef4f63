"""Distortion recognition: votes of patches, a quality for each distortion, both stages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import make_recipe


@pytest.fixture(scope="module")
def model():
    return Model.create("recognition", types=3, width=4, hidden=16)


def test_predictions(model, rng):
    images = photographs(rng, 2, 65, 130, 1)
    shapes = {"score": (2,), "distortion": (2, 3), "features": (2, 120)}
    check_predictions(model, (images,), shapes)


def test_patches_vote_and_qualities_are_weighted_by_the_vote(model, rng):
    images = photographs(rng, 2, 128, 128, 3)
    module, result = model.merge(), model(images)
    shares = jax.nn.softmax(module.recognize(images)).mean(1)
    np.testing.assert_allclose(jnp.exp(result["distortion"]), shares, rtol=1e-5)
    expected = (shares * module.qualities(images)).sum(-1)
    np.testing.assert_allclose(result["score"], expected, rtol=1e-5)


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((1, 64, 64, 3), jnp.float32))


def test_small_images_are_an_error(model):
    with pytest.raises(ValueError, match="63 x 100 pixels, smaller than a patch of 64"):
        model(jnp.zeros((1, 63, 100, 3)))


def test_it_learns_distortions_and_then_the_quality_of_each(rng, model):
    recipe = make_recipe("recognition", side=64, quick=True)
    assert next(recipe.stages[0].batches)["distorted"].shape == (32, 64, 64, 3)
    images = photographs(rng, 4, 64, 64, 3)
    noise = 0.3 * jax.random.normal(jax.random.key(1), images[:2].shape, jnp.float32)
    batch = {
        "distorted": images.at[:2].set(jnp.clip(images[:2] + noise, 0, 1)),
        "distortion": jnp.arange(4) // 2,
        "score": jnp.array([0.2, 0.1, 0.9, 1.0], jnp.float32),
    }
    for stage in recipe.stages:
        before = model
        model, losses = train(model, stage.loss, batch, steps=40, learning_rate=1e-2)
        assert np.mean(losses[-5:]) < 0.6 * losses[0], stage.name
    # The second stage leaves statistics alone, and its optimiser all parameters but the last.
    jax.tree.map(np.testing.assert_array_equal, before.statistics, model.statistics)
    optimizer = recipe.stages[1].optimizer
    ones = jax.tree.map(jnp.ones_like, model.parameters)
    updates, _ = optimizer.update(ones, optimizer.init(model.parameters), model.parameters)
    changed = {part: any(x.any() for x in jax.tree.leaves(tree)) for part, tree in updates.items()}
    assert changed == {"encoder": False, "distortion": False, "quality": True}
