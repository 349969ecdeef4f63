"""Denoising of noisy images, and images reconstructed from few samples."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import safe_divide
from jiqa.core.color import RGB_TO_OPPONENT, rgb_to_opponent
from jiqa.core.filters import pad_to_multiple
from jiqa.core.pyramids import block_dct, inverse_block_dct
from jiqa.datasets.distortions.blur import smooth
from jiqa.datasets.distortions.noise import white_noise
from jiqa.datasets.distortions.registry import distortion

SIZE = 8  # of blocks
THRESHOLD = 2.7  # deviations of the noise below which a coefficient is removed
GRIDS = np.array(list(itertools.product(range(0, SIZE, 2), repeat=2)))

# Of filling in missing pixels: means of falling widths in pixels, then falling thresholds.
DEVIATIONS, LITTLE = (16.0, 4.0, 1.0), 0.01
FILL_THRESHOLDS = np.geomspace(0.5, 0.02, len(GRIDS))
ORDER = 7 * np.arange(len(GRIDS)) % len(GRIDS)  # grids of two rounds on end lie apart


def threshold_grid(image: jax.Array, shift: jax.Array, threshold: ArrayLike) -> jax.Array:
    """Removes small coefficients of the cosine transform of blocks of 8 x 8 pixels.

    Args:
        image: `[H, W, C]`, both sides multiples of 8; it is taken as periodic.
        shift: Rows and columns by which the grid of blocks is moved, `[2]`.
        threshold: Coefficients below it, but for the mean, become 0; it may be traced.

    Returns:
        The same shape.

    >>> noise = jax.random.normal(jax.random.key(0), (32, 32, 1))
    >>> bool(jnp.std(threshold_grid(noise, jnp.array([0, 4]), 3.0)) < 0.3)
    True
    """
    coefficients = block_dct(jnp.roll(image, -shift, (0, 1)), SIZE)
    kept = jnp.where(jnp.abs(coefficients) >= threshold, coefficients, 0)
    kept = kept.at[..., 0, 0].set(coefficients[..., 0, 0])
    return jnp.roll(inverse_block_dct(kept), shift, (0, 1))


def remove_noise(image: jax.Array, deviation: ArrayLike) -> jax.Array:
    """The mean over shifted grids of thresholded cosine transforms, each channel by itself.

    Yu and Sapiro, "DCT image denoising: a simple and effective image denoising algorithm", Image
    Processing On Line 1, 2011, with every second grid.

    Args:
        image: `[H, W, C]`.
        deviation: Of the noise; it may be traced.

    Returns:
        The same shape.

    >>> noise = jax.random.normal(jax.random.key(0), (24, 30, 1))
    >>> bool(jnp.std(remove_noise(noise, 1.0)) < 0.3)
    True
    """
    height, width, _ = image.shape
    padded = jnp.pad(image, ((SIZE, SIZE), (SIZE, SIZE), (0, 0)), mode="symmetric")
    padded = pad_to_multiple(padded, SIZE, "replicate")

    def add(total: jax.Array, shift: jax.Array) -> tuple[jax.Array, None]:
        return total + threshold_grid(padded, shift, THRESHOLD * deviation), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(padded), jnp.asarray(GRIDS))
    return (total / len(GRIDS))[SIZE : SIZE + height, SIZE : SIZE + width]


@distortion(
    "kadid",
    15,
    group="noise",
    parameter="variance of the noise",
    levels=(0.01, 0.03, 0.05, 0.1, 0.15),
    differentiable=True,
    approximate="the denoiser thresholds cosine transforms; KADID-10k's is the network DnCNN",
)
def denoise(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """White noise, clipped, and what a denoiser of each channel leaves of it."""
    deviation = jnp.sqrt(jnp.asarray(variance, image.dtype))
    return remove_noise(jnp.clip(white_noise(image, variance, key), 0, 1), deviation)


@distortion(
    "tid",
    9,
    group="noise",
    parameter="variance of the noise",
    between=(1e-5, 3.0),
    differentiable=True,
    approximate="the denoiser thresholds cosine transforms; TID2013's is BM3D for colour",
)
def denoise_color(image: jax.Array, variance: ArrayLike, key: jax.Array) -> jax.Array:
    """White noise, and what a denoiser of opponent colours leaves of it."""
    deviation = jnp.sqrt(jnp.asarray(variance, image.dtype))
    noisy = white_noise(image, variance, key)
    if image.shape[-1] == 1:
        return remove_noise(noisy, deviation)
    clean = remove_noise(rgb_to_opponent(noisy), deviation)
    rotation = jnp.asarray(RGB_TO_OPPONENT, image.dtype)  # orthonormal: its transpose turns back
    return jnp.einsum("hwo,oc->hwc", clean, rotation, precision="highest")


@distortion(
    "tid",
    24,
    group="spatial",
    parameter="share of pixels that are missing",
    between=(1e-3, 0.999),
    approximate="random pixels are kept, and iterated thresholds fill in the others",
)
def sparse_sampling(image: jax.Array, missing: ArrayLike, key: jax.Array) -> jax.Array:
    """An image reconstructed from few of its pixels.

    Missing pixels start as means of near ones, then small coefficients of cosine transforms are
    removed and known pixels put back in turn, the threshold falling.
    """
    height, width, _ = image.shape
    kept = jax.random.uniform(key, (height, width, 1), image.dtype) >= missing
    mask = kept.astype(image.dtype)
    guess = safe_divide((image * mask).sum((0, 1)), mask.sum())
    for deviation in DEVIATIONS:  # where few pixels are known, coarser means count
        total, weight = (
            smooth(x, deviation, jnp.inf, most=int(3 * deviation), border="symmetric")
            for x in (image * mask, mask)
        )
        guess = (total + LITTLE * guess) / (weight + LITTLE)
    known = jnp.concatenate([jnp.where(kept, image, guess), mask], -1)
    padded = pad_to_multiple(known, SIZE, "replicate")
    start, fixed = padded[..., :-1], padded[..., -1:] > 0

    def fill(filled: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        return jnp.where(fixed, start, threshold_grid(filled, *step)), None

    steps = jnp.asarray(GRIDS[ORDER]), jnp.asarray(FILL_THRESHOLDS, image.dtype)
    filled, _ = jax.lax.scan(fill, start, steps)
    return filled[:height, :width]
