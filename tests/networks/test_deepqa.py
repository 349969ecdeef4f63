"""DeepQA and the network of distortion sensitivity that followed it."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from jiqa.networks import Model, count_parameters
from jiqa.networks.deepqa import log_error, without_low_pass
from jiqa.training.losses import mse
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs

NETWORKS = ("deepqa", "distortion_sensitivity")


@pytest.fixture(params=NETWORKS)
def model(request):
    return Model.create(request.param, width=4)


def test_numbers_of_parameters():
    assert count_parameters("deepqa") == 130_510
    # three encoders, the map that joins them, three convolutions, two that double, the last one
    parts = (3 * (320 + 3 * 9_248), 97 * 128, 3 * 147_584, 2 * (9 * 256 * 128 + 128), 9 * 256 + 1)
    assert count_parameters("distortion_sensitivity") == sum(parts)


def test_predictions(model, rng):
    size = (10, 15) if model.network == "deepqa" else (37, 58)
    shapes = {"score": (2,), "map": (2, *size)}
    check_predictions(model, pairs(rng, 2, 37, 58, 3), shapes)


def test_gray_images_are_their_own_luma(model, rng):
    gray = pairs(rng, 1, 34, 33, 1)
    color = [jnp.repeat(image, 3, -1) for image in gray]
    np.testing.assert_allclose(model(*gray)["score"], model(*color)["score"], rtol=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_gradients_of_constant_and_equal_images_are_finite(model, level):
    image = jnp.full((1, 36, 34, 3), level, jnp.float32)
    check_gradients(model, image, image)


def test_small_images_are_an_error():
    small = jnp.zeros((1, 32, 64, 3))
    with pytest.raises(ValueError, match="at least 33"):
        Model.create("deepqa", width=4)(small, small)


def test_errors_are_as_in_the_paper(rng):
    reference, distorted = rng.random((2, 5, 6, 1))
    for least in (0.1, 1.0):
        squared = (255 * (reference - distorted)) ** 2
        most = np.log(255**2)
        expected = (most - np.log(squared + least)) / (most - np.log(least))
        found = log_error(reference, distorted, least=least)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert (log_error(reference, reference, least=least) == 1).all()


@pytest.mark.parametrize("shape", [(12, 16), (13, 11)])
def test_low_frequencies_are_those_of_a_pyramid(rng, shape):
    """Slowly: filtered in full, then every other pixel; zeros between pixels, then filtered."""
    image = rng.random(shape)
    window = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256

    def blur(x):
        return correlate(x, window, mode="constant")

    half = blur(image)[::2, ::2]
    x = blur(half)[::2, ::2]
    for size in (half.shape, image.shape):
        spread = np.zeros(size)
        spread[::2, ::2] = x
        x = 4 * blur(spread)
    found = without_low_pass(jnp.asarray(image)[None, ..., None])[0, ..., 0]
    np.testing.assert_allclose(found, image - x, atol=1e-12)


def test_the_score_is_of_errors_weighted_by_the_map(rng):
    reference, distorted = pairs(rng, 2, 32, 32, 1)
    model = Model.create("distortion_sensitivity", width=4)
    result = model(reference, distorted)
    error = log_error(reference, distorted, least=0.1)[..., 0]
    np.testing.assert_allclose(result["score"], (result["map"] * error).mean((1, 2)), rtol=1e-5)


def test_scores_can_be_learned_from_the_first_step():
    """Whatever the seed: nothing begins behind a rectifier that lets nothing through."""
    image = jnp.full((1, 36, 36, 1), 0.5, jnp.float32)
    for name in NETWORKS:
        for seed in range(3):
            assert Model.create(name, width=4, seed=seed)(image, image)["score"] > 0


def test_it_learns(model, rng):
    reference, distorted = pairs(rng, 8, 36, 36, 1)
    batch = {"score": jnp.linspace(1, 0, 8, dtype=jnp.float32)}

    def loss(network, batch, rngs):
        return mse(network(reference, distorted, rngs=rngs)["score"], batch["score"]), {}

    steps, rate = (60, 1e-3) if model.network == "deepqa" else (30, 5e-3)
    _, losses = train(model, loss, batch, steps=steps, learning_rate=rate)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
