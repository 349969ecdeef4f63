"""ASNA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model
from jiqa.training.losses import mse
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs

VARIANTS = {
    "attention": {"side": 32},
    "dva_map": {"side": 32, "attention": "dva_map"},
    "bn": {"side": 32, "variant": "bn"},
    "simple": {"side": 32, "variant": "simple"},
}


@pytest.fixture(scope="module", params=VARIANTS)
def model(request):
    return Model.create("asna", **VARIANTS[request.param])


def count(**options):
    """Parameters and statistics."""
    model = jax.eval_shape(lambda: Model.create("asna", **options))
    return sum(leaf.size for leaf in jax.tree.leaves((model.parameters, model.statistics)))


def test_number_of_parameters_and_statistics():
    assert count() == 529_103
    assert count() - count(attention="dva_map") == 2 * (8 * 8 + 8)
    assert count(side=32) == 529_103 - 32 * 8 * (36**2 - 4**2)


def test_predictions(model, rng):
    check_predictions(model, pairs(rng, 2, 37, 70, 3), {"score": (2,), "patches": (2, 2)})


def test_gray_images_are_seen_in_color(rng):
    model = Model.create("asna", side=32)
    gray = pairs(rng, 1, 32, 32, 1)
    color = [jnp.repeat(image, 3, -1) for image in gray]
    np.testing.assert_allclose(model(*gray)["score"], model(*color)["score"], rtol=1e-5)


def test_gradients_of_constant_and_equal_images_are_finite():
    image = jnp.stack([jnp.zeros((32, 32, 3)), jnp.full((32, 32, 3), 0.5)]).astype(jnp.float32)
    check_gradients(Model.create("asna", **VARIANTS["dva_map"]), image, image)


def test_the_score_is_the_mean_of_patches(rng):
    reference, distorted = pairs(rng, 1, 32, 64, 3)
    model = Model.create("asna", side=32)
    halves = [model(reference[:, :, at : at + 32], distorted[:, :, at : at + 32]) for at in (0, 32)]
    expected = np.mean([half["score"] for half in halves])
    np.testing.assert_allclose(model(reference, distorted)["score"][0], expected, rtol=1e-4)


def test_the_decoder_starts_from_the_distorted_image(rng):
    reference, distorted = pairs(rng, 2, 32, 32, 3)
    model = Model.create("asna", side=32)
    assert not jnp.allclose(
        model(reference, reference)["score"], model(distorted, distorted)["score"], rtol=1e-4
    )


def test_a_map_of_saliency_can_be_given(rng):
    images = pairs(rng, 1, 32, 64, 3)
    module = Model.create("asna", **VARIANTS["dva_map"]).merge()
    left = jnp.zeros((1, 32, 64)).at[:, :, :32].set(1)
    here, nowhere = (module(*images, saliency=x)["patches"][0] for x in (left, 0 * left))
    assert here[0] != nowhere[0]
    assert here[1] == nowhere[1]
    own = module(*images)["score"]
    assert own not in (here.mean(), nowhere.mean())


def test_bad_arguments_are_errors(rng):
    images = pairs(rng, 1, 32, 32, 3)
    for options, message in (
        ({"variant": "tiled"}, "attention, bn, simple"),
        ({"attention": "map"}, "gate, dva_map"),
        ({"variant": "bn", "attention": "dva_map"}, "has no attention"),
        ({"side": 40}, "multiple of 16"),
    ):
        with pytest.raises(ValueError, match=message):
            Model.create("asna", **options)
    with pytest.raises(ValueError, match="32 x 32"):
        Model.create("asna", side=48)(*images)
    with pytest.raises(ValueError, match="dva_map"):
        Model.create("asna", side=32).merge()(*images, saliency=jnp.ones((1, 32, 32)))


def test_batches_normalise_in_training_alone(rng):
    images = pairs(rng, 2, 32, 32, 3)
    module = Model.create("asna", side=32).merge()
    before = module(*images)["score"]
    assert not jnp.allclose(module(*images, rngs=nnx.Rngs(0))["score"], before)
    assert not jnp.allclose(module(*images)["score"], before)  # by new running averages


def test_it_learns(rng):
    reference, distorted = pairs(rng, 8, 32, 32, 3)
    batch = {"score": jnp.linspace(1, -1, 8, dtype=jnp.float32)}

    def loss(network, batch, rngs):
        return mse(network(reference, distorted, rngs=rngs)["score"], batch["score"]), {}

    model = Model.create("asna", side=32)
    _, losses = train(model, loss, batch, steps=40, learning_rate=3e-3)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
