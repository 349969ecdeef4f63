"""Configs: plain Python files with a function `recipe(data, **settings) -> Recipe`."""

import ast
import difflib
import inspect
import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jiqa.training.recipe import Recipe


def load_config(path: Path | str) -> Callable[..., Recipe]:
    """The function `recipe` of a config.

    Raises:
        ValueError: The file has none.
        FileNotFoundError: There is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such config.")
    recipe = runpy.run_path(str(path)).get("recipe")
    if not callable(recipe):
        raise ValueError(f"{path}: a config has a function recipe(data, ...).")
    return recipe


def parse_settings(recipe: Callable[..., Recipe], texts: Sequence[str]) -> dict[str, Any]:
    """Settings of a recipe, given as name=value.

    Args:
        recipe: Of a config; its keyword arguments are what can be set.
        texts: Such as "epochs=10". Values are Python's; what is none is a string.

    Raises:
        ValueError: No such setting, or one without a value.

    >>> def recipe(data, *, epochs=40, quick=False): ...
    >>> parse_settings(recipe, ["epochs=3", "quick=True"])
    {'epochs': 3, 'quick': True}
    """
    known = list_settings(recipe)
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise ValueError(f"{text!r} is no setting; give name=value, with {', '.join(near)}.")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def list_settings(recipe: Callable[..., Recipe]) -> Mapping[str, Any]:
    """What can be set, with defaults."""
    parameters = inspect.signature(recipe).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
