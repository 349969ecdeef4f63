"""Universal quality index.

Wang and Bovik, "A universal image quality index", IEEE Signal Processing Letters 9(3), 2002: SSIM
without its constants, in a uniform window. Flat windows are then 0 / 0, so the authors' `img_qi.m`
decides case by case whether a window is exactly flat. Sums of squares cannot tell in float32;
variances are built here from differences, which are exactly zero on flat windows.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide
from jiqa.core.color import apply_luma
from jiqa.core.registry import image_function, metric
from jiqa.core.statistics import window_moments

PAPER = 'Wang and Bovik, "A universal image quality index", IEEE Signal Processing Letters 9(3), '
PAPER += "2002"


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-1, 1),
    identical=1,
    paper=PAPER,
    protocols={"uqi_y": {"luma": "matlab"}},
)
def uqi(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    window_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Universal quality index: loss of correlation, luminance and contrast distortion.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        window_size: Side of the square window.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from -1 to 1, 1 for equal images.

    Raises:
        ValueError: The image is smaller than the window.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> float(uqi(image, image))
    1.0
    """
    quality = _quality_map(reference, distorted, data_range, luma, window_size)
    weights = pooling.fit_weights(weights, 1, *quality.shape[-3:-1])
    return pooling.mean(quality, weights).mean(-1)


@image_function
def uqi_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    window_size: int = 8,
) -> jax.Array:
    """The map whose mean is `uqi`, averaged over channels; arguments as there.

    Returns:
        `[..., H - window_size + 1, W - window_size + 1]`.

    >>> uqi_map(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).shape
    (9, 13)
    """
    return _quality_map(reference, distorted, data_range, luma, window_size).mean(-1)


def _quality_map(
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    luma: str | None,
    window_size: int,
) -> jax.Array:
    """Luminance comparison times contrast-structure comparison, each 1 where it is 0 / 0."""
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    moments = window_moments(reference, distorted, window_size)
    mean_square = moments.mean_x**2 + moments.mean_y**2
    luminance = safe_divide(2 * moments.mean_x * moments.mean_y, mean_square, fill=1.0)
    contrast_structure = safe_divide(
        2 * moments.products, moments.squares_x + moments.squares_y, fill=1.0
    )
    # Both windows black on average: the authors' rule makes the whole quality 1.
    return jnp.where(mean_square == 0, 1.0, luminance * contrast_structure)
