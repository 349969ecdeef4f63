"""The small networks of our own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model, count_parameters
from jiqa.networks.convolutional import Encoder, describe
from jiqa.training.losses import mae
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.pairs import pairs as make_pairs
from tests.networks.recipes import make_recipe

SMALL = {"width": 2, "hidden": 8}
FEATURES = 2 * (2 + 4 + 8 + 16)  # mean and deviation of the channels of four maps


def test_parameters_of_the_encoder():
    kernels = 4 * 4 * 3 * 16 + sum(9 * (wide // 2 * wide + wide * wide) for wide in (32, 64, 128))
    normalized = 2 * (16 + 2 * (32 + 64 + 128))  # a gain and an offset a channel
    head = 480 * 128 + 128 + 128 + 1
    assert count_parameters("quality_cnn") == kernels + normalized + head
    weighing = 5 * 240 * 128 + 128 + 128 * 240 + 240
    assert count_parameters("quality_siamese") == kernels + normalized + weighing


@pytest.mark.parametrize(
    ("head", "adds"),
    [
        ("score", {}),
        ("distribution", {"deviation": (2,), "distribution": (2, 10)}),
        ("uncertain", {"deviation": (2,)}),
        ("content", {}),
        ("attention", {"map": (2, 3, 4), "patches": (2, 12), "weights": (2, 12)}),
    ],
)
def test_predictions_of_each_head(rng, head, adds):
    model = Model.create("quality_cnn", head=head, **SMALL)
    shapes = {"score": (2,), "features": (2, FEATURES), **adds}
    check_predictions(model, (photographs(rng, 2, 37, 65, 1),), shapes)


def test_types_and_levels_are_told_too(rng):
    images = make_pairs(rng, 2, 32, 48, 3)
    shapes = {"score": (2,), "distortion": (2, 5), "level": (2,)}
    model = Model.create("quality_cnn", types=5, **SMALL)
    check_predictions(model, images[1:], {**shapes, "features": (2, FEATURES)})
    model = Model.create("quality_siamese", types=5, **SMALL)
    check_predictions(model, images, {**shapes, "features": (2, 5 * FEATURES // 2)})


def test_siamese_says_one_for_equal_images_and_less_for_others(rng):
    reference, distorted = make_pairs(rng, 3, 33, 47, 3)
    for seed in range(3):
        model = Model.create("quality_siamese", seed=seed, **SMALL)
        np.testing.assert_array_equal(model(reference, reference)["score"], 1)
        assert (model(reference, distorted)["score"][1:] < 1).all()
        assert (model(reference, 1 - reference)["score"] > 0).all()


def test_gray_images_are_three_equal_channels(rng):
    gray = photographs(rng, 1, 32, 40, 1)
    model = Model.create("quality_siamese", **SMALL)
    once, thrice = model(gray, gray**2), model(gray.repeat(3, -1), (gray**2).repeat(3, -1))
    np.testing.assert_allclose(once["score"], thrice["score"], rtol=1e-6)


@pytest.mark.parametrize("head", ["score", "distribution", "uncertain", "content", "attention"])
def test_gradients_of_black_images_are_finite(head):
    black = jnp.zeros((2, 32, 32, 3), jnp.float32)
    check_gradients(Model.create("quality_cnn", head=head, types=3, **SMALL), black)


def test_gradients_of_equal_and_of_black_images_are_finite(rng):
    model = Model.create("quality_siamese", types=3, **SMALL)
    image = jnp.concatenate([photographs(rng, 1, 32, 32, 3), jnp.zeros((1, 32, 32, 3))])
    check_gradients(model, image.astype(jnp.float32), image.astype(jnp.float32))


def test_maps_halve_and_are_those_of_shifted_images(rng):
    """The coarsest map moves by a place when the image moves by 16 pixels."""
    encoder = Encoder(2, rngs=nnx.Rngs(0))
    image = photographs(rng, 1, 192, 192, 3)
    maps = encoder(image, training=False)
    assert [x.shape[1:] for x in maps] == [(96, 96, 2), (48, 48, 4), (24, 24, 8), (12, 12, 16)]
    moved = encoder(jnp.roll(image, 16, 2), training=False)
    inner = slice(4, 8)
    np.testing.assert_allclose(moved[-1][:, inner, 5:9], maps[-1][:, inner, 4:8], atol=1e-5)


def test_description_is_mean_and_deviation(rng):
    maps = [rng.normal(size=(2, 6, 5, 3)), rng.normal(size=(2, 3, 2, 4))]
    expected = [x.mean((1, 2)) for x in maps] + [x.std((1, 2)) for x in maps]
    found = describe([jnp.asarray(x) for x in maps])
    np.testing.assert_allclose(found, np.concatenate(expected, -1))


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="give one of score, distribution"):
        Model.create("quality_cnn", head="mean")
    with pytest.raises(ValueError, match="both sides must be at least 32"):
        Model.create("quality_cnn", **SMALL)(jnp.zeros((1, 31, 64, 3)))
    with pytest.raises(ValueError, match="both sides must be at least 32"):
        Model.create("quality_siamese", **SMALL)(*[jnp.zeros((1, 64, 31, 3))] * 2)


def test_statistics_follow_training_only(rng):
    images = photographs(rng, 2, 32, 32, 3)
    network = Model.create("quality_cnn", **SMALL).merge()
    mean = network.encoder.stem.normalize.mean
    network(images)
    np.testing.assert_array_equal(mean[...], 0)
    network(images, rngs=nnx.Rngs(0))
    assert (mean[...] != 0).all()


def test_siamese_learns_what_noise_costs(rng):
    reference, distorted = make_pairs(rng, 8, 32, 32, 3)
    scores = jnp.linspace(1, 0.2, 8)
    batch = {"reference": reference, "distorted": distorted, "score": scores}

    def loss(network, batch, rngs):
        prediction = network(batch["reference"], batch["distorted"], rngs=rngs)
        return mae(prediction["score"], batch["score"]), {}

    model = Model.create("quality_siamese", width=4, hidden=16, dropout=0.0)
    _, losses = train(model, loss, batch, steps=80, learning_rate=1e-2)
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("quality_cnn", {}),
        ("quality_cnn", {"head": "distribution", "tasks": False}),
        ("quality_cnn", {"head": "uncertain", "tasks": False}),
        ("quality_siamese", {}),
        ("quality_siamese", {"tasks": True}),
    ],
)
def test_recipe_gives_a_loss_that_falls(name, options):
    recipe = make_recipe(name, side=64, width=2, batch_size=8, quick=True, **options)
    (stage,) = recipe.stages
    batch = {key: jnp.asarray(value) for key, value in next(stage.batches).items()}
    _, losses = train(recipe.begin(), stage.loss, batch, steps=25, learning_rate=1e-2)
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_compiles_once_for_any_parameters(rng):
    images = photographs(rng, 1, 32, 32, 3)
    calls = []

    @jax.jit
    def score(model, images):
        calls.append(None)
        return model(images)["score"]

    found = [score(Model.create("quality_cnn", seed=seed, **SMALL), images) for seed in (0, 1)]
    assert found[0] != found[1]
    assert len(calls) == 1
