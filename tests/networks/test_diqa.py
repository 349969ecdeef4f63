"""DIQA."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate1d

from jiqa.core.filters import imresize
from jiqa.networks import Model, count_parameters
from jiqa.networks.diqa import error_map, saturate, split_bands
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs
from tests.networks.recipes import make_recipe

SMALL = {"widths": (4, 4, 6, 6, 6, 6, 8, 8), "hidden": 8}


@pytest.fixture
def model():
    return Model.create("diqa", **SMALL)


def test_numbers_of_parameters():
    convolutions, draw, judge = 381_200, 128 + 1, (130 + 1) * 128 + 128 + 1
    assert count_parameters("diqa") == convolutions + draw + judge


@pytest.mark.parametrize(("channels", "size"), [(3, (33, 46)), (1, (12, 9))])
def test_predictions(model, rng, channels, size):
    _, images = pairs(rng, 2, *size, channels)
    small = (2, *(-(-side // 4) for side in size))
    check_predictions(model, (images,), {"score": (2,), "map": small, "features": (2, 10)})


def test_gradients_of_constant_images_are_finite(model):
    levels = jnp.array([0.0, 0.5], jnp.float32).reshape(2, 1, 1, 1)
    check_gradients(model, jnp.broadcast_to(levels, (2, 16, 20, 3)))


def test_widths_are_of_eight_convolutions():
    with pytest.raises(ValueError, match="give 8"):
        Model.create("diqa", widths=(4, 4))


def test_bands_are_split_as_in_the_paper(rng):
    image = rng.random((24, 32))
    window = np.exp(-(np.arange(-7, 8) ** 2) / (2 * (7 / 6) ** 2))
    blurred = 255 * image
    for axis in (0, 1):
        blurred = correlate1d(blurred, window / window.sum(), axis, mode="nearest")
    expected = imresize(imresize(jnp.asarray(blurred)[..., None], 0.25), (24, 32))
    low, high = split_bands(jnp.asarray(image)[..., None])
    np.testing.assert_allclose(low, expected, atol=1e-9)
    np.testing.assert_allclose(low + high, 255 * image[..., None])


def test_errors_and_reliability_are_those_of_the_formulas(model, rng):
    reference, distorted = (x.astype(jnp.float64) for x in pairs(rng, 2, 24, 32, 1))
    highs = [np.asarray(split_bands(images)[1]) for images in (reference, distorted)]
    errors = imresize(jnp.asarray(np.abs(highs[0] - highs[1]) ** 0.2), 0.25)[..., 0]
    np.testing.assert_allclose(error_map(reference, distorted), errors, atol=1e-9)
    saturated = 2 / (1 + np.exp(-0.2 * np.abs(highs[1]))) - 1
    np.testing.assert_allclose(saturate(jnp.asarray(highs[1]), 0.2), saturated)
    relative = saturated / saturated.mean((1, 2, 3), keepdims=True)
    expected = imresize(jnp.asarray(relative), 0.25)[..., 0]
    np.testing.assert_allclose(model.merge().reliability(distorted), expected, atol=1e-9)


def test_constant_images_have_no_reliability(model):
    images = jnp.stack([jnp.zeros((16, 16, 3)), jnp.ones((16, 16, 3))])
    assert jnp.abs(model.merge().reliability(images[:1])).max() == 0
    assert jnp.isfinite(model.merge().reliability(images)).all()


def test_two_numbers_are_made_by_hand(model, rng):
    _, images = pairs(rng, 2, 24, 32, 3)
    low, high = split_bands(images)
    expected = [np.asarray(saturate(high, 0.2)).mean((1, 2, 3)), np.std(low, (1, 2, 3)) / 255]
    features = model(images)["features"]
    np.testing.assert_allclose(features[:, -2:], np.stack(expected, -1), rtol=1e-3)


def test_it_learns_errors_and_then_opinion(rng):
    recipe = make_recipe("diqa", side=112, quick=True)
    assert next(recipe.stages[0].batches)["reference"].shape == (16, 112, 112, 3)
    reference, distorted = pairs(rng, 8, 32, 32, 3)
    score = jnp.linspace(1, 0, 8, dtype=jnp.float32)
    batch = {"reference": reference, "distorted": distorted, "score": score}
    model = Model.create("diqa", widths=(8, 8, 12, 12, 12, 12, 24, 24))
    for stage in recipe.stages:
        model, losses = train(model, stage.loss, batch, steps=60, learning_rate=3e-3)
        assert np.mean(losses[-5:]) < 0.5 * losses[0], stage.name
