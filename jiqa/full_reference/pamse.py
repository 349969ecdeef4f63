"""Perceptual-fidelity aware mean squared error.

Xue, Mou, Zhang and Feng, "Perceptual fidelity aware mean squared error", ICCV 2013, in the
convention of the authors' `PAMSE.m`: the error is smoothed by a Gaussian of deviation 0.8 with
`2 * ceil(3 * sigma) + 1` taps a side, where the window fits into the image, and then squared.
"""

import math

import jax

from jiqa.core import pooling
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, gaussian_window
from jiqa.core.registry import image_function, metric

PAPER = 'Xue, Mou, Zhang and Feng, "Perceptual fidelity aware mean squared error", ICCV 2013'


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, math.inf),
    identical=0,
    paper=PAPER,
    protocols={"pamse_y": {"luma": "matlab"}},
)
def pamse(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    sigma: float = 0.8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean squared error after smoothing, which forgives errors too fine to be seen.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        sigma: Standard deviation of the Gaussian in pixels.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]`, in squared units of the images, from 0.

    Raises:
        ValueError: The image is smaller than the window, 7 x 7 by default.

    >>> import jax.numpy as jnp
    >>> print(pamse(jnp.zeros((8, 8, 3)), jnp.full((8, 8, 3), 0.5)).round(6))
    0.25
    """
    squared_error = _map(reference, distorted, data_range, luma, sigma)
    weights = pooling.fit_weights(weights, 1, *squared_error.shape[-3:-1])
    return pooling.mean(squared_error, weights).mean(-1)


@image_function
def pamse_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    sigma: float = 0.8,
) -> jax.Array:
    """The squared smoothed error, averaged over channels; arguments as in `pamse`.

    Returns:
        `[..., H - 6, W - 6]` for the default `sigma`.

    >>> import jax.numpy as jnp
    >>> pamse_map(jnp.zeros((8, 9, 3)), jnp.ones((8, 9, 3))).shape
    (2, 3)
    """
    return _map(reference, distorted, data_range, luma, sigma).mean(-1)


def _map(
    reference: jax.Array, distorted: jax.Array, data_range: float, luma: str | None, sigma: float
) -> jax.Array:
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    window = gaussian_window(2 * math.ceil(3 * sigma) + 1, sigma)
    return correlate_separable(reference - distorted, window) ** 2
