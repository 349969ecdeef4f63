"""The network behind DeepBIQ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jiqa
from jiqa.networks import Model, count_parameters
from jiqa.networks.deepbiq_net import published_form, to_classes, use_pretrained
from jiqa.networks.patches import spread_squares
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs
from tests.networks.recipes import make_recipe

SMALL = {"narrow": 16, "hidden": 16, "grid": 2}


@pytest.fixture
def model():
    return Model.create("deepbiq", **SMALL)


def test_numbers_of_parameters():
    caffenet, last = 60_965_224, 4097 * 1000
    assert count_parameters("deepbiq") == caffenet - last + 4097 * 5


@pytest.mark.parametrize(
    ("net", "channels", "size", "count"),
    [
        ("caffenet", 3, (230, 227), 2),
        ("alexnet_caffe", 1, (227, 227), 1),
        ("alexnet", 3, (226, 225), 4),
    ],
)
def test_predictions(rng, net, channels, size, count):
    model = Model.create("deepbiq", net=net, **SMALL)
    _, images = pairs(rng, 2, *size, channels)
    shapes = {
        "score": (2,),
        "patches": (2, count),
        "distribution": (2, 5),
        "features": (2, count, 16),
    }
    check_predictions(model, (images,), shapes)


def test_gradients_of_constant_images_are_finite(model):
    levels = jnp.array([0.0, 0.5], jnp.float32).reshape(2, 1, 1, 1)
    check_gradients(model, jnp.broadcast_to(levels, (2, 227, 227, 3)))


def test_small_images_and_other_networks_are_errors(model):
    with pytest.raises(ValueError, match="226 x 300"):
        model(jnp.zeros((1, 226, 300, 3)))
    with pytest.raises(ValueError, match="vgg16"):
        Model.create("deepbiq", net="vgg16")


def test_crops_reach_from_border_to_border():
    image = jnp.arange(9.0 * 12).reshape(1, 9, 12, 1)
    crops = spread_squares(image, 5, 3, 3)
    corners = [(top, left) for top in (0, 2, 4) for left in (0, 4, 7)]
    assert crops.shape == (1, 9, 5, 5, 1)
    for crop, (top, left) in zip(crops[0], corners, strict=True):
        np.testing.assert_array_equal(crop, image[0, top : top + 5, left : left + 5])


def test_scores_are_the_classes_centres_weighted(model, rng):
    _, images = pairs(rng, 2, 227, 230, 3)
    result = model(images)
    logits, _ = model.merge().classify(spread_squares(images, 227, 2, 2).reshape(4, 227, 227, 3))
    shares = np.asarray(jax.nn.softmax(logits)).reshape(2, 2, 5)
    expected = shares @ [0.1, 0.3, 0.5, 0.7, 0.9]
    np.testing.assert_allclose(result["patches"], expected, rtol=1e-5)
    np.testing.assert_allclose(result["score"], expected.mean(1), rtol=1e-5)
    np.testing.assert_allclose(np.exp(result["distribution"]), shares.mean(1), rtol=1e-5)


def test_classes_are_fifths():
    scores = jnp.array([-0.1, 0.0, 0.19, 0.2, 0.79, 0.8, 1.0, 1.2])
    assert to_classes(scores).tolist() == [0, 0, 0, 1, 3, 4, 4, 4]


def test_dropout_is_of_training_alone(model, rng):
    _, images = pairs(rng, 2, 227, 227, 3)
    module = model.merge()
    first, second = (module(images, rngs=nnx.Rngs(seed))["score"] for seed in (0, 1))
    assert not jnp.allclose(first, second)


@pytest.mark.parametrize(("net", "side"), [("caffenet", 227), ("alexnet", 224)])
def test_its_features_go_into_the_regression(rng, net, side):
    model = Model.create("deepbiq", net=net, **SMALL)
    _, images = pairs(rng, 6, side, side, 3)
    features = model(images)["features"]
    tree, taps = published_form(model), ("relu7",)
    expected = jiqa.deepbiq_features(tree, images, net=net, taps=taps, regions=1)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    regression = jiqa.fit_deepbiq(features, np.arange(6.0), cost=1.0)
    parameters = {"network": tree, "regression": vars(regression)}
    scores = jiqa.deepbiq(parameters, images, net=net, taps=taps, regions=2)
    assert np.corrcoef(scores, np.arange(6))[0, 1] > 0.9


def test_published_parameters_are_taken_as_far_as_there_are_any():
    model = Model.create("deepbiq", net="alexnet", hidden=8)
    published = jiqa.weights.load("alexnet")
    bundled = use_pretrained(model)
    assert bundled.parameters["fc6"] is model.parameters["fc6"]
    whole = published | {
        "classifier": {
            "1": {"kernel": np.ones((9216, 8)), "bias": np.ones(8)},
            "4": {"kernel": np.ones((8, 9)), "bias": np.ones(9)},  # of another size
        }
    }
    taken = use_pretrained(model, whole)
    assert taken.parameters["fc6"]["kernel"].min() == 1
    assert taken.parameters["fc7"] is model.parameters["fc7"]
    kernel = published["features"]["0"]["kernel"]
    np.testing.assert_array_equal(published_form(taken)["features"]["0"]["kernel"], kernel)


def test_it_learns_classes(rng):
    recipe = make_recipe("deepbiq", side=224, quick=True)
    assert next(recipe.stages[0].batches)["distorted"].shape == (16, 1, 224, 224, 3)
    _, images = pairs(rng, 5, 224, 224, 3)
    batch = {"distorted": images[:, None], "score": jnp.linspace(1, 0, 5, dtype=jnp.float32)}
    before = use_pretrained(Model.create("deepbiq", net="alexnet", hidden=128))
    loss = recipe.stages[0].loss
    model, _ = train(before, loss, batch, steps=20, learning_rate=3e-4)
    first, last = (loss(found.merge(), batch, None)[0] for found in (before, model))
    assert last < 0.3 * first
    assert np.corrcoef(model(batch["distorted"])["score"], batch["score"])[0, 1] > 0.9
