"""Gradient magnitude similarity deviation.

Xue, Zhang, Mou and Bovik, "Gradient magnitude similarity deviation: a highly efficient perceptual
image quality index", IEEE Transactions on Image Processing 23(2), 2014, in the convention of the
authors' `GMSD.m`: luma rounded as MATLAB does, halved by a 2 x 2 mean, Prewitt gradients with zero
borders, and the standard deviation that divides by N - 1.
"""

import math

import jax

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import gradient_smoothing
from jiqa.core.registry import image_function, metric
from jiqa.kernels.gradient_similarity import (
    GradientSimilarity,
    gradient_similarity,
    similarity_map,
)

PAPER = 'Xue, Zhang, Mou and Bovik, "Gradient magnitude similarity deviation", IEEE TIP 23(2), 2014'


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 1),
    identical=0,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
)
def gmsd(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    operator: str = "prewitt",
    constant: float = 170 / 255**2,
    downsample: bool = True,
    weights: jax.Array | None = None,
    implementation: str | None = None,
) -> jax.Array:
    """Standard deviation of the similarity of gradient magnitudes.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        operator: Gradient operator: "prewitt" as the authors, "scharr" or "sobel".
        constant: The paper's c (T in the authors' code) relative to `data_range` squared.
        downsample: Whether the images are halved first, as the authors do.
        weights: Pooling weights `[..., H, W]`, or None; halved with the images.
        implementation: A kernel of `jiqa.kernels.forms.FORMS`, or None for the platform's best.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: Unknown operator or implementation.

    >>> import jax.numpy as jnp
    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(gmsd(image, image))
    0.0
    >>> bool(gmsd(image, image**2) < gmsd(image, image.at[::3, ::2].set(1.0)))
    True
    """
    pair = _prepare(reference, distorted, data_range, luma, downsample)
    weights = pooling.fit_weights(weights, 2 if downsample else 1, *pair[0].shape[-3:-1])
    _, variance = gradient_similarity(
        *pair,
        make_gradient_similarity(operator, constant * data_range**2),
        weights=weights,
        implementation=implementation,
    )
    count = math.prod(pair[0].shape[-3:-1])
    return safe_sqrt(variance * (count / max(count - 1, 1))).mean(-1)


@image_function
def gmsd_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    operator: str = "prewitt",
    constant: float = 170 / 255**2,
    downsample: bool = True,
) -> jax.Array:
    """The gradient magnitude similarity whose deviation is `gmsd`; arguments as there.

    Returns:
        `[..., ceil(H / 2), ceil(W / 2)]`, or `[..., H, W]` without down-sampling; 1 where the
        gradients are alike.

    >>> import jax.numpy as jnp
    >>> gmsd_map(jnp.zeros((15, 20, 3)), jnp.ones((15, 20, 3))).shape
    (8, 10)
    """
    pair = _prepare(reference, distorted, data_range, luma, downsample)
    similarity = make_gradient_similarity(operator, constant * data_range**2)
    return similarity_map(*pair, similarity).mean(-1)


def make_gradient_similarity(operator: str, constant: float) -> GradientSimilarity:
    """What the kernel needs for a named operator.

    Args:
        operator: As in `gmsd`.
        constant: In squared units of the images.

    Raises:
        ValueError: Unknown operator.

    >>> make_gradient_similarity("prewitt", 170.0).constant
    170.0
    """
    return GradientSimilarity(tuple(gradient_smoothing(operator).tolist()), constant)


def _prepare(
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    luma: str | None,
    downsample: bool,
) -> tuple[jax.Array, jax.Array]:
    """What is compared of both images: their luma, halved."""
    return apply_luma(luma, reference, distorted, data_range=data_range, halve=downsample)
