"""Several distortions at once."""

from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.datasets.distortions import Recipe, Step
from jiqa.datasets.distortions.registry import Group
from jiqa.networks import Model
from jiqa.networks.several import GROUPS, group_targets
from jiqa.training.configs import load_config
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions
from tests.networks.recipes import CONFIGS


@pytest.fixture(scope="module")
def model():
    return Model.create("several", groups=("blur", "noise"), width=4, hidden=16, dropout=0.0)


@pytest.fixture(scope="module")
def config():
    """What the config defines."""
    return load_config(CONFIGS / "several.py").__globals__


def test_groups_are_those_of_the_distortions():
    assert set(GROUPS) == set(get_args(Group))


def test_predictions(model, rng):
    images = photographs(rng, 2, 33, 50, 1)
    shapes = {"score": (2,), "distortion": (2, 2), "severity": (2, 2), "features": (2, 120)}
    check_predictions(model, (images,), shapes)


def test_targets_of_an_untouched_image_are_zero():
    present, severity = group_targets([])
    assert present.shape == severity.shape == (7,)
    assert not present.any()
    assert not severity.any()


def test_wrong_input_is_an_error(model):
    with pytest.raises(ValueError, match="'haze' is not among the groups, blur, noise"):
        group_targets([("haze", 1)])
    with pytest.raises(ValueError, match="both sides must be at least 32"):
        model(jnp.zeros((1, 31, 64, 3)))


def test_gradients_of_black_images_are_finite(model):
    check_gradients(model, jnp.zeros((1, 32, 32, 3), jnp.float32))


def test_targets_are_those_of_the_recipe(config):
    steps = (Step("kadid_gaussian_blur", 2), Step("kadid_lens_blur", 4), Step("kadid_jpeg", 1))
    found = config["targets"]({"extra": {"recipe": Recipe(steps).to_json()}})
    expected = {"blur": 0.8, "compression": 0.2}
    assert dict(zip(GROUPS, found["severity"].round(3).tolist(), strict=True)) == {
        group: pytest.approx(expected.get(group, 0)) for group in GROUPS
    }
    np.testing.assert_array_equal(found["present"], found["severity"] > 0)
    with pytest.raises(ValueError, match="there is no recipe"):
        config["targets"]({"extra": {}})


def test_it_learns_two_distortions_at_once(config, model, rng):
    present = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2, np.float32)
    batch = {
        "distorted": photographs(rng, 8, 32, 32, 3),
        "present": jnp.asarray(present),
        "severity": jnp.asarray(present * np.linspace(0.2, 1, 8, dtype=np.float32)[:, None]),
        "score": jnp.asarray(1 - present.mean(-1)),
    }
    trained, losses = train(model, config["loss"], batch, steps=60, learning_rate=1e-2)
    assert np.mean(losses[-5:]) < 0.2 * losses[0]
    assert trained.options["groups"] == ("blur", "noise")
