"""Mean deviation similarity index.

Ziaei Nafchi, Shahkolaei, Hedjam and Cheriet, "Mean deviation similarity index: efficient and
reliable full-reference image quality evaluator", IEEE Access 4, 2016, in the convention of the
authors' `MDSI.m`: unrounded luma, reduced by `round(min(H, W) / 256)` with a mean filter and zero
borders, Prewitt gradients. Similarities may be negative, and their roots complex.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_power, safe_sqrt, similarity
from jiqa.core.channels import mix_channels, split_channels
from jiqa.core.color import gray_to_rgb, rgb_to_lmn
from jiqa.core.filters import downsample_box, downsampling_factor, gradient_magnitude
from jiqa.core.registry import image_function, metric

PAPER = "Ziaei Nafchi, Shahkolaei, Hedjam and Cheriet, "
PAPER += '"Mean deviation similarity index: efficient and reliable full-reference image quality '
PAPER += 'evaluator", IEEE Access 4, 2016'

GRADIENT_CONSTANTS = (140.0, 55.0)  # c1 and c2 of the paper, for images of 0 to 255
CHROMA_CONSTANT = 550.0  # c3
LUMA_WEIGHTS = (0.2989, 0.5870, 0.1140)  # in the digits of the authors' code
GRADIENT_SHARE = 0.6  # alpha, of the sum
GRADIENT_POWER, CHROMA_POWER = 0.2, 0.1  # gamma and beta, of the product
ROOT = 0.25  # q and o


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 1),
    identical=0,
    paper=PAPER,
    color="luma and two chrominances; grey images are neutral",
    protocols={"mdsi_product": {"combination": "product"}},
)
def mdsi(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    combination: str = "sum",
    downsample: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean deviation of the similarity of gradients and colours.

    The order of the images matters little, but it matters: the gradient similarity compares the
    distorted image with the mean of both, and not the reference.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        combination: "sum" or "product" of the gradient and the colour similarity.
        downsample: Whether the images are reduced by `round(min(H, W) / 256)` first.
        weights: Pooling weights `[..., H, W]`, or None; reduced with the images.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: Unknown combination.

    >>> image = jnp.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)
    >>> print(mdsi(image, image))
    0.0
    """
    structure, chroma = _similarities(reference, distorted, data_range, downsample)
    length, turn = _combine(structure, chroma, combination)
    root = safe_power(length, ROOT)
    parts = root * jnp.cos(ROOT * turn), root * jnp.sin(ROOT * turn)
    factor = downsampling_factor(reference.shape) if downsample else 1
    weights = pooling.fit_weights(weights, factor, *structure.shape[-3:-1])
    deviations = [part - pooling.mean(part, weights)[..., None, None, :] for part in parts]
    deviation = pooling.mean(safe_sqrt(deviations[0] ** 2 + deviations[1] ** 2), weights)
    return safe_power(deviation[..., 0], ROOT)


@image_function
def mdsi_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    combination: str = "sum",
    downsample: bool = True,
) -> jax.Array:
    """The combined similarity whose deviation is `mdsi`; arguments as there.

    Returns:
        `[..., H', W']`, reduced as in `mdsi`; 1 where the images are alike. Of a complex product,
        the real part.

    >>> mdsi_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (15, 20)
    """
    structure, chroma = _similarities(reference, distorted, data_range, downsample)
    length, turn = _combine(structure, chroma, combination)
    return (length * jnp.cos(turn))[..., 0]


def _similarities(
    reference: jax.Array, distorted: jax.Array, data_range: float, downsample: bool
) -> tuple[jax.Array, jax.Array]:
    """Gradient similarity (equations 4 to 7) and chromaticity similarity (equation 9)."""
    factor = downsampling_factor(reference.shape) if downsample else 1
    x, y = (
        downsample_box(gray_to_rgb(image) * (255 / data_range), factor, border="zero")
        for image in (reference, distorted)
    )
    light_x, light_y = map(_luma, (x, y))
    first, second, both = (
        gradient_magnitude(light, "prewitt")
        for light in (light_x, light_y, (light_x + light_y) / 2)
    )
    alone, fused = GRADIENT_CONSTANTS
    structure = similarity(first, second, alone) + (
        similarity(second, both, fused) - similarity(first, both, fused)
    )
    chroma_x, chroma_y = (split_channels(rgb_to_lmn(image), 1, 2)[1] for image in (x, y))
    apart = jnp.sum((chroma_x - chroma_y) ** 2, -1, keepdims=True)
    energy = jnp.sum(chroma_x**2 + chroma_y**2, -1, keepdims=True)
    return structure, 1 - apart / (energy + CHROMA_CONSTANT)


def _luma(images: jax.Array) -> jax.Array:
    return mix_channels(images, np.array([LUMA_WEIGHTS]))


def _combine(
    structure: jax.Array, chroma: jax.Array, combination: str
) -> tuple[jax.Array, jax.Array]:
    """Length and angle of the combined similarity, which may be complex."""
    if combination == "sum":
        combined = GRADIENT_SHARE * structure + (1 - GRADIENT_SHARE) * chroma
        return jnp.abs(combined), math.pi * (combined < 0)
    if combination == "product":
        length = safe_power(jnp.abs(structure), GRADIENT_POWER)
        length = length * safe_power(jnp.abs(chroma), CHROMA_POWER)
        turn = GRADIENT_POWER * (structure < 0) + CHROMA_POWER * (chroma < 0)
        return length, math.pi * turn
    raise ValueError(f"combination={combination!r} is unknown; use sum or product.")
