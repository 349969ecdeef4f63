"""Several distortions of one image, by a recipe that is data."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import AnyArray
from jiqa.datasets.distortions.registry import (
    LEVELS,
    distort,
    find_distortion,
    list_distortions,
)

# What happens to light, then to signals, then to files.
CAMERA_ORDER = ("spatial", "blur", "noise", "color", "tone", "sharpness", "compression")


@dataclass(frozen=True)
class Step:
    """One distortion of a recipe.

    Attributes:
        name: One of `list_distortions()`.
        level: 1 to 5.
        seed: Of its key, 0 to 2^32 - 1.
    """

    name: str
    level: int
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """Distortions in the order in which they are applied.

    >>> recipe = Recipe((Step("kadid_gaussian_blur", 2), Step("kadid_white_noise", 4, seed=7)))
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    >>> print(recipe.severities(["kadid_jpeg", "kadid_white_noise"]))
    [0 4]
    """

    steps: tuple[Step, ...]

    def to_json(self) -> str:
        """The recipe as text."""
        return json.dumps([asdict(step) for step in self.steps])

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The recipe of a text that `to_json` wrote.

        Raises:
            ValueError: The text is no recipe, or names a distortion or level that is not there.
        """
        try:
            steps = tuple(Step(**step) for step in json.loads(text))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"no recipe: {error}; it is a JSON list of objects with name, level and seed."
            ) from error
        for step in steps:
            if find_distortion(step.name) and step.level not in LEVELS:
                raise ValueError(f"{step.name}: level={step.level!r}; levels are 1 to 5.")
        return cls(steps)

    def severities(self, names: Sequence[str]) -> np.ndarray:
        """Labels of the distorted image: the level of each distortion, 0 where it is not in it.

        Args:
            names: Distortions, such as `list_distortions("kadid")`.

        Returns:
            Whole numbers `[len(names)]`.
        """
        levels = {step.name: step.level for step in self.steps}
        return np.array([levels.get(name, 0) for name in names])


def compose(images: AnyArray, recipe: Recipe) -> jax.Array:
    """Applies a recipe.

    Args:
        images: As in `distort`. Integers are rounded after every step, as files are.
        recipe: The distortions.

    Returns:
        The same shape and dtype.

    Raises:
        ValueError, TypeError: As in `distort`.

    >>> image = np.full((16, 16, 3), 128, np.uint8)
    >>> print(compose(image, Recipe((Step("kadid_mean_shift", 2), Step("kadid_jpeg", 1))))[0, 0])
    [147 147 147]
    """
    changed = jnp.asarray(images)
    for step in recipe.steps:
        changed = distort(changed, step.name, step.level, jax.random.key(step.seed))
    return changed


def draw_recipe(
    key: jax.Array,
    *,
    names: Sequence[str] | None = None,
    most: int = 4,
    order: Literal["random", "camera"] = "random",
    decay: float = 2.5,
) -> Recipe:
    """Draws a recipe as Agnolucci, Galteri, Bertini and Del Bimbo did (ARNIQA, WACV 2024).

    One to `most` groups, all numbers alike, are drawn without replacement, one distortion of
    each; small levels are likelier, by a half of a normal curve.

    Args:
        key: A key of `jax.random`.
        names: The distortions to draw from; None is all of KADID-10k.
        most: How many are applied at most, no more than there are groups.
        order: "random", or "camera": in the order of `CAMERA_ORDER`.
        decay: Deviation of the normal curve, in levels.

    Returns:
        The recipe, the same for the same key.

    Raises:
        ValueError: An unknown name or order, or `most` out of range.

    >>> recipe = draw_recipe(jax.random.key(1), order="camera")
    >>> 1 <= len(recipe.steps) <= 4
    True
    """
    groups: dict[str, list[str]] = {}
    for name in list_distortions("kadid") if names is None else names:
        groups.setdefault(find_distortion(name).group, []).append(name)
    if not 1 <= most <= len(groups):
        raise ValueError(f"most={most}; the names have {len(groups)} groups, give 1 to that many.")
    if order not in ("random", "camera"):
        raise ValueError(f"order={order!r} is unknown; use 'random' or 'camera'.")
    # The key seeds NumPy's generator of a fixed algorithm, whose draws need no device.
    rng = np.random.Generator(np.random.Philox(_key_number(key)))
    drawn = list(rng.choice(list(groups), rng.integers(1, most, endpoint=True), replace=False))
    if order == "camera":
        drawn.sort(key=CAMERA_ORDER.index)
    weights = np.exp(-(np.arange(len(LEVELS)) ** 2) / (2 * decay**2))
    return Recipe(
        tuple(
            Step(
                str(rng.choice(groups[group])),
                int(rng.choice(LEVELS, p=weights / weights.sum())),
                int(rng.integers(2**32)),
            )
            for group in drawn
        )
    )


def _key_number(key: jax.Array) -> int:
    """The bits of a key as one number."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    return int.from_bytes(np.asarray(key, np.uint32).tobytes(), "little")
