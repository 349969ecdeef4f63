"""Recipes are data: drawn from a key, stored, replayed and read as labels."""

import json

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jiqa.datasets.distortions import (
    Recipe,
    Step,
    compose,
    distort,
    draw_recipe,
    find_distortion,
    list_distortions,
)
from jiqa.datasets.distortions.composition import CAMERA_ORDER

RECIPE = Recipe((Step("kadid_darken", 2), Step("kadid_white_noise", 4, 11), Step("kadid_jpeg", 3)))


def test_a_recipe_is_its_steps_in_turn(rng):
    image = rng.random((24, 20, 3)).astype(np.float32)
    expected = distort(image, "kadid_darken", 2)
    expected = distort(expected, "kadid_white_noise", 4, jax.random.key(11))
    expected = distort(expected, "kadid_jpeg", 3)
    assert_array_equal(compose(image, RECIPE), expected)
    assert_array_equal(compose(image, Recipe(())), image)


def test_a_stored_recipe_gives_the_same_image(rng, tmp_path):
    image = (255 * rng.random((24, 20, 3))).astype(np.uint8)
    path = tmp_path / "recipe.json"
    path.write_text(RECIPE.to_json())
    assert json.loads(path.read_text())[1] == {"name": "kadid_white_noise", "level": 4, "seed": 11}
    assert_array_equal(compose(image, Recipe.from_json(path.read_text())), compose(image, RECIPE))


def test_labels():
    names = list_distortions("kadid")
    labels = RECIPE.severities(names)
    assert labels.sum() == 9
    assert labels[names.index("kadid_white_noise")] == 4


@pytest.mark.parametrize("order", ["random", "camera"])
def test_drawn_recipes(order):
    recipes = [draw_recipe(jax.random.key(seed), order=order) for seed in range(200)]
    assert recipes[3] == draw_recipe(jax.random.key(3), order=order)
    assert len(set(recipes)) > 190
    counts = np.bincount([len(recipe.steps) for recipe in recipes], minlength=5)
    assert counts[0] == 0
    assert np.all(counts[1:] > 30)  # all numbers of distortions are alike, 50 of 200
    levels = np.bincount([step.level for recipe in recipes for step in recipe.steps])[1:]
    # exp(-i^2 / 12.5) for i = 0 to 4, of their sum
    expected = levels.sum() * np.array([0.293, 0.270, 0.213, 0.143, 0.081])
    assert np.all(np.abs(levels - expected) < 4 * np.sqrt(expected))
    for recipe in recipes:
        groups = [find_distortion(step.name).group for step in recipe.steps]
        assert len(set(groups)) == len(groups)
        if order == "camera":
            assert groups == sorted(groups, key=CAMERA_ORDER.index)


def test_drawing_from_given_names():
    names = ["tid_jpeg_tables", "tid_white_noise"]
    recipe = draw_recipe(jax.random.key(0), names=names, most=2)
    assert {step.name for step in recipe.steps} <= set(names)
    assert draw_recipe(jax.random.PRNGKey(0), names=names, most=2) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "no recipe"),
        ('[{"kind": "jpeg"}]', "no recipe"),
        ('[{"name": "kadid_jpg", "level": 1, "seed": 0}]', "did you mean kadid_jpeg"),
        ('[{"name": "kadid_jpeg", "level": 9, "seed": 0}]', "levels are 1 to 5"),
    ],
)
def test_texts_that_are_no_recipes(text, message):
    with pytest.raises(ValueError, match=message):
        Recipe.from_json(text)


def test_wrong_options():
    with pytest.raises(ValueError, match="most=9"):
        draw_recipe(jax.random.key(0), most=9)
    with pytest.raises(ValueError, match="order='best' is unknown"):
        draw_recipe(jax.random.key(0), order="best")
