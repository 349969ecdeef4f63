"""Coded images that lost data on their way, and noise in place of invisible detail."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import luma, rgb_to_ycbcr, ycbcr_to_rgb
from jiqa.core.filters import pad_to_multiple, split_blocks
from jiqa.core.pyramids import block_dct, inverse_block_dct
from jiqa.core.vision import JPEG_LUMA_STEPS
from jiqa.datasets.distortions.registry import distortion
from jiqa.datasets.distortions.wavelet import merge_bands, split_bands

BLOCK = 8  # pixels along what JPEG transforms at once
UNIT = 16  # pixels along a unit that JPEG codes at once, with colour at half the resolution
DRIFT = (0.15, 0.08, 0.08)  # deviation of the wrong means of luma and colour differences
WAVELET_LEVELS, CODE_BLOCK = 5, 32
LEAST_TEXTURE = 0.02  # added to the deviation of a block, so that plain ones get a little noise


@distortion(
    "tid",
    12,
    group="compression",
    parameter="number of damaged runs of blocks",
    between=(0.01, 3000.0),
    approximate="damage is drawn: no stream of bits is coded",
)
def jpeg_transmission(image: jax.Array, count: ArrayLike, key: jax.Array) -> jax.Array:
    """Runs of JPEG blocks, up to the end of a row, of wrong brightness and colour or repeated.

    A fraction of a run is a faint one.
    """
    height, width, channels = image.shape
    padded = pad_to_multiple(image, UNIT, "replicate")
    rows, columns = (side // UNIT for side in padded.shape[:2])
    across = np.arange(padded.shape[1])
    count = jnp.asarray(count, image.dtype)

    def damage(i: jax.Array, image: jax.Array) -> jax.Array:
        place, kind, drift = jax.random.split(jax.random.fold_in(key, i), 3)
        row, first = jax.random.randint(place, (2,), 0, jnp.array([rows, columns]))
        band = jax.lax.dynamic_slice(image, (UNIT * row, 0, 0), (UNIT, *image.shape[1:]))
        repeated = jnp.take(band, UNIT * jnp.maximum(first - 1, 0) + across % UNIT, axis=1)
        offset = jnp.asarray(DRIFT, image.dtype) * jax.random.normal(drift, (3,), image.dtype)
        neutral = jnp.asarray([0, 128 / 255, 128 / 255], image.dtype)
        drifted = band + (ycbcr_to_rgb(offset + neutral) if channels == 3 else offset[0])
        wrong = jnp.where(jax.random.bernoulli(kind), repeated, jnp.clip(drifted, 0, 1))
        reached = (across >= UNIT * first)[:, None] * jnp.minimum(count - i, 1)
        band = band + reached.astype(image.dtype) * (wrong - band)
        return jax.lax.dynamic_update_slice(image, band, (UNIT * row, 0, 0))

    damaged = jax.lax.fori_loop(0, jnp.ceil(count).astype(jnp.int32), damage, padded)
    return damaged[:height, :width]


@distortion(
    "tid",
    13,
    group="compression",
    parameter="share of lost blocks",
    between=(1e-3, 1.0),
    differentiable=True,
    approximate="blocks of wavelet coefficients are lost at random: no stream of bits is coded",
)
def jpeg2000_transmission(image: jax.Array, share: ArrayLike, key: jax.Array) -> jax.Array:
    """Blocks of wavelet coefficients that are missing, in luma and colour by themselves."""
    height, width, channels = image.shape
    components = rgb_to_ycbcr(image) if channels == 3 else image
    small = pad_to_multiple(components, 2**WAVELET_LEVELS, "replicate")
    pyramid = []
    for _ in range(WAVELET_LEVELS):
        small, details = split_bands(small)
        pyramid.append(details)
    shapes = [_code_blocks(details[0].shape) for details in pyramid]
    count = 3 * sum(math.prod(shape) for shape in shapes)
    # 1 or 0, and for one of all blocks what is between: so the PSNR can be met.
    left = jnp.clip(count * (jax.random.uniform(key, (count,), image.dtype) - share) + 1, 0, 1)
    for details, shape in zip(reversed(pyramid), reversed(shapes), strict=True):
        now, left = left[: 3 * math.prod(shape)], left[3 * math.prod(shape) :]
        kept = now.reshape(3, *shape).repeat(CODE_BLOCK, 1).repeat(CODE_BLOCK, 2)
        kept = kept[:, : details[0].shape[0], : details[0].shape[1]]
        small = merge_bands(small, tuple(k * d for k, d in zip(kept, details, strict=True)))
    changed = small[:height, :width]
    return ycbcr_to_rgb(changed) if channels == 3 else changed


def _code_blocks(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """How many blocks of coefficients a band `[H, W, C]` has along its axes."""
    return -(-shape[0] // CODE_BLOCK), -(-shape[1] // CODE_BLOCK), shape[2]


@distortion(
    "tid",
    20,
    group="compression",
    parameter="threshold, relative to texture",
    between=(1e-3, 1e3),
    approximate="cosine coefficients below a threshold become noise: no coder is at work",
)
def comfort_noise(image: jax.Array, threshold: ArrayLike, key: jax.Array) -> jax.Array:
    """Luma whose small detail is replaced by noise: more where texture hides it, and fine detail.

    The threshold of a coefficient of a block of 8 x 8 pixels is in proportion to JPEG's step for
    its frequency and to the deviation of the block.
    """
    height, width, _ = image.shape
    brightness = pad_to_multiple(luma(image, "bt601"), BLOCK, "replicate")
    coefficients = block_dct(brightness, BLOCK)
    energy = (coefficients**2).sum((-2, -1), keepdims=True) - coefficients[..., :1, :1] ** 2
    texture = safe_sqrt(energy) / BLOCK + LEAST_TEXTURE
    steps = jnp.asarray(JPEG_LUMA_STEPS / JPEG_LUMA_STEPS[0, 0], image.dtype)
    limit = threshold * texture * steps.at[0, 0].set(0)
    grain = jax.random.uniform(key, brightness.shape, image.dtype, -1, 1)
    noise = limit * split_blocks(grain, BLOCK).reshape(coefficients.shape)
    replaced = jnp.where(jnp.abs(coefficients) < limit, noise, coefficients)
    return image + (inverse_block_dct(replaced) - brightness)[:height, :width]
