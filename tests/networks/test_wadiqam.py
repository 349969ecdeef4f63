"""DIQaM and WaDIQaM."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks import Model, count_parameters
from jiqa.training.losses import mae
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs

FULL_REFERENCE = ("diqam_fr", "wadiqam_fr", "wadiqam_rr")
NETWORKS = (*FULL_REFERENCE, "diqam_nr", "wadiqam_nr")


@pytest.fixture(params=NETWORKS)
def model(request):
    return Model.create(request.param, width=4)


def given(model, reference, distorted):
    """What the network takes of a pair."""
    return (reference, distorted) if model.network in FULL_REFERENCE else (distorted,)


def test_numbers_of_parameters():
    assert count_parameters("diqam_fr") == 5_499_681
    assert count_parameters("wadiqam_fr") == 6_287_138
    assert count_parameters("diqam_nr") == 4_975_393
    assert count_parameters("wadiqam_nr") == 5_238_562


def test_predictions(model, rng):
    shapes = {"score": (2,), "patches": (2, 6)}
    if model.network.startswith("wa"):
        shapes["weights"] = (2, 6)
    check_predictions(model, given(model, *pairs(rng, 2, 65, 97, 3)), shapes)


def test_gray_images_are_seen_in_color(model, rng):
    images = given(model, *pairs(rng, 1, 32, 32, 1))
    color = [jnp.repeat(image, 3, -1) for image in images]
    np.testing.assert_allclose(model(*images)["score"], model(*color)["score"], rtol=1e-5)


@pytest.mark.parametrize("name", ["wadiqam_rr", "wadiqam_nr"])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_gradients_of_constant_and_equal_images_are_finite(name, level):
    model = Model.create(name, width=4)
    image = jnp.full((1, 2, 32, 32, 3), level, jnp.float32)
    check_gradients(model, *given(model, image, image))


def test_small_images_are_an_error(model):
    small = jnp.zeros((1, 31, 64, 3))
    with pytest.raises(ValueError, match="31 x 64"):
        model(*given(model, small, small))


def test_an_unknown_convention_is_an_error():
    with pytest.raises(ValueError, match="lidq92"):
        Model.create("diqam_fr", convention="port")


def test_scores_are_pooled_as_in_the_paper(rng):
    reference, distorted = pairs(rng, 3, 64, 96, 3)
    model = Model.create("wadiqam_fr", width=4, seed=0)
    result = model(reference, distorted)
    patches, weights = (np.asarray(result[name]) for name in ("patches", "weights"))
    assert weights.min() >= 1e-6
    assert np.ptp(weights) > 0
    pooled = [sum(y * a) / sum(a) for y, a in zip(patches, weights, strict=True)]
    np.testing.assert_allclose(result["score"], pooled, rtol=1e-5)


def test_the_difference_is_of_both_images_vectors(rng):
    reference, distorted = pairs(rng, 2, 32, 32, 3)
    module = Model.create("diqam_fr", width=4).merge()
    of_reference, of_distorted = module.describe(reference), module.describe(distorted)
    vectors = jnp.concatenate([of_distorted - of_reference, of_distorted, of_reference], -1)
    hidden = jax.nn.relu(vectors @ module.quality.first.kernel[...])
    expected = (hidden @ module.quality.second.kernel[...])[..., 0].mean(1)
    np.testing.assert_allclose(module(reference, distorted)["score"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("convention", "count"), [("paper", 6), ("deepiqa", 6), ("lidq92", 6), ("lidq92_exact", 2)]
)
def test_conventions_cut_images_differently(rng, convention, count):
    height, width = (64, 96) if convention == "lidq92_exact" else (70, 100)
    convention = convention.removesuffix("_exact")
    _, image = pairs(rng, 1, height, width, 3)
    model = Model.create("diqam_nr", width=4, convention=convention)
    assert model(image)["patches"].shape == (1, count)
    top, left = (3, 2) if convention == "paper" else (0, 0)
    patch = image[:, None, top : top + 32, left : left + 32]
    np.testing.assert_allclose(model(patch)["score"], model(image)["patches"][:, 0], rtol=1e-4)


def test_pixels_of_the_authors_script_are_up_to_255(rng):
    _, image = pairs(rng, 1, 32, 32, 3)
    paper, script = (Model.create("diqam_nr", width=4, convention=c) for c in ("paper", "deepiqa"))
    np.testing.assert_allclose(script(image)["score"], paper(255 * image)["score"], rtol=1e-5)


def test_the_reduced_reference_is_a_few_numbers_a_patch(rng):
    reference, distorted = pairs(rng, 2, 32, 64, 3)
    model = Model.create("wadiqam_rr", width=4, numbers=5)
    module = model.merge()
    sent = module.send(reference)
    assert sent.shape == (2, 2, 5)
    received = module.receive(sent, distorted)["score"]
    np.testing.assert_allclose(received, model(reference, distorted)["score"])


def test_dropout_is_of_training_alone(rng):
    images = pairs(rng, 2, 32, 32, 3)
    module = Model.create("wadiqam_fr", width=4).merge()
    first, second = (module(*images, rngs=nnx.Rngs(seed))["score"] for seed in (0, 1))
    assert not jnp.allclose(first, second)


@pytest.mark.parametrize("name", ["wadiqam_fr", "diqam_nr"])
def test_it_learns(rng, name):
    model = Model.create(name, width=4)
    images = [x.reshape(8, 1, 32, 32, 3) for x in pairs(rng, 8, 32, 32, 3)]
    batch = {"images": given(model, *images), "score": jnp.linspace(1, 0, 8, dtype=jnp.float32)}

    def loss(network, batch, rngs):
        return mae(network(*batch["images"], rngs=rngs)["score"], batch["score"]), {}

    trained, _ = train(model, loss, batch, steps=60, learning_rate=3e-3)
    before, after = (loss(m.merge(), batch, None)[0] for m in (model, trained))
    assert after < 0.3 * before
