"""Quantisation: fewer colours with dither, and fewer levels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from jiqa.core.arrays import pass_through
from jiqa.datasets.distortions.registry import distortion
from jiqa.datasets.distortions.rounding import on_host, to_bytes

MOST_THRESHOLDS = 20
PALETTE = "boxes of least variance, not MATLAB's"
PALETTE_BITS = 5


@distortion(
    "kadid",
    6,
    group="color",
    parameter="number of colours",
    levels=(64, 48, 32, 16, 8),
    host_side=True,
    approximate=PALETTE,
)
@distortion(
    "dbcnn",
    7,
    group="color",
    parameter="number of colours",
    levels=(64, 32, 16, 8, 4),
    host_side=True,
    approximate=PALETTE,
)
def color_quantization(image: jax.Array, colors: ArrayLike) -> jax.Array:
    """A palette of few colours, the error diffused to neighbours (Floyd and Steinberg)."""
    return on_host(_dither, image, colors)


@distortion(
    "tid",
    22,
    group="color",
    parameter="one over the number of colours",
    between=(1 / 256, 1 / 2),
    host_side=True,
    approximate=PALETTE,
)
def palette_dither(image: jax.Array, fineness: ArrayLike) -> jax.Array:
    """A palette of few colours, the error diffused to neighbours.

    The number of colours is whole, so that the level's PSNR is met as nearly as the next number
    allows; TID2013's own images differ from it by up to a decibel.
    """
    return on_host(_dither, image, 1 / jnp.asarray(fineness))


def _dither(levels: np.ndarray, colors: float) -> np.ndarray:
    pixels = np.broadcast_to(levels, (*levels.shape[:2], 3))
    picture = Image.new("P", (1, 1))
    picture.putpalette(least_variance_palette(pixels, round(colors)).tobytes())
    dithered = Image.fromarray(pixels).quantize(palette=picture, dither=Image.Dither.FLOYDSTEINBERG)
    return np.asarray(dithered.convert("RGB"))[..., : levels.shape[-1]]


def least_variance_palette(pixels: np.ndarray, colors: int) -> np.ndarray:
    """Colours that stand for those of an image, by cutting boxes that vary most.

    Wan, Prusinkiewicz and Wong, "Variance-based color image quantization for frame buffer display",
    Color Research and Application 15(1), 1990: of all boxes the one with the largest sum of squared
    differences is cut, across its most varied channel, where least remains.

    Args:
        pixels: uint8 `[..., 3]`.
        colors: How many there are at most.

    Returns:
        uint8 `[N, 3]`, N at most `colors`.

    >>> pixels = np.array([[0, 0, 0], [0, 0, 0], [250, 9, 9], [255, 9, 9]], np.uint8)
    >>> least_variance_palette(pixels, 2)
    array([[  0,   0,   0],
           [252,   9,   9]], dtype=uint8)
    """
    flat = pixels.reshape(-1, 3).astype(float)
    cells = (pixels.reshape(-1, 3) >> (8 - PALETTE_BITS)).astype(int)
    cells = cells @ (1 << np.arange(3) * PALETTE_BITS)
    _, cell, weight = np.unique(cells, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(cell, channel) for channel in flat.T], 1) / weight[:, None]
    boxes = [_Box(np.arange(len(weight)), mean, weight)]
    while len(boxes) < colors:
        widest = max(boxes, key=lambda box: box.variation.max())
        if widest.variation.max() == 0:
            break
        boxes.remove(widest)
        boxes += [_Box(part, mean, weight) for part in widest.cut(mean, weight)]
    return np.stack([box.center for box in boxes]).round().astype(np.uint8)


class _Box:
    """Colours by their indices, with their weighted mean and variation along each channel."""

    def __init__(self, members: np.ndarray, colors: np.ndarray, weight: np.ndarray) -> None:
        self.members = members
        chosen, share = colors[members], weight[members, None]
        self.center = (share * chosen).sum(0) / share.sum()
        self.variation = (share * (chosen - self.center) ** 2).sum(0)

    def cut(self, colors: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Members on either side of the cut after which the channel varies least."""
        channel = self.variation.argmax()
        order = self.members[np.argsort(colors[self.members, channel], kind="stable")]
        count = np.cumsum(weight[order])
        total = np.cumsum(weight[order] * colors[order, channel])
        left, right = count[:-1], count[-1] - count[:-1]
        between = total[:-1] ** 2 / left + (total[-1] - total[:-1]) ** 2 / right
        place = between.argmax() + 1
        return order[:place], order[place:]


