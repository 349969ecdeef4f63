"""Photographs, distorted at all levels and measured."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import jiqa
from jiqa.datasets.distortions import distort, find_distortion

PHOTOGRAPHS = (3, 13, 23)
SIZE = (129, 95)  # odd, and a block of 32 pixels fits


def read_photographs(shared_data: Path, size: tuple[int, int] = SIZE) -> jax.Array:
    """Kodak photographs `[3, H, W, 3]`, shrunk to a width and height."""
    folder = shared_data / "data" / "pristine_kodak"
    pictures = [Image.open(folder / f"{n}.png").convert("RGB") for n in PHOTOGRAPHS]
    return jnp.stack([np.asarray(p.resize(size), np.float32) / 255 for p in pictures])


def rgb_psnr(reference: np.ndarray, distorted: np.ndarray) -> np.ndarray:
    """PSNR of each image over all its samples; infinite for equal ones."""
    error = np.mean((np.float64(reference) - np.float64(distorted)) ** 2, axis=(-3, -2, -1))
    with np.errstate(divide="ignore"):
        return -10 * np.log10(error)


@jax.jit
def _measure(reference: jax.Array, distorted: jax.Array) -> tuple[jax.Array, jax.Array]:
    lpips = jiqa.load("lpips_alex")
    return jiqa.ssim(reference, distorted).mean(), lpips(reference, distorted).mean()


def climb(photographs: jax.Array, name: str) -> dict[str, np.ndarray]:
    """Badness by three metrics, in the declared order of severity, and PSNR by level and image."""
    levels = {}
    for level in range(1, 6):
        changed = distort(photographs, name, level, jax.random.key(2))
        assert changed.shape == photographs.shape
        assert changed.dtype == photographs.dtype
        assert bool(jnp.all((changed >= 0) & (changed <= 1))), f"{name} leaves [0, 1]"
        similarity, distance = _measure(photographs, changed)
        psnr = rgb_psnr(photographs, changed)
        levels[level] = -psnr.mean(), -float(similarity), float(distance), psnr
    rungs = [levels[level] for level in find_distortion(name).severity]
    psnr, ssim, lpips = np.array([rung[:3] for rung in rungs]).T
    by_level = np.stack([levels[level][3] for level in range(1, 6)])
    return {"psnr": psnr, "ssim": ssim, "lpips": lpips, "psnr_by_level": by_level}


def check_rising(
    rungs: dict[str, np.ndarray], name: str, exceptions: dict[str, tuple[str, ...]]
) -> None:
    """Every metric but the excepted finds each level worse than the one before."""
    for metric in {"psnr", "ssim", "lpips"} - set(exceptions.get(name, ())):
        assert np.all(np.diff(rungs[metric]) > 0), f"{name} {metric} {rungs[metric]}"
