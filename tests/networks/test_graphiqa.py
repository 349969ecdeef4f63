"""Distortions as graphs of images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model, count_parameters
from jiqa.networks.graphiqa import (
    GraphConvolution,
    normalize_adjacency,
    relate_edges,
    triplet,
)
from jiqa.training import Data
from jiqa.training.configs import load_config
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import CONFIGS
from tests.training.small_run import make_items

SMALL = {"net": "small", "narrow": 8, "edges": 3, "code": 5}


@jax.jit
def relate(model, images):
    return model.merge().relate(images)


def slow_edges(x, kernels):
    """All N^2 edges, as the authors have them."""
    unit = x / np.linalg.norm(x, axis=-1, keepdims=True)
    edges = (unit[:, None] * unit[None]).reshape(len(x) ** 2, -1)
    direction = edges / np.linalg.norm(edges, axis=-1, keepdims=True)
    adjacency = direction @ direction.T + np.eye(len(edges))
    degree = np.diag(adjacency.sum(1) ** -0.5)
    adjacency = degree @ adjacency @ degree
    h = np.maximum(adjacency @ edges @ kernels[0], 0)
    h = np.maximum(adjacency @ h @ kernels[1], 0)
    return (adjacency @ h @ kernels[2]).reshape(len(x), len(x), -1)


def test_edges_counted_once_are_those_of_all_ordered_pairs(rng):
    x = rng.uniform(size=(5, 8))
    convolution = GraphConvolution(8, 3, rngs=nnx.Rngs(0))
    kernels = [np.asarray(layer.kernel[...], float) for layer in convolution.layers]
    assert [kernel.shape for kernel in kernels] == [(8, 4), (4, 2), (2, 3)]
    found = relate_edges(jnp.asarray(x), convolution)
    np.testing.assert_allclose(found, slow_edges(x, kernels), rtol=1e-6, atol=1e-9)


def test_adjacency_is_normalized_by_rows_and_columns(rng):
    adjacency = rng.uniform(size=(4, 4))
    looped = adjacency + np.eye(4)
    degree = np.diag(looped.sum(1) ** -0.5)
    found = normalize_adjacency(jnp.asarray(adjacency))
    np.testing.assert_allclose(found, degree @ looped @ degree)
    assert jnp.isfinite(normalize_adjacency(-jnp.eye(3))).all()


def test_triplet_is_that_of_distances(rng):
    a, b, c = rng.normal(size=(3, 6, 4))
    expected = np.linalg.norm(a - b, axis=-1) - np.linalg.norm(a - c, axis=-1) + 0.1
    found = triplet(*[jnp.asarray(x) for x in (a, b, c)])
    np.testing.assert_allclose(found, np.maximum(expected, 0))
    assert jnp.isfinite(jax.grad(lambda x: triplet(x, x, x))(jnp.zeros(3))).all()


def test_parameters():
    trunk = 25_557_032 - (2048 * 1000 + 1000)  # ResNet-50 without its classifier
    nodes = 3 * (2048 * 2048 + 2048)

    def convolution(outputs):
        return 2048 * 1024 + 1024 * 512 + 512 * outputs

    head = 2112 * 1056 + 1056 + 1056 * 2 + 2
    expected = trunk + nodes + convolution(64) + convolution(256) + 2 * head
    assert count_parameters("graphiqa") == expected


@pytest.mark.parametrize(("net", "narrow", "features"), [("resnet18", 32, 16), ("small", 8, 60)])
def test_predictions_of_images_by_themselves(rng, net, narrow, features):
    model = Model.create("graphiqa", **SMALL | {"net": net, "narrow": narrow})
    shapes = dict.fromkeys(("score", "level", "deviation"), (2,))
    images = photographs(rng, 2, 37, 64, 1)
    check_predictions(model, (images,), {**shapes, "features": (2, features + 3)})


def test_a_graph_of_one_image_is_what_the_image_is_by_itself(rng):
    model = Model.create("graphiqa", **SMALL)
    image = photographs(rng, 1, 40, 40, 3)
    alone, graph = jax.jit(lambda m, x: m(x))(model, image), relate(model, image)
    np.testing.assert_allclose(graph["level"], alone["level"], rtol=1e-5)
    assert graph["code"].shape == (5,)


def test_the_order_of_images_changes_no_code(rng):
    model = Model.create("graphiqa", **SMALL)
    images = photographs(rng, 4, 40, 40, 3)
    found, turned = relate(model, images), relate(model, images[::-1])
    np.testing.assert_allclose(turned["code"], found["code"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(turned["level"], found["level"][::-1], rtol=1e-4)


def test_noise_is_in_training_only(rng):
    model = Model.create("graphiqa", **SMALL)
    image = photographs(rng, 1, 32, 32, 3)

    @jax.jit
    def draw(model, key):
        head = model.merge().quality
        return head(model(image)["features"].repeat(500, 0), rngs=nnx.Rngs(key))[0]

    draws, sure = draw(model, jax.random.key(0)), model(image)
    assert float(abs(draws.mean() - sure["score"][0])) < 0.2 * float(sure["deviation"][0])
    np.testing.assert_allclose(draws.std(), sure["deviation"][0], rtol=0.15)


def test_gradients_of_black_and_equal_images_are_finite():
    model = Model.create("graphiqa", **SMALL)
    black = jnp.zeros((2, 32, 32, 3), jnp.float32)
    check_gradients(model, black)
    slope = jax.jit(jax.grad(lambda x: sum(v.sum() for v in relate(model, x).values())))
    for images in (black, black + 0.5):
        assert jnp.isfinite(slope(images)).all()


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="net='alexnet' is unknown; use resnet18, resnet50, small"):
        Model.create("graphiqa", net="alexnet")
    config = load_config(CONFIGS / "graphiqa.py")
    with pytest.raises(ValueError, match="all images have the same distortion"):
        config(Data.of(make_items(16, 64)), quick=True)


def test_recipe_tells_distortions_apart():
    items = make_items(32, 64)
    for number, item in enumerate(items):  # half of the images are of stripes
        if number % 2:
            stripes = 100 * item["score"] * np.sin(np.arange(64) / 2)[:, None, None]
            item["distorted"] = (128 + stripes + np.zeros((64, 64, 3))).astype(np.uint8)
            item["distortion"] = "stripes"
    recipe = load_config(CONFIGS / "graphiqa.py")(Data.of(items), quick=True)
    model = recipe.begin()
    for stage, name in zip(recipe.stages, ("relations", "scores"), strict=True):
        batch = {key: jnp.asarray(value) for key, value in next(stage.batches).items()}
        assert stage.name == name
        if name == "relations":
            kinds = np.asarray(batch["distortion"]).reshape(3, -1)
            assert (kinds[0] == kinds[1]).all()
            assert (kinds[0] != kinds[2]).all()
        model, losses = train(model, stage.loss, batch, steps=30, learning_rate=1e-3)
        assert losses[-1] < 0.5 * losses[0]
