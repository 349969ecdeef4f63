"""Hallucinated-IQA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model, count_parameters
from jiqa.networks.network import split
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs
from tests.networks.recipes import make_recipe

NARROW = (4, 8, 16)
SMALL = {"widths": NARROW, "discriminator_widths": NARROW, "regressor_widths": (4, 8), "hidden": 16}


@pytest.fixture
def model(rng):
    """Whose generator adds something to images, which it does not before training."""
    model = Model.create("hallucinated", **SMALL)
    last = model.parameters["generator"]["last"]
    last["kernel"] = jnp.asarray(rng.normal(0, 0.1, last["kernel"].shape), jnp.float32)
    return model


@pytest.fixture
def batch(rng):
    reference, distorted = pairs(rng, 6, 32, 32, 3)
    score = jnp.linspace(1, 0, 6, dtype=jnp.float32)
    return {"reference": reference, "distorted": distorted, "score": score}


@pytest.fixture
def recipe():
    return make_recipe("hallucinated", side=64, quick=True)


def test_numbers_of_parameters():
    # Of ResNet-18 all but its last layer, with three more channels at its input.
    regressor = 11_176_512 + 3 * 49 * 64
    generator, discriminator = 7_700_096 + 3 * 65, 2_764_737
    judge = 1025 * 512 + 513
    assert count_parameters("hallucinated") == generator + discriminator + regressor + judge
    without = count_parameters("hallucinated", gan=False, hlf=False)
    assert without == generator + regressor + judge - 512 * 512


@pytest.mark.parametrize(("channels", "flags"), [(3, {}), (1, {"gan": False, "hlf": False})])
def test_predictions(rng, channels, flags):
    _, images = pairs(rng, 2, 33, 46, channels)
    model = Model.create("hallucinated", **SMALL, **flags)
    check_predictions(model, (images,), {"score": (2,), "map": (2, 33, 46)})


def test_gradients_of_constant_images_are_finite(model):
    levels = jnp.array([0.0, 0.5], jnp.float32).reshape(2, 1, 1, 1)
    check_gradients(model, jnp.broadcast_to(levels, (2, 32, 36, 3)))


def test_images_are_compared_with_what_is_imagined(model, rng):
    _, images = pairs(rng, 2, 32, 32, 3)
    module = model.merge()
    imagined, known = module.hallucinate(images)
    assert known.shape == (2, NARROW[-1])
    result = model(images)
    np.testing.assert_allclose(result["map"], jnp.abs(images - imagined).mean(-1), rtol=1e-5)
    score = module.regressor(images, imagined, known)
    np.testing.assert_allclose(result["score"], score, rtol=1e-5)
    assert not np.allclose(score, module.regressor(images, images, known))
    assert not np.allclose(score, module.regressor(images, imagined, 0 * known))


def test_losses_of_the_three_do_not_mix(model, recipe, batch):
    graph, parameters, statistics = split(model.merge())

    def losses(parameters):
        module = nnx.merge(graph, parameters, statistics)
        return recipe.stages[1].loss(module, batch, None)[1]

    trained = {
        "score": "regressor",
        "pixels": "generator",
        "perceptual": "generator",
        "generator": "generator",
        "discriminator": "discriminator",
    }
    gradients = jax.jit(jax.jacrev(losses))(parameters)
    assert set(gradients) == set(trained)
    for name, parts in gradients.items():
        moved = {part for part, tree in parts.items() if any(map(jnp.any, jax.tree.leaves(tree)))}
        assert moved == {trained[name]}, name


def test_what_leads_to_the_right_score_counts_as_real(model, recipe, batch):
    loss = jax.jit(recipe.stages[1].loss)
    module = model.merge()
    imagined, known = module.hallucinate(batch["distorted"], training=True)
    scores = module.regressor(batch["distorted"], imagined, known, training=True)
    of_real, of_imagined = (module.discriminator(x) for x in (batch["reference"], imagined))
    for error, wanted in ((0.05, 1.0), (0.2, 0.0)):
        _, losses = loss(module, {**batch, "score": scores + error}, None)
        expected = ((of_real - 1) ** 2).mean() + ((of_imagined - wanted) ** 2).mean()
        np.testing.assert_allclose(losses["discriminator"], expected / 2, rtol=1e-4)


def test_parts_can_be_left_out(batch):
    flags = {"gan": False, "qp_loss": False, "hlf": False}
    recipe = make_recipe("hallucinated", side=64, quick=True, **flags)
    assert dict(recipe.options) == {**recipe.options, "gan": False, "hlf": False}
    model = Model.create("hallucinated", gan=False, hlf=False, **SMALL)
    for stage, names in zip(recipe.stages, ({"pixels"}, {"pixels", "score"}), strict=True):
        _, losses = stage.loss(model.merge(), batch, None)
        assert set(losses) == names
        stage.optimizer.init(model.parameters)


def test_it_learns(batch, recipe):
    assert next(recipe.stages[0].batches)["reference"].shape == (16, 64, 64, 3)
    model = Model.create("hallucinated", **{**SMALL, "widths": (8, 16, 32)})
    model, losses = train(model, recipe.stages[1].loss, batch, steps=40, learning_rate=5e-3)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    imagined, _ = model.merge().hallucinate(batch["distorted"])
    before, after = (
        np.mean((images - batch["reference"]) ** 2) for images in (batch["distorted"], imagined)
    )
    assert after < before
    assert np.corrcoef(model(batch["distorted"])["score"], batch["score"])[0, 1] > 0.9
