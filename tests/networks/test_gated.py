"""Networks that name the distortion and judge quality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model, count_parameters
from jiqa.networks.cnniqa import normalized_patches
from jiqa.networks.gated import Dictionary
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import make_recipe

CONFIGS = {
    "multitask_cnn": ("multitask_cnn", {}),
    "cnniqa_plus": ("cnniqa_plus", {"variant": "plus"}),
    "cnniqa_plus_plus": ("cnniqa_plus", {}),
}
NETWORKS = {
    "multitask_cnn": {"width": 4, "codewords": 4, "hidden": 16},
    "cnniqa_plus": {},
    "cnniqa_plus_plus": {},
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request):
    return Model.create(request.param, types=3, **NETWORKS[request.param])


def test_numbers_of_parameters():
    assert count_parameters("cnniqa_plus", types=5) == 724_901 + 5 * 801
    compact = count_parameters("cnniqa_plus_plus", types=5)
    assert compact == 80 + 3_650 + 12_928 + 66_048 + 513 * 6
    assert compact < 0.12 * count_parameters("cnniqa")  # "nearly 90% fewer"


def test_predictions(model, rng):
    images = photographs(rng, 2, 65, 97, 1)
    shapes = {"score": (2,), "distortion": (2, 3)}
    special = {"features": (2, 16)} if model.network == "multitask_cnn" else {"patches": (2, 6)}
    check_predictions(model, (images,), shapes | special)


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((1, 32, 40, 3), jnp.float32))


def test_small_images_are_an_error(model):
    with pytest.raises(ValueError, match="31"):
        model(jnp.zeros((1, 31, 64, 3)))


def test_it_learns(model, rng):
    name, settings = CONFIGS[model.network]
    recipe = make_recipe(name, side=96, quick=True, **settings)
    assert recipe.network == model.network
    assert len(next(recipe.stages[0].batches)["distortion"]) == recipe.stages[0].batches.batch_size
    images = photographs(rng, 8, 48, 48, 3)
    strength = 0.1 + 0.04 * jnp.arange(4, dtype=jnp.float32)[:, None, None, None]
    noise = strength * jax.random.normal(jax.random.key(1), images[:4].shape, jnp.float32)
    batch = {
        "distorted": images.at[:4].set(jnp.clip(images[:4] + noise, 0, 1)),
        "distortion": jnp.arange(8) // 4,
        "score": jnp.concatenate([1 - 3 * strength.ravel(), jnp.ones(4, jnp.float32)]),
    }
    _, losses = train(model, recipe.stages[0].loss, batch, steps=40, learning_rate=3e-3)
    assert np.mean(losses[-5:]) < 0.4 * losses[0]


def test_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="give 'plus' or 'plus_plus'"):
        make_recipe("cnniqa_plus", side=96, variant="++")


def test_gating_weighs_the_quality_of_each_distortion(rng):
    module = Model.create("multitask_cnn", types=3, width=4, codewords=4).merge()
    result = module(photographs(rng, 2, 64, 64, 3))
    scores = np.asarray(module.quality(result["features"]))
    weights = np.exp(result["distortion"])
    expected = 0.5 + (weights * scores).sum(-1) / weights.sum(-1)
    np.testing.assert_allclose(result["score"], expected, rtol=1e-5)


def test_patches_agree_on_a_distortion_by_the_mean_of_their_probabilities(rng):
    module = Model.create("cnniqa_plus", types=3).merge()
    patches = photographs(rng, 4, 32, 32, 1)
    each = jax.nn.softmax(module(patches[:, None])["distortion"])
    together = module(patches[None])
    np.testing.assert_allclose(jnp.exp(together["distortion"][0]), each.mean(0), rtol=1e-5)
    np.testing.assert_allclose(together["score"][0], together["patches"][0].mean(), rtol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_dictionary_against_loops(rng, training):
    dictionary = Dictionary(3, 5, rngs=nnx.Rngs(0))
    maps = rng.normal(1, 2, (2, 4, 3, 3)).astype(np.float32)
    codewords, sharpness = np.asarray(dictionary.codewords), np.asarray(dictionary.sharpness)
    found = dictionary(jnp.asarray(maps), training=training)
    if training:
        maps = (maps - maps.mean((0, 1, 2))) / np.sqrt(maps.var((0, 1, 2)) + 1e-5)
    expected = np.zeros((2, 5))
    for image, row, column in np.ndindex(2, 4, 3):
        distances = ((maps[image, row, column] - codewords) ** 2).mean(-1)
        shares = np.exp(-sharpness * distances)
        expected[image] += 5 * shares / shares.sum() / 12
    np.testing.assert_allclose(found**2, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose((found**2).mean(-1), 1, rtol=1e-5)


def test_normalization_is_that_of_the_whole_image(rng):
    images = photographs(rng, 1, 64, 64, 1)
    whole = normalized_patches(images)
    alone = normalized_patches(images[:, :32, :32])
    np.testing.assert_allclose(whole[0, 0, :28, :28], alone[0, 0, :28, :28], atol=1e-5)
    assert not np.allclose(whole[0, 0, -1], alone[0, 0, -1], atol=1e-3)
