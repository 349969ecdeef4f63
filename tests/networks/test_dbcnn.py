"""DB-CNN and its heads."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model, count_parameters
from jiqa.networks.continual import remember
from jiqa.networks.dbcnn import multiply, resize_corners, to_unit, use_scnn
from jiqa.training.losses import mse
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions

SMALL = {"narrow": 64, "tasks": 3}
FEATURES = 8 * 128


@pytest.fixture(scope="module")
def model():
    return Model.create("dbcnn", **SMALL)


def test_parameters():
    resnet18 = 11_689_512 - (512 * 1000 + 1000)
    scnn = count_parameters("scnn")
    assert count_parameters("dbcnn", tasks=6) == resnet18 + scnn + 6 * 512 * 128


def test_predictions(model, rng):
    images = photographs(rng, 2, 65, 48, 1)
    shapes = {"score": (2,), "heads": (2, 3), "weights": (2, 3), "features": (2, 128)}
    check_predictions(model, (images,), shapes)
    found = model(images)
    np.testing.assert_allclose((found["features"] ** 2).sum(-1), 1, rtol=1e-5)
    # Before the first task all heads are the same, and weigh the same.
    np.testing.assert_allclose(found["weights"], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(found["heads"][:, 0], found["score"], rtol=1e-5)
    assert (jnp.abs(found["score"]) <= 1).all()  # cosines


def test_heads_have_any_length_in_training_only(model, rng):
    images = photographs(rng, 1, 40, 40, 3)
    longer = jax.tree.map(lambda x: x, model)
    longer.parameters["heads"] = 7 * model.parameters["heads"]
    np.testing.assert_allclose(longer(images)["heads"], model(images)["heads"], rtol=1e-5)
    long, short = (m.merge()(images, rngs=object())["heads"] for m in (longer, model))
    np.testing.assert_allclose(long, 7 * short, rtol=1e-5)


def test_products_are_those_of_all_channels(rng):
    content, distortion = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 6))
    expected = np.einsum("bhwi,bhwj->bij", content, distortion).reshape(2, -1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(multiply(jnp.asarray(content), jnp.asarray(distortion)), expected)
    assert multiply(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 2, 4))).sum() == 0


@pytest.mark.parametrize(("height", "target"), [(7, 4), (4, 7), (5, 5), (6, 1)])
def test_resizing_keeps_corners(rng, height, target):
    maps = rng.normal(size=(1, height, 3, 2))
    found = resize_corners(jnp.asarray(maps), (target, 3))
    places = np.linspace(0, height - 1, target)
    for column in range(3):
        for channel in range(2):
            line = np.interp(places, np.arange(height), maps[0, :, column, channel])
            np.testing.assert_allclose(found[0, :, column, channel], line, atol=1e-12)


def test_the_nearest_task_weighs_most(model, rng):
    known = [rng.normal(size=(300, 128)) + 5 * np.eye(128)[task] for task in range(2)]
    features = [to_unit(jnp.asarray(points, jnp.float32)) for points in known]
    for task, points in enumerate(features):
        model = remember(model, task, points)
    weights = model.merge().weigh(jnp.concatenate([points[:20] for points in features]))
    assert (weights[:, 2] == 0).all()  # nothing is known of it
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    assert (weights[:20, 0] > weights[:20, 1]).all()
    assert (weights[20:, 1] > weights[20:, 0]).all()
    # exp(-32 distance), as a slow loop says.
    centroids = np.asarray(model.statistics["centroids"][:2])
    distances = np.linalg.norm(features[0][0] - centroids, axis=-1).min(1)
    expected = np.exp(-32 * distances) / np.exp(-32 * distances).sum()
    np.testing.assert_allclose(weights[0, :2], expected, rtol=1e-3)


def test_scnn_is_put_in(model):
    scnn = Model.create("scnn", seed=5)
    found = use_scnn(model, scnn)
    kernel = found.parameters["scnn"]["classifier"]["kernel"]
    np.testing.assert_array_equal(kernel, scnn.parameters["classifier"]["kernel"])
    np.testing.assert_array_equal(found.parameters["heads"], model.parameters["heads"])
    with pytest.raises(ValueError, match="give both the same `normalized`"):
        use_scnn(model, Model.create("scnn", normalized=False))


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((2, 32, 32, 3), jnp.float32))


def test_it_is_read_as_it_was_saved(model, rng, tmp_path):
    features = jnp.asarray(rng.normal(size=(150, 128)), jnp.float32)
    model = remember(model, 1, features)
    model.save(tmp_path / "model.safetensors")
    images = photographs(rng, 1, 40, 40, 3)
    loaded = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded(images)["weights"], model(images)["weights"])
    assert loaded.statistics["known"].tolist() == [0, 1, 0]


def test_scnn_rests_but_images_have_gradients(model, rng):
    images = photographs(rng, 1, 40, 40, 3)

    def score(parameters, images):
        return replace(model, parameters=parameters)(images)["score"].sum()

    of_parameters, of_images = jax.jit(jax.grad(score, (0, 1)))(model.parameters, images)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(of_parameters["scnn"]))
    assert (of_parameters["heads"] != 0).any()
    assert (of_images != 0).any()


def test_it_learns(model, rng):
    batch = {"distorted": photographs(rng, 8, 40, 40, 3), "score": jnp.linspace(0, 1, 8)}

    def loss(network, batch, rngs):
        return mse(network(batch["distorted"], rngs=rngs)["heads"][:, 0], batch["score"]), {}

    _, losses = train(model, loss, batch, steps=80, learning_rate=1e-2)
    assert losses[-1] < 0.1 * losses[0]
