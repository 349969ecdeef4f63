"""Haar wavelet-based perceptual similarity index.

Reisenhofer, Bosse, Kutyniok and Wiegand, "A Haar wavelet-based perceptual similarity index for
image quality assessment", Signal Processing: Image Communication 61, 2018, in the convention of the
authors' `HaarPSI.m`: unrounded YIQ, halved by a 2 x 2 mean, zero borders.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, similarity
from jiqa.core.color import luma, rgb_to_yiq
from jiqa.core.filters import correlate_separable, downsample_box, uniform_window
from jiqa.core.pyramids import haar_responses
from jiqa.core.registry import image_function, metric

PAPER = "Reisenhofer, Bosse, Kutyniok and Wiegand, "
PAPER += '"A Haar wavelet-based perceptual similarity index for image quality assessment", '
PAPER += "Signal Processing: Image Communication 61, 2018"


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    color="Y, I and Q; luma= compares that alone",
    protocols={"haarpsi_y": {"luma": "matlab"}},
)
def haarpsi(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    constant: float = 30 / 255**2,
    alpha: float = 4.2,
    downsample: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Similarity of Haar wavelet coefficients, weighted by the coarsest of them.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS` to compare brightness alone, or None.
        constant: The paper's C relative to `data_range` squared.
        alpha: Steepness of the logistic function.
        downsample: Whether the images are halved first, as the authors do.
        weights: Further pooling weights `[..., H, W]`, or None; halved with the images.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(haarpsi(image, image).round(6))
    1.0
    """
    similarities, importance = _compare(
        reference, distorted, data_range, luma, constant, downsample
    )
    if weights is not None:
        factor = 2 if downsample else 1
        importance *= pooling.fit_weights(weights, factor, *importance.shape[-3:-1])[..., None]
    total = importance.sum((-3, -2, -1), keepdims=True)
    importance = jnp.where(total > 0, importance, 1)
    mean = (jax.nn.sigmoid(alpha * similarities) * importance).sum((-3, -2, -1))
    mean = mean / importance.sum((-3, -2, -1))
    return (jnp.log(mean / (1 - mean)) / alpha) ** 2


@image_function
def haarpsi_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    constant: float = 30 / 255**2,
    downsample: bool = True,
) -> jax.Array:
    """The local similarity that `haarpsi` pools, before its logistic function; arguments as there.

    Returns:
        `[..., ceil(H / 2), ceil(W / 2)]`, or `[..., H, W]` without down-sampling: the mean over
        orientations (and colour), weighted as in the metric; 1 where the images are alike.

    >>> haarpsi_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (8, 10)
    """
    similarities, importance = _compare(
        reference, distorted, data_range, luma, constant, downsample
    )
    return safe_divide((similarities * importance).sum(-1), importance.sum(-1), fill=1.0)


def _compare(
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    luma_preset: str | None,
    constant: float,
    downsample: bool,
) -> tuple[jax.Array, jax.Array]:
    """Similarity and importance of both orientations, and of colour: `[..., H', W', 2 or 3]`."""
    constant = constant * data_range**2
    pair = [_to_yiq(image, luma_preset, data_range) for image in (reference, distorted)]
    if downsample:
        pair = [downsample_box(image, 2, border="zero") for image in pair]
    x, y = (
        [jnp.abs(jnp.concatenate(scale, -1)) for scale in haar_responses(image[..., :1], 3)]
        for image in pair
    )
    similarities = (similarity(x[0], y[0], constant) + similarity(x[1], y[1], constant)) / 2
    importance = jnp.maximum(x[2], y[2])
    if pair[0].shape[-1] == 3:
        x_chroma, y_chroma = (
            jnp.abs(correlate_separable(image[..., 1:], uniform_window(2), border="zero"))
            for image in pair
        )
        alike = similarity(x_chroma, y_chroma, constant).mean(-1, keepdims=True)
        similarities = jnp.concatenate([similarities, alike], -1)
        importance = jnp.concatenate([importance, importance.mean(-1, keepdims=True)], -1)
    return similarities, importance


def _to_yiq(images: jax.Array, luma_preset: str | None, data_range: float) -> jax.Array:
    """Y, I and Q, or brightness alone."""
    if luma_preset is None and images.shape[-1] == 3:
        return rgb_to_yiq(images)
    return luma(images, luma_preset, data_range=data_range) if luma_preset else images
