"""Exposure: how near pixels are to the middle of the range, and how many are clipped.

Mertens, Kautz and Van Reeth, "Exposure fusion", Pacific Graphics 2007, weighs pixels by their
well-exposedness; its mean is the usual number for a single image.
"""

import jax
import jax.numpy as jnp

from jiqa.core import color, pooling
from jiqa.core.registry import image_function, metric

PAPER = 'Mertens, Kautz and Van Reeth, "Exposure fusion", Pacific Graphics 2007'


@metric(
    kind="no_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=None,
    paper=PAPER,
    color="product over channels; luma= converts first",
)
def well_exposedness(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    sigma: float = 0.2,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean over pixels of a Gaussian around mid-gray, multiplied over channels.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        sigma: Standard deviation of the Gaussian relative to the range.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` in [0, 1]; 1 where all is mid-gray.

    >>> float(well_exposedness(jnp.full((4, 4, 3), 0.5)))
    1.0
    """
    return pooling.mean(_exposedness(image, data_range, luma, sigma), weights)[..., 0]


@image_function
def well_exposedness_map(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None, sigma: float = 0.2
) -> jax.Array:
    """The well-exposedness of each pixel; arguments as in `well_exposedness`.

    Returns:
        `[..., H, W]` in [0, 1].

    >>> well_exposedness_map(jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _exposedness(image, data_range, luma, sigma)[..., 0]


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(0, 1),
    identical=None,
    paper=PAPER,
    color="any channel counts; luma= converts first",
    differentiable=False,
)
def clipped_share(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    margin: float = 0.5 / 255,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The share of pixels that are black or white in a channel, so that detail is lost.

    Args:
        image: As in `well_exposedness`.
        data_range: As in `well_exposedness`.
        luma: As in `well_exposedness`.
        margin: Distance from the ends of the range, relative to it, that counts as the end.
        weights: As in `well_exposedness`.

    Returns:
        `[...]` in [0, 1]; lower is better.

    >>> float(clipped_share(jnp.array([0.0, 0.25, 0.75, 1.0]).reshape(2, 2, 1)))
    0.5
    """
    return pooling.mean(_clipped(image, data_range, luma, margin), weights)[..., 0]


@image_function
def clipped_share_map(
    image: jax.Array, *, data_range: float = 1.0, luma: str | None = None, margin: float = 0.5 / 255
) -> jax.Array:
    """1 at pixels that are clipped, else 0; arguments as in `clipped_share`.

    Returns:
        `[..., H, W]`.

    >>> clipped_share_map(jnp.array([0.0, 0.5]).reshape(1, 2, 1)).tolist()
    [[1.0, 0.0]]
    """
    return _clipped(image, data_range, luma, margin)[..., 0]


def _clipped(image: jax.Array, data_range: float, luma: str | None, margin: float) -> jax.Array:
    """1 where any channel is clipped, `[..., H, W, 1]`."""
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    clipped = (image < margin * data_range) | (image > (1 - margin) * data_range)
    return jnp.any(clipped, axis=-1, keepdims=True).astype(image.dtype)


def _exposedness(image: jax.Array, data_range: float, luma: str | None, sigma: float) -> jax.Array:
    """Equation of section 3.1, `[..., H, W, 1]`."""
    if luma is not None:
        image = color.luma(image, luma, data_range=data_range)
    distance = jnp.sum((image / data_range - 0.5) ** 2, axis=-1, keepdims=True)
    return jnp.exp(-distance / (2 * sigma**2))
