"""Feature fusion: its trunks, and how the distortion joins quality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model, count_parameters
from jiqa.networks.pretrained import use_pretrained
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import make_recipe

RESNET50, CLASSIFIER = 25_557_032, 2_049_000  # torchvision's
SMALL = {"types": 3, "net": "small", "width": 4, "hidden": 16}


@pytest.fixture(scope="module")
def model():
    return Model.create("fusion", **SMALL)


def test_number_of_parameters():
    heads = 3841 * 512 + 513 * 512 + 513 * 5 + 1025 * 512 + 513
    assert count_parameters("fusion", types=5) == RESNET50 - CLASSIFIER + heads


def test_predictions(model, rng):
    images = photographs(rng, 2, 33, 50, 1)
    shapes = {"score": (2,), "distortion": (2, 3), "features": (2, 16)}
    check_predictions(model, (images,), shapes)


def test_a_residual_network_is_a_trunk(rng):
    model = Model.create("fusion", net="resnet18", hidden=8)
    own = model.parameters["trunk"]["layers"]["conv1"]["kernel"]
    trunk = {"parameters": model.parameters["trunk"], "statistics": model.statistics["trunk"]}
    layers = [tree["layers"] for tree in trunk.values()]
    published = jax.tree.map(lambda x: 0 * x, _merge(*layers))
    changed = use_pretrained(model, published)
    assert own.any()
    assert not changed.parameters["trunk"]["layers"]["conv1"]["kernel"].any()
    result = model(photographs(rng, 1, 32, 40, 3))
    assert result["features"].shape == (1, 8)
    assert jnp.isfinite(result["score"]).all()


def _merge(first, second):
    """Two trees of dictionaries as one."""
    shared = {key: _merge(first[key], second[key]) for key in first.keys() & second.keys()}
    return {**first, **second, **shared}


def test_quality_depends_on_features_of_the_distortion(model, rng):
    images = photographs(rng, 1, 32, 32, 3)
    module = model.merge()
    before = module(images)["score"]
    module.distortion_features.kernel[...] *= 0
    assert not np.allclose(module(images)["score"], before, atol=1e-6)


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((1, 32, 32, 3), jnp.float32))


def test_wrong_input_is_an_error(model):
    with pytest.raises(ValueError, match="both sides must be at least 32"):
        model(jnp.zeros((1, 31, 64, 3)))
    with pytest.raises(ValueError, match="give one of resnet18, resnet50, small"):
        Model.create("fusion", net="resnet")


def test_it_learns(model, rng):
    recipe = make_recipe("fusion", side=64, quick=True)
    (stage,) = recipe.stages
    assert next(stage.batches)["distorted"].shape == (32, 64, 64, 3)
    assert recipe.begin().options["net"] == "small"
    batch = {
        "distorted": photographs(rng, 8, 32, 32, 3),
        "distortion": jnp.arange(8) % 3,
        "score": jnp.linspace(0, 1, 8, dtype=jnp.float32),
    }
    _, losses = train(model, stage.loss, batch, steps=60, learning_rate=1e-2)
    assert np.mean(losses[-5:]) < 0.3 * losses[0]


def test_new_layers_learn_faster_than_the_trunk():
    options = {"net": "resnet18", "pretrained": False, "crop": 64, "batch_size": 8}
    recipe = make_recipe("fusion", side=64, **options)
    optimizer, parameters = recipe.stages[0].optimizer, recipe.begin().parameters
    ones = jax.tree.map(jnp.ones_like, parameters)
    updates, _ = optimizer.update(ones, optimizer.init(parameters), parameters)
    slow, fast = updates["trunk"]["layers"]["conv1"]["kernel"], updates["quality"]["kernel"]
    np.testing.assert_allclose(10 * slow.ravel()[0], fast.ravel()[0], rtol=1e-4)
