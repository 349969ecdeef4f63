"""The random features, images and parameters that goldens.json is about, by NumPy alone."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

SEED = 2015


def features() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features `[120, 16]` and `[90, 16]`, and logits `[50, 12]`."""
    rng = np.random.default_rng(SEED)
    mix = rng.normal(size=(16, 16))
    x = np.exp(0.5 * rng.normal(size=(120, 16))) @ mix
    y = np.exp(0.6 * rng.normal(size=(90, 16))) @ mix + 0.2
    return x, y, 2 * rng.normal(size=(50, 12))


def images() -> list[tuple[str, np.ndarray]]:
    """Images uint8 `[H, W, 3]` with edges: one to enlarge, and one to reduce."""
    rng = np.random.default_rng(SEED)
    found = []
    for name, height, width in (("small", 37, 53), ("large", 347, 620)):
        blocks = rng.integers(0, 256, (height // 5 + 1, width // 5 + 1, 3))
        image = np.kron(blocks, np.ones((5, 5, 1)))[:height, :width]
        noisy = image + rng.normal(0, 20, image.shape)
        found.append((name, noisy.clip(0, 255).astype(np.uint8)))
    return found


def draw(name: str, shape: Sequence[int]) -> np.ndarray:
    """A float32 parameter, such as Mixed_5b.branch1x1.conv.kernel, in the order of axes of jiqa."""
    values = np.random.default_rng([SEED, crc32(name.encode())]).standard_normal(shape, np.float32)
    kind = name.rsplit(".", 1)[-1]
    if kind == "kernel":
        return values * np.float32(np.sqrt(2 / np.prod(shape[:-1])))
    values *= np.float32(0.1)
    return values if kind in ("bias", "mean") else np.exp(values)
