"""Bilinear fusion of learned and handcrafted features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model
from jiqa.networks.bilinear import FUSIONS, multiply
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import make_recipe

SMALL = {"width": 4, "learned": 6, "hidden": 16}


@pytest.fixture(scope="module")
def model():
    return Model.create("bilinear", **SMALL)


def test_predictions(model, rng):
    images = photographs(rng, 2, 65, 130, 1)
    check_predictions(model, (images,), {"score": (2,), "features": (2, 6 * 58)})


@pytest.mark.parametrize(
    ("fusion", "features"),
    [("concatenation", 64), ("average", 64), ("learned", 6), ("handcrafted", 58)],
)
def test_other_fusions(fusion, features):
    model = Model.create("bilinear", fusion=fusion, **SMALL)
    result = jax.eval_shape(model, jnp.zeros((2, 64, 64, 3)))
    assert result["features"].shape == (2, features)
    assert result["score"].shape == (2,)


def test_published_networks_describe_patches():
    model = jax.eval_shape(lambda: Model.create("bilinear", net="vgg16"))
    score = jax.eval_shape(lambda model, x: model(x), model, jnp.zeros((2, 64, 64, 1)))
    assert score["features"].shape == (2, 128 * 58)


def test_bilinear_pooling_against_loops(rng):
    learned, handcrafted = rng.standard_normal((2, 3)), rng.standard_normal((2, 4))
    found = multiply(jnp.asarray(learned), jnp.asarray(handcrafted))
    for image in range(2):
        products = np.outer(learned[image], handcrafted[image]).ravel()
        roots = np.sign(products) * np.sqrt(np.abs(products))
        np.testing.assert_allclose(found[image], roots / np.linalg.norm(roots), rtol=1e-5)


def test_bilinear_pooling_of_nothing_is_nothing():
    slope = jax.grad(lambda x: multiply(x, jnp.ones((1, 2))).sum())(jnp.zeros((1, 3)))
    assert jnp.isfinite(slope).all()
    assert not multiply(jnp.zeros((1, 3)), jnp.ones((1, 2))).any()


def test_average_is_that_of_two_scores(rng):
    model = Model.create("bilinear", fusion="average", **SMALL)
    images = photographs(rng, 1, 64, 64, 3)
    module = model.merge()
    learned, handcrafted = module._learned(images, False), module._handcrafted(images, False)
    first, second = (p(x) for p, x in zip(module.perceptrons, (learned, handcrafted), strict=True))
    expected = 0.5 + ((first + second) / 2)[:, 0]
    np.testing.assert_allclose(model(images)["score"], expected, rtol=1e-6)


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((1, 64, 64, 3), jnp.float32))


def test_wrong_input_is_an_error(model):
    with pytest.raises(ValueError, match="smaller than a patch of 64"):
        model(jnp.zeros((1, 63, 64, 3)))
    with pytest.raises(ValueError, match="not patches"):
        model(jnp.zeros((1, 2, 64, 64, 3)))
    with pytest.raises(ValueError, match=f"fusions are {', '.join(FUSIONS)}"):
        Model.create("bilinear", fusion="sum")


def test_it_learns(model, rng):
    recipe = make_recipe("bilinear", side=128, quick=True)
    (stage,) = recipe.stages
    assert next(stage.batches)["distorted"].shape == (32, 128, 128, 3)
    score = jnp.linspace(0, 1, 8, dtype=jnp.float32)
    batch = {"distorted": photographs(rng, 8, 64, 64, 3), "score": score}
    _, losses = train(model, stage.loss, batch, steps=40, learning_rate=1e-2)
    assert np.mean(losses[-5:]) < 0.4 * losses[0]
