"""Weighted signal-to-noise ratio.

Damera-Venkata, Kite, Geisler, Evans and Bovik, "Image quality assessment based on a degradation
model", IEEE Transactions on Image Processing 9(4), 2000, with the contrast sensitivity of Mannos
and Sakrison, "The effects of a visual fidelity criterion on the encoding of images", IEEE
Transactions on Information Theory 20(4), 1974, made lower along the diagonals by Mitsa and Varkur,
ICASSP 1993. The convention is that of `wsnr_new_modified.m` of the toolbox MeTriX MuX, with its
peculiarities: frequencies are half a sample off zero, both axes are scaled by the number of rows,
and the signal is not weighted. Its luma is not rounded.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.color import apply_luma
from jiqa.core.registry import image_function, metric
from jiqa.core.vision import contrast_sensitivity, half_plane
from jiqa.full_reference.pixel import decibel_ratio

PAPER = 'Damera-Venkata, Kite, Geisler, Evans and Bovik, "Image quality assessment based on a '
PAPER += 'degradation model", IEEE TIP 9(4), 2000'


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-math.inf, math.inf),
    identical=math.inf,
    paper=PAPER,
    color="all channels in one sum; luma= converts first",
    protocols={"wsnr_y": {"luma": "bt601"}},
    loss_options={"cap": 100.0},
)
def wsnr(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    nyquist: float = 60.0,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Signal-to-noise ratio with the error weighted by the eye's contrast sensitivity.

    The order matters: the signal is that of the reference.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        nyquist: The highest vertical frequency of the images in cycles per degree of visual angle,
            half the pixels per degree.
        cap: The highest value returned, and its negative the lowest; None is none.
        weights: Weights `[..., H, W]` of the squared signal and of the map, or None.

    Returns:
        `[...]` in decibel; infinite for equal images unless capped, minus infinity for a black
        reference and any error.

    >>> image = jnp.linspace(0.1, 1, 16 * 16).reshape(16, 16, 1)
    >>> coarse, fine = image.at[:8].add(-0.05), image.at[::2].add(-0.05)
    >>> bool(wsnr(image, coarse) < wsnr(image, fine))
    True
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    error = reference - distorted
    if weights is None:
        noise = _mean_power(error, nyquist)
    else:
        noise = pooling.mean(_seen(error, nyquist) ** 2, weights)
    ratio = decibel_ratio(pooling.mean(reference**2, weights).sum(-1), noise.sum(-1))
    return ratio if cap is None else jnp.clip(ratio, -cap, cap)


@image_function
def wsnr_error_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    nyquist: float = 60.0,
) -> jax.Array:
    """The square of what the eye's contrast sensitivity leaves of the error; see `wsnr`.

    Returns:
        `[..., H, W]`, averaged over channels, in squared units of the images; its mean is the
        noise of `wsnr`.

    >>> wsnr_error_map(jnp.zeros((9, 10, 3)), jnp.ones((9, 10, 3))).shape
    (9, 10)
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    return (_seen(reference - distorted, nyquist) ** 2).mean(-1)


def _mean_power(error: jax.Array, nyquist: float) -> jax.Array:
    """The mean of the squared `_seen` error, by Parseval's theorem, `[..., C]`."""
    height, width = error.shape[-3:-1]
    spectrum = jnp.fft.rfft2(error, axes=(-3, -2))
    half = _half_plane_power(height, width, nyquist)
    stands_for = np.full(half.shape[1], 2.0)  # itself and the opposite frequency
    stands_for[[0, -1] if width % 2 == 0 else 0] = 1
    share = jnp.asarray(half * stands_for / (height * width) ** 2, error.dtype)[..., None]
    return pooling.total((spectrum.real**2 + spectrum.imag**2) * share)


def _seen(error: jax.Array, nyquist: float) -> jax.Array:
    """The error behind the filter of contrast sensitivity, `[..., H, W, C]`."""
    height, width = error.shape[-3:-1]
    response = jnp.asarray(np.sqrt(_half_plane_power(height, width, nyquist)), error.dtype)
    spectrum = jnp.fft.rfft2(error, axes=(-3, -2)) * response[..., None]
    return jnp.fft.irfft2(spectrum, (height, width), axes=(-3, -2))


@functools.cache
def _half_plane_power(height: int, width: int, nyquist: float) -> np.ndarray:
    """Squared sensitivities at the frequencies of `rfft2`, as means over opposite frequencies."""
    return half_plane(contrast_sensitivity(height, width, 2 * nyquist / height) ** 2)
