"""Multi-scale structural similarity.

Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment",
Asilomar 2003, in the convention of the authors' `msssim.m`: five scales, each a 2 x 2 mean with
symmetric border and every second sample of the one before, so that odd sizes keep their last row.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_power
from jiqa.core.color import apply_luma
from jiqa.core.filters import downsample_box
from jiqa.core.registry import metric
from jiqa.full_reference.ssim import make_similarity, make_window
from jiqa.kernels.precision import compute_dtype
from jiqa.kernels.ssim_statistics import ssim_statistics

PAPER = 'Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality '
PAPER += 'assessment", Asilomar 2003'

# The exponents of the paper, from the finest scale to the coarsest.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    reads_any_dtype=True,
    protocols={"ms_ssim_y": {"luma": "matlab"}},
)
def ms_ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    scale_weights: Sequence[float] = SCALE_WEIGHTS,
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    weights: jax.Array | None = None,
    implementation: str | None = None,
) -> jax.Array:
    """Structural similarity over several scales.

    The mean contrast-structure of every scale and the mean SSIM of the coarsest, each to the power
    of its scale's weight, multiplied. A negative mean, as anti-correlated images give, has no real
    power: it counts as 0, with zero gradient, and so makes the score 0 (the authors' code returns a
    complex number). There is no map: scales are multiplied after pooling; `ssim_map` shows one.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        scale_weights: Exponents from the finest scale to the coarsest; their number is the number
            of scales.
        window: "gaussian" or "uniform".
        window_size: Taps along each side.
        sigma: Standard deviation of the Gaussian in pixels.
        k1: First constant of SSIM.
        k2: Second constant of SSIM.
        weights: Pooling weights `[..., H, W]`, or None; reduced with the images.
        implementation: As in `jiqa.ssim`.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    Raises:
        ValueError: The shorter side is below `window_size * 2 ** (scales - 1)` pixels, 176 by
            default: the authors' limit.

    >>> image = jnp.linspace(0, 1, 176 * 176).reshape(176, 176, 1)
    >>> print(ms_ssim(image, image).round(6))
    1.0
    """
    check_scales("ms_ssim", reference.shape, len(scale_weights), window_size)
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    comparison = make_similarity(make_window(window, window_size, sigma), k1, k2, data_range)
    score = jnp.ones((), compute_dtype(reference.dtype))
    for scale, exponent in enumerate(scale_weights):
        size = (reference.shape[-3] - window_size + 1, reference.shape[-2] - window_size + 1)
        statistics = ssim_statistics(
            reference,
            distorted,
            comparison,
            weights=pooling.fit_weights(weights, 1, *size),
            implementation=implementation,
        )
        coarsest = scale == len(scale_weights) - 1
        pooled = statistics.ssim if coarsest else statistics.contrast_structure
        score = score * safe_power(pooled, exponent)
        reference, distorted = downsample_box(reference, 2), downsample_box(distorted, 2)
        weights = pooling.halve_weights(weights)
    return score.mean(-1)


def check_scales(name: str, shape: tuple[int, ...], scales: int, window_size: int) -> None:
    """Raises ValueError where images `[..., H, W, C]` are too small for a multi-scale metric.

    >>> check_scales("ms_ssim", (100, 300, 3), 5, 11)
    Traceback (most recent call last):
    ValueError: ms_ssim: images are 100 x 300 pixels; 5 scales with a window of 11 need at least \
176 a side. Use larger images, fewer scale_weights or a smaller window_size.
    """
    least = window_size * 2 ** (scales - 1)
    if min(shape[-3:-1]) < least:
        raise ValueError(
            f"{name}: images are {shape[-3]} x {shape[-2]} pixels; {scales} scales with a window "
            f"of {window_size} need at least {least} a side. Use larger images, fewer "
            "scale_weights or a smaller window_size."
        )
