"""Features of images that nobody trained: natural scenes, frequencies, texture, appearance.

For networks that learn beside them, and for methods that learn from nothing else. All take images
`[B, H, W, C]` in [0, 1], C 1 or 3, and describe luma at full and at half size, but for colour.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_log, to_float
from jiqa.core.color import gray_to_rgb, rgb_to_opponent, to_levels
from jiqa.core.filters import check_window_fits, gradient_magnitude, imresize
from jiqa.core.pyramids import block_dct
from jiqa.core.statistics import fit_ggd, scene_statistics

BLOCK = 8  # pixels, of cosine transforms
LEAST_SIDE = 2 * BLOCK
BANDS = 3  # of frequencies, from coarse to fine
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  # in a circle


def describe_images(images: jax.Array) -> dict[str, jax.Array]:
    """All features by kind.

    Args:
        images: `[B, H, W, C]` in [0, 1], at least 16 x 16.

    Returns:
        "spatial" `[B, 36]`, "frequency" `[B, 12]`, "texture" `[B, 20]`, which has no gradient, and
        "appearance" `[B, 10]`.

    Raises:
        ValueError: Images are too small.

    >>> {kind: x.shape[-1] for kind, x in describe_images(jnp.zeros((1, 20, 30, 3))).items()}
    {'spatial': 36, 'frequency': 12, 'texture': 20, 'appearance': 10}
    """
    check_window_fits(images.shape, LEAST_SIDE, LEAST_SIDE)
    images = to_float(images)  # for half precision would blur statistics
    levels = to_levels(images, "bt601", data_range=1.0)
    scales = (levels, imresize(levels, 0.5))
    kinds = {"spatial": spatial, "frequency": frequency, "texture": texture}
    found = {
        kind: jnp.concatenate([describe(scale) for scale in scales], -1)
        for kind, describe in kinds.items()
    }
    return {**found, "appearance": jnp.concatenate([*map(contrast, scales), color(images)], -1)}


def spatial(levels: jax.Array) -> jax.Array:
    """Statistics of natural scenes, `[B, 18]` of luma `[B, H, W, 1]` on 0 to 255.

    Those of Mittal, Moorthy and Bovik, "No-reference image quality assessment in the spatial
    domain", IEEE TIP 21(12), 2012; see `jiqa.no_reference.brisque`.
    """
    return scene_statistics(levels, nearest=False)[..., 0, :]


def frequency(levels: jax.Array) -> jax.Array:
    """Shape and logarithm of the strength of cosine coefficients in three bands, `[B, 6]`.

    After Saad, Bovik and Charrier, "Blind image quality assessment: a natural scene statistics
    approach in the DCT domain", IEEE TIP 21(8), 2012, who fit each block by itself.
    """
    height, width = (side // BLOCK * BLOCK for side in levels.shape[-3:-1])
    coefficients = block_dct(levels[..., :height, :width, :], BLOCK)
    order = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
    limits = np.linspace(0, order.max(), BANDS + 1)
    features = []
    for low, high in itertools.pairwise(limits):
        inside = (order > low) & (order <= high)
        fit = fit_ggd(coefficients[..., inside], axis=(-4, -3, -1), nearest=False)
        features += [fit.shape, safe_log(1 + fit.deviation)]
    return jnp.concatenate(features, -1)


def texture(levels: jax.Array) -> jax.Array:
    """Shares of local binary patterns, `[B, 10]`, the same however an image is turned.

    Ojala, Pietikäinen and Mäenpää, "Multiresolution gray-scale and rotation invariant texture
    classification with local binary patterns", IEEE TPAMI 24(7), 2002: eight neighbours are at
    least as bright as the pixel or not. Where that changes at most twice around it, the pattern is
    the number of these; all others are one pattern. The neighbours are pixels, not interpolated.
    """
    levels = jnp.round(levels)[..., 0]
    height, width = levels.shape[-2:]
    centre = levels[..., 1:-1, 1:-1]
    brighter = jnp.stack(
        [
            levels[..., 1 + down : height - 1 + down, 1 + right : width - 1 + right] >= centre
            for down, right in NEIGHBOURS
        ]
    )
    changes = (brighter != jnp.roll(brighter, 1, 0)).sum(0)
    pattern = jnp.where(changes <= 2, brighter.sum(0), len(NEIGHBOURS) + 1)
    patterns = jnp.arange(len(NEIGHBOURS) + 2)
    return (pattern[..., None] == patterns).mean((-3, -2), dtype=levels.dtype)


def contrast(levels: jax.Array) -> jax.Array:
    """Mean and deviation of luma's gradients, and deviation of luma, on 0 to 1: `[B, 3]`."""
    slopes = gradient_magnitude(levels / 255, border="replicate")
    features = [pooling.mean(slopes), pooling.standard_deviation(slopes)]
    return jnp.concatenate([*features, pooling.standard_deviation(levels / 255)], -1)


def color(images: jax.Array) -> jax.Array:
    """Mean and deviation of red against green and of yellow against blue, `[B, 4]`.

    What Hasler and Süsstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003, make
    one number of, with another scale.
    """
    opponents = rgb_to_opponent(gray_to_rgb(images))[..., :2]
    return jnp.concatenate([pooling.mean(opponents), pooling.standard_deviation(opponents)], -1)
