"""Spatial: jitter, displaced patches, coarse pixels and blocks of one colour."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.core.filters import check_least_side
from jiqa.datasets.distortions.registry import distortion

PASSES = 5
PATCH = 16  # side of the patches of KADID-10k, which move by up to half of it
TID_PATCH, TID_DISTANCE = 15, 5
BLOCK = 32


@distortion(
    "kadid",
    19,
    group="spatial",
    parameter="deviation in pixels",
    levels=(0.05, 0.1, 0.2, 0.5, 1),
    differentiable=True,
    approximate="published images differ from their references by 2 to 6 dB more",
)
def jitter(image: jax.Array, deviation: ArrayLike, key: jax.Array) -> jax.Array:
    """Every pixel is taken from a random place near it, five times over."""
    height, width, _ = image.shape
    grid = jnp.asarray(np.indices((height, width)), image.dtype)

    def move(image: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        offsets = deviation * jax.random.normal(key, grid.shape, image.dtype)
        return sample(image, grid + offsets), None

    # A loop, since XLA would compute each pass anew for every sample that the next takes of it.
    return jax.lax.scan(move, image, jax.random.split(key, PASSES))[0]


def sample(image: jax.Array, places: jax.Array) -> jax.Array:
    """An image at fractional places, by bilinear interpolation; its border is replicated.

    Args:
        image: `[H, W, C]`.
        places: Rows and columns, `[2, ...]`.

    Returns:
        `[..., C]`.

    >>> print(sample(jnp.arange(4.0).reshape(2, 2, 1), jnp.array([0.5, 0.5])))
    [1.5]
    """
    height, width, _ = image.shape
    rows, columns = (
        jnp.clip(place, 0, side - 1) for place, side in zip(places, (height, width), strict=True)
    )
    top, left = jnp.floor(rows).astype(jnp.int32), jnp.floor(columns).astype(jnp.int32)
    bottom, right = jnp.minimum(top + 1, height - 1), jnp.minimum(left + 1, width - 1)
    down, across = (rows - top)[..., None], (columns - left)[..., None]
    upper = (1 - across) * image[top, left] + across * image[top, right]
    lower = (1 - across) * image[bottom, left] + across * image[bottom, right]
    return (1 - down) * upper + down * lower


@distortion(
    "kadid",
    20,
    group="spatial",
    parameter="number of patches",
    levels=(20, 40, 60, 80, 100),
)
def non_eccentricity_patch(image: jax.Array, count: ArrayLike, key: jax.Array) -> jax.Array:
    """Patches of 16 x 16 pixels, copied to a place at most 8 pixels away."""
    check_least_side("kadid_non_eccentricity_patch", image.shape, PATCH)

    def draw_move(key: jax.Array) -> jax.Array:
        return jax.random.randint(key, (2,), -(PATCH // 2), PATCH // 2 + 1)

    return _displace(image, count, key, PATCH, draw_move)


@distortion(
    "tid",
    14,
    group="spatial",
    parameter="number of patches",
    between=(0.05, 3000.0),
)
def displaced_patches(image: jax.Array, count: ArrayLike, key: jax.Array) -> jax.Array:
    """Patches of 15 x 15 pixels, copied 5 pixels away; a fraction of a patch is a faint one."""
    check_least_side("tid_displaced_patches", image.shape, TID_PATCH)

    def draw_move(key: jax.Array) -> jax.Array:
        sides = TID_DISTANCE * jnp.array([[0, 1], [1, 0], [0, -1], [-1, 0]])
        return sides[jax.random.randint(key, (), 0, 4)]

    return _displace(image, count, key, TID_PATCH, draw_move)


def _displace(
    image: jax.Array,
    count: ArrayLike,
    key: jax.Array,
    size: int,
    draw_move: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Copies random squares, each by a move that is drawn; a fraction of one is a faint one."""
    spots, moves = jax.random.split(key)
    count = jnp.asarray(count, image.dtype)

    def paste(i: jax.Array, image: jax.Array) -> jax.Array:
        spot = _spot(jax.random.fold_in(spots, i), image.shape, size)
        move = draw_move(jax.random.fold_in(moves, i))
        return _paste(image, spot, move, size, jnp.minimum(count - i, 1))

    return jax.lax.fori_loop(0, jnp.ceil(count).astype(jnp.int32), paste, image)


