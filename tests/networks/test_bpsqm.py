"""BPSQM."""

import jax.numpy as jnp
import numpy as np
import pytest

from jiqa import gmsd_map, ssim_map
from jiqa.core.arrays import similarity
from jiqa.core.color import luma
from jiqa.core.filters import gradient_magnitude
from jiqa.networks import Model, count_parameters
from jiqa.networks.bpsqm import sum_up
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs
from tests.networks.recipes import make_recipe

SMALL = {"widths": (4, 8, 16), "hidden": 8}


@pytest.fixture
def model(rng):
    """With a map that is not the same everywhere, as it is before training."""
    model = Model.create("bpsqm", **SMALL)
    kernel = model.parameters["draw"]["last"]["kernel"]
    model.parameters["draw"]["last"]["kernel"] = jnp.asarray(
        rng.standard_normal(kernel.shape), jnp.float32
    )
    return model


def test_numbers_of_parameters():
    draw, judge = 7_700_161, (7 + 1) * 64 + 64 + 1
    assert count_parameters("bpsqm") == draw + judge


@pytest.mark.parametrize(("channels", "size"), [(3, (18, 23)), (1, (4, 5))])
def test_predictions(model, rng, channels, size):
    _, images = pairs(rng, 2, *size, channels)
    check_predictions(model, (images,), {"score": (2,), "map": (2, *size), "features": (2, 7)})


def test_gradients_of_constant_images_are_finite(model):
    levels = jnp.array([0.0, 0.5], jnp.float32).reshape(2, 1, 1, 1)
    check_gradients(model, jnp.broadcast_to(levels, (2, 16, 20, 3)))


def test_maps_are_summed_up_as_documented(rng):
    maps = rng.random((2, 10, 20))
    quarters = maps.reshape(2, 2, 5, 2, 10).mean((2, 4)).reshape(2, 4)
    lowest = np.sort(maps.reshape(2, -1))[:, :20].mean(-1)
    expected = [maps.mean((1, 2)), maps.std((1, 2)), lowest, *quarters.T]
    np.testing.assert_allclose(sum_up(jnp.asarray(maps)[..., None]), np.stack(expected, -1))


@pytest.mark.parametrize("target", ["ssim", "gms", "fsim_g"])
def test_targets_are_maps_of_metrics(rng, target):
    pair = pairs(rng, 2, 20, 24, 3)
    gray = [luma(images, "bt601") for images in pair]
    x, y = (255 * images for images in gray)
    expected = {
        "ssim": jnp.pad(ssim_map(*gray), ((0, 0), (5, 5), (5, 5))),
        "gms": gmsd_map(*gray, downsample=False),
        "fsim_g": similarity(gradient_magnitude(x), gradient_magnitude(y), 160)[..., 0],
    }
    loss = make_recipe("bpsqm", side=144, target=target).stages[0].loss
    found = loss.func.__globals__["TARGETS"][target](*pair)
    inside = (slice(None), slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(found[inside], expected[target][inside], rtol=1e-4)


def test_it_learns_similarity_and_then_opinion(rng):
    recipe = make_recipe("bpsqm", side=64, quick=True)
    assert next(recipe.stages[0].batches)["reference"].shape == (16, 64, 64, 3)
    reference, distorted = pairs(rng, 8, 32, 32, 3)
    score = jnp.linspace(1, 0, 8, dtype=jnp.float32)
    batch = {"reference": reference, "distorted": distorted, "score": score}
    model = Model.create("bpsqm", widths=(8, 16))
    # The map that is the same everywhere is not much worse than those of so small images.
    for stage, left in zip(recipe.stages, (0.75, 0.5), strict=True):
        model, losses = train(model, stage.loss, batch, steps=60, learning_rate=1e-2)
        assert np.mean(losses[-5:]) < left * losses[0], stage.name
