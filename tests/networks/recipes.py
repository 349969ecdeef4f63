"""Recipes of configs, on a few made-up images."""

from pathlib import Path

from jiqa.training import Data, Recipe
from jiqa.training.configs import load_config
from tests.training.small_run import make_items

CONFIGS = Path(__file__).parents[2] / "configs"


def make_recipe(name: str, *, side: int, **settings) -> Recipe:
    """What a config says of 16 images of noise, of `side` pixels."""
    return load_config(CONFIGS / f"{name}.py")(Data.of(make_items(16, side)), **settings)