def _spot(key: jax.Array, shape: tuple[int, ...], size: int) -> jax.Array:
    """A random top left corner of a square within an image."""
    return jax.random.randint(key, (2,), 0, jnp.array([side - size + 1 for side in shape[:2]]))


def _paste(
    image: jax.Array, spot: jax.Array, move: jax.Array, size: int, opacity: jax.Array
) -> jax.Array:
    """Copies a square to another place, which is kept within the image."""
    shape = (size, size, image.shape[-1])
    patch = jax.lax.dynamic_slice(image, (*spot, 0), shape)
    target = jnp.clip(spot + move, 0, jnp.array([side - size for side in image.shape[:2]]))
    below = jax.lax.dynamic_slice(image, (*target, 0), shape)
    return jax.lax.dynamic_update_slice(image, below + opacity * (patch - below), (*target, 0))


@distortion(
    "kadid",
    21,
    group="spatial",
    parameter="strength",
    levels=(0.01, 0.05, 0.1, 0.2, 0.5),
    differentiable=True,
)
def pixelate(image: jax.Array, strength: ArrayLike) -> jax.Array:
    """Fewer pixels, 0.95 - strength^0.6 along each side, by MATLAB's `imresize(..., 'nearest')`.

    Severity hardly changes from level 1 to 4, as the nearest pixel is up to one away at any scale.
    """
    scale = 0.95 - jnp.asarray(strength, image.dtype) ** 0.6
    for axis in (0, 1):
        length = image.shape[axis]
        coarse = jnp.ceil(length * scale)
        cell = jnp.floor((np.arange(length) + 0.5) * coarse / length)
        nearest = jnp.floor((cell + 0.5) / scale).astype(jnp.int32)
        image = jnp.take(image, jnp.clip(nearest, 0, length - 1), axis)
    return image


@distortion(
    "kadid",
    23,
    group="spatial",
    parameter="number of blocks",
    levels=(2, 4, 6, 8, 10),
)
def color_block(image: jax.Array, count: ArrayLike, key: jax.Array) -> jax.Array:
    """Blocks of 32 x 32 pixels, each of a random colour."""
    check_least_side("kadid_color_block", image.shape, BLOCK)

    def draw_color(key: jax.Array, mean: jax.Array) -> jax.Array:
        return jax.random.uniform(key, mean.shape, mean.dtype)

    return _paint_blocks(image, count, key, draw_color)


@distortion(
    "tid",
    15,
    group="spatial",
    parameter="offset of the blocks' colour",
    between=(1e-3, 30.0),
    variants=(2, 4, 8, 16, 32),
    severity=(5, 4, 3, 2, 1),
    approximate="blocks are the local mean with a random offset",
)
def local_blocks(
    image: jax.Array, offset: ArrayLike, key: jax.Array, variant: ArrayLike
) -> jax.Array:
    """Constant blocks of 32 x 32 pixels: more of them, and fainter, at higher levels.

    The PSNR hardly changes, and observers prefer many faint blocks to few strong ones.
    """
    check_least_side("tid_local_blocks", image.shape, BLOCK)

    def draw_color(key: jax.Array, mean: jax.Array) -> jax.Array:
        return jnp.clip(mean + offset * jax.random.normal(key, mean.shape, mean.dtype), 0, 1)

    return _paint_blocks(image, variant, key, draw_color)


def _paint_blocks(
    image: jax.Array,
    count: ArrayLike,
    key: jax.Array,
    draw_color: Callable[[jax.Array, jax.Array], jax.Array],
) -> jax.Array:
    """Paints random squares in colours that are drawn, given the mean of what was there."""
    spots, colors = jax.random.split(key)
    shape = (BLOCK, BLOCK, image.shape[-1])

    def paint(i: jax.Array, image: jax.Array) -> jax.Array:
        spot = _spot(jax.random.fold_in(spots, i), image.shape, BLOCK)
        mean = jax.lax.dynamic_slice(image, (*spot, 0), shape).mean((0, 1))
        color = draw_color(jax.random.fold_in(colors, i), mean)
        return jax.lax.dynamic_update_slice(image, jnp.broadcast_to(color, shape), (*spot, 0))

    return jax.lax.fori_loop(0, jnp.asarray(count, jnp.int32), paint, image)
