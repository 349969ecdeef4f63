"""Deep visual attention."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jiqa
from jiqa.networks import Model, count_parameters
from jiqa.networks.attention import saliency
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs
from tests.networks.recipes import make_recipe


@pytest.fixture
def model():
    return Model.create("dva", narrow=32)


def doubling(*widths):
    """Parameters of transposed convolutions of 4 x 4 pixels, and of the last one of 3 x 3."""
    steps = sum((16 * i + 1) * o for i, o in itertools.pairwise(widths))
    return steps + 9 * widths[-1] + 1


def test_numbers_of_parameters():
    trunk, fusion = 14_714_688, 9 * 3 + 1
    decoders = doubling(512, 512, 256, 128, 64) + doubling(512, 256, 128, 64)
    assert count_parameters("dva") == trunk + decoders + doubling(256, 128, 64) + fusion


@pytest.mark.parametrize(("channels", "size"), [(3, (33, 46)), (1, (16, 5))])
def test_predictions(model, rng, channels, size):
    _, images = pairs(rng, 2, *size, channels)
    check_predictions(model, (images,), {"score": (2,), "map": (2, *size)})


def test_gradients_of_constant_images_are_finite(model):
    levels = jnp.array([0.0, 0.5], jnp.float32).reshape(2, 1, 1, 1)
    check_gradients(model, jnp.broadcast_to(levels, (2, 16, 20, 3)))


def test_three_depths_are_fused(model, rng):
    _, images = pairs(rng, 1, 16, 32, 3)
    module = model.merge()
    predictions = module.predict(images)
    assert predictions.shape == (1, 16, 32, 4)
    np.testing.assert_allclose(predictions[..., 3:], module.fuse(predictions[..., :3]), rtol=1e-6)
    expected = jax.nn.sigmoid(predictions[..., 3])
    np.testing.assert_allclose(model(images)["map"], expected, rtol=1e-6)
    np.testing.assert_allclose(model(images)["score"], expected.mean((1, 2)), rtol=1e-6)


def test_it_weighs_other_metrics(model, rng):
    reference, distorted = (x.reshape(2, 2, 20, 24, 3) for x in pairs(rng, 4, 20, 24, 3))
    find = saliency(model)
    weights = find(reference)
    assert weights.shape == (2, 2, 20, 24)
    for metric in ("psnr", "ssim"):
        weighted = jiqa.salient_region(metric, saliency=find)(reference, distorted)
        expected = getattr(jiqa, metric)(reference, distorted, weights=weights)
        np.testing.assert_allclose(weighted, expected, rtol=1e-5)


def test_it_learns_a_saliency(rng):
    recipe = make_recipe("dva", side=96, quick=True, target="graph_based")
    assert next(recipe.stages[0].batches)["distorted"].shape == (8, 96, 96, 3)
    # A bright spot on noise, somewhere: nothing of the place can be known before.
    images = 0.1 * rng.random((6, 32, 32, 3))
    for image, (top, left) in zip(images, rng.integers(0, 24, (6, 2)), strict=True):
        image[top : top + 8, left : left + 8] = 1
    images = jnp.asarray(images, jnp.float32)
    loss = recipe.stages[0].loss
    model = Model.create("dva", narrow=16)
    model, losses = train(model, loss, {"distorted": images[:4]}, steps=60, learning_rate=1e-3)
    assert losses[-1] < losses[0]
    wanted, found = (
        np.asarray(maps).ravel()
        for maps in (jiqa.core.saliency.graph_based(images[4:]), model(images[4:])["map"])
    )
    center = np.asarray(jiqa.core.saliency.center_prior(images[4:])).ravel()
    assert np.corrcoef(wanted, found)[0, 1] > max(0.5, np.corrcoef(wanted, center)[0, 1])
