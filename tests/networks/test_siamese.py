"""The plain Siamese network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model
from jiqa.networks.network import split
from jiqa.networks.siamese import COMPARISONS
from jiqa.training.losses import mse
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs

LENGTHS = {"difference": 32, "concatenation": 96, "cosine": 1}


@pytest.fixture(params=LENGTHS)
def model(request):
    return Model.create("siamese", width=4, comparison=request.param)


def test_predictions(model, rng):
    length = LENGTHS[model.options["comparison"]]
    images = pairs(rng, 2, 35, 50, 3)
    check_predictions(model, images, {"score": (2,), "features": (2, length)})
    score = model(*images)["score"]
    assert ((score > 0) & (score < 1)).all()


def test_gray_images_are_seen_in_color(model, rng):
    gray = pairs(rng, 1, 32, 32, 1)
    color = [jnp.repeat(image, 3, -1) for image in gray]
    np.testing.assert_allclose(model(*gray)["score"], model(*color)["score"], rtol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_gradients_of_constant_and_equal_images_are_finite(model, level):
    image = jnp.full((1, 16, 18, 3), level, jnp.float32)
    check_gradients(model, image, image)


def test_comparisons_are_those_they_are_called(rng):
    a, b = (rng.standard_normal((1, 1, 1, 3)) for _ in range(2))
    found = {name: np.asarray(compare(a, b)).ravel() for name, compare in COMPARISONS.items()}
    a, b = a.ravel(), b.ravel()
    np.testing.assert_allclose(found["difference"], abs(a - b))
    np.testing.assert_allclose(found["concatenation"], np.concatenate([abs(a - b), b, a]))
    np.testing.assert_allclose(found["cosine"], a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_equal_images_have_no_difference_whatever_they_are(rng):
    image = jnp.asarray(rng.random((2, 32, 32, 3)), jnp.float32)
    result = Model.create("siamese", width=4)(image, image)
    assert (result["features"] == 0).all()
    np.testing.assert_allclose(result["score"], 0.5)


def test_one_batch_of_both_images_normalises(rng):
    images = pairs(rng, 2, 32, 32, 3)
    graph, parameters, statistics = split(Model.create("siamese", width=4).merge())
    module = nnx.merge(graph, parameters, statistics, copy=True)
    module(*images, rngs=nnx.Rngs(0))
    once = jax.tree.leaves(split(module)[2])
    turned = nnx.merge(graph, parameters, statistics, copy=True)
    turned(*reversed(images), rngs=nnx.Rngs(0))
    for one, other in zip(once, jax.tree.leaves(split(turned)[2]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_bad_arguments_are_errors():
    with pytest.raises(ValueError, match="difference, concatenation, cosine"):
        Model.create("siamese", comparison="product")
    small = jnp.zeros((1, 15, 64, 3))
    with pytest.raises(ValueError, match="at least 16"):
        Model.create("siamese", width=4)(small, small)


def test_it_learns(model, rng):
    reference, distorted = pairs(rng, 8, 32, 32, 3)
    batch = {"score": jnp.linspace(0.9, 0.1, 8, dtype=jnp.float32)}

    def loss(network, batch, rngs):
        return mse(network(reference, distorted, rngs=rngs)["score"], batch["score"]), {}

    _, losses = train(model, loss, batch, steps=50, learning_rate=3e-2)
    limit = 0.7 if model.options["comparison"] == "cosine" else 0.2  # it has but one number
    assert np.mean(losses[-5:]) < limit * losses[0]
