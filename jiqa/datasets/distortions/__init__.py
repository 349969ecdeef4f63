"""Synthetic distortions of known kind and level, as data to train and test quality metrics on.

    noisy = distort(images, "kadid_white_noise", 3, jax.random.key(0))

All types of KADID-10k, TID2013 and DBCNN's training set, each at five levels, and parts of a
simulated camera; each is a pure function of image, level and key. `compose` applies several by a
`Recipe`, which can be stored and replayed.
"""

import importlib
import pkgutil

from jiqa.datasets.distortions.composition import Recipe, Step, compose, draw_recipe
from jiqa.datasets.distortions.jpeg import jpeg_decoded, quality_scale
from jiqa.datasets.distortions.registry import (
    FAMILIES,
    LEVELS,
    Distortion,
    distort,
    distortion,
    find_distortion,
    list_distortions,
)

__all__ = [
    "FAMILIES",
    "LEVELS",
    "Distortion",
    "Recipe",
    "Step",
    "compose",
    "distort",
    "distortion",
    "draw_recipe",
    "find_distortion",
    "jpeg_decoded",
    "list_distortions",
    "quality_scale",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
