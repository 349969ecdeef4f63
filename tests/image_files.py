"""Small random image files, and what the metrics give for them one pair at a time."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image

from jiqa.core import registry
from jiqa.pairs import Pair, find_pairs

# Eager, batched and sharded evaluation sum in different orders; float32 has 7 digits.
SUMMATION = {"rtol": 2e-6, "atol": 1e-6}


def write_image(path: Path, seed: int, shape: tuple[int, ...] = (24, 20, 3)) -> None:
    """Writes a random image as PNG."""
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_pairs(folder: Path, *shapes: tuple[int, ...]) -> list[Pair]:
    """Writes a pair of unlike images for each shape, into the folders r and d."""
    for seed, shape in enumerate(shapes):
        write_image(folder / f"r/{seed:03d}.png", 2 * seed, shape)
        write_image(folder / f"d/{seed:03d}.png", 2 * seed + 1, shape)
    return find_pairs(folder / "r", folder / "d")


def read(path: Path) -> jnp.ndarray:
    """The image as `[H, W, C]`."""
    image = np.asarray(Image.open(path))
    return jnp.asarray(image if image.ndim == 3 else image[..., None])


def expected(pair: Pair, metric: str) -> float:
    """The score of a pair by the metric's own function."""
    return float(registry.load(metric)(read(pair.reference), read(pair.distorted)))
