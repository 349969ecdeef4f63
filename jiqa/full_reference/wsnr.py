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

from jiqa.core.color import apply_luma
from jiqa.core.registry import metric
from jiqa.core.vision import contrast_sensitivity, half_plane
from jiqa.full_reference.pixel import IMAGE_AXES, decibel_ratio

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

    Returns:
        `[...]` in decibel; infinite for equal images unless capped, minus infinity for a black
        reference and any error.

    >>> image = jnp.linspace(0.1, 1, 16 * 16).reshape(16, 16, 1)
    >>> coarse, fine = image.at[:8].add(-0.05), image.at[::2].add(-0.05)
    >>> bool(wsnr(image, coarse) < wsnr(image, fine))
    True
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    height, width = reference.shape[-3:-1]
    spectrum = jnp.fft.rfft2(reference - distorted, axes=(-3, -2))
    sensitivity = jnp.asarray(_half_plane_weights(height, width, nyquist), reference.dtype)
    power = (spectrum.real**2 + spectrum.imag**2) * sensitivity[..., None]
    signal = jnp.sum(reference**2, axis=IMAGE_AXES)
    ratio = decibel_ratio(signal, jnp.sum(power, axis=IMAGE_AXES) / (height * width))
    return ratio if cap is None else jnp.clip(ratio, -cap, cap)


@functools.cache
def _half_plane_weights(height: int, width: int, nyquist: float) -> np.ndarray:
    """Squared sensitivities at the frequencies of `rfft2`, which stand for the others too."""
    weights = 2 * half_plane(contrast_sensitivity(height, width, 2 * nyquist / height) ** 2)
    weights[:, 0] /= 2
    if width % 2 == 0:
        weights[:, -1] /= 2
    return weights