@distortion(
    "kadid",
    22,
    group="tone",
    parameter="number of thresholds",
    levels=(20, 16, 13, 10, 7),
    differentiable=True,
    approximate="the best thresholds are found; those of published images are more even",
)
def quantization(image: jax.Array, thresholds: ArrayLike) -> jax.Array:
    """Few levels, between the thresholds of Otsu for all channels together.

    With thresholds t1 to tL, what is below t1 becomes 0, what is above tL becomes 1, and what lies
    between t(i-1) and ti becomes ti.
    """
    count = jnp.asarray(thresholds, jnp.int32)
    levels = to_bytes(image)
    cuts = otsu_thresholds(levels, count)
    which = (levels[..., None] >= cuts).sum(-1)
    values = jnp.where(jnp.arange(MOST_THRESHOLDS + 1) == count, 255, jnp.append(cuts, 255))
    values = values.at[0].set(0)
    return pass_through((values[which] / 255).astype(image.dtype), image)


def otsu_thresholds(levels: jax.Array, count: jax.Array) -> jax.Array:
    """The thresholds between which levels vary least, found exactly by dynamic programming.

    Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems,
    Man, and Cybernetics 9(1), 1979, for several thresholds.

    Args:
        levels: Whole numbers from 0 to 255, of any shape.
        count: Number of thresholds, 1 to 20; it may be traced.

    Returns:
        `[20]`, rising: a level belongs to the class above a threshold that it reaches. Those after
        the first `count` are 256. Of equally good ones the lowest are given.

    >>> print(otsu_thresholds(jnp.array([10, 11, 200, 201]), 1)[:2])
    [ 12 256]
    """
    places = jnp.arange(256, dtype=jnp.float32)
    histogram = jnp.zeros_like(places).at[levels.ravel()].add(1) / levels.size
    weight, mass = (
        jnp.pad(jnp.cumsum(moment), (1, 0)) for moment in (histogram, histogram * places)
    )
    total = weight[None] - weight[:, None]
    spread = mass[None] - mass[:, None]
    # What levels from row (inclusive) to column (exclusive) add to the variance between classes.
    gain = jnp.where(total > 0, spread**2 / jnp.where(total > 0, total, 1), 0)
    gain = jnp.where(jnp.arange(257)[:, None] < jnp.arange(257), gain, -jnp.inf)

    def extend(best: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        longer = best[:, None] + gain
        return longer.max(0), longer.argmax(0).astype(jnp.int32)

    _, cuts = jax.lax.scan(extend, gain[0], None, MOST_THRESHOLDS)

    def back(end: jax.Array, i: jax.Array) -> tuple[jax.Array, jax.Array]:
        cut = jnp.where(i < count, cuts[i, end], 256)
        return cut, cut

    _, found = jax.lax.scan(back, jnp.int32(256), jnp.arange(MOST_THRESHOLDS), reverse=True)
    return found


@distortion(
    "tid",
    7,
    group="tone",
    parameter="step",
    between=(0.01, 2.0),
    differentiable=True,
    approximate="steps are uniform",
)
def uniform_quantization(image: jax.Array, step: ArrayLike) -> jax.Array:
    """Every sample becomes the middle of its step."""
    step = jnp.asarray(step, image.dtype)
    return pass_through((jnp.floor(image / step) + 0.5) * step, image)
