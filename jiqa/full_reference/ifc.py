"""Information fidelity criterion.

Sheikh, Bovik and de Veciana, "An information fidelity criterion for image quality assessment using
natural scene statistics", IEEE Transactions on Image Processing 14(12), 2005, in the convention of
the authors' `ifcvec.m`: the models of `jiqa.full_reference.vif` without noise of the eye. The score
is the information that the distorted image shares with the reference, in bits per pixel.
"""

import math

import jax
import jax.numpy as jnp

from jiqa.core.color import apply_luma
from jiqa.core.filters import check_least_side
from jiqa.core.registry import metric
from jiqa.full_reference.vif import LEAST_SIDE, model_bands

PAPER = 'Sheikh, Bovik and de Veciana, "An information fidelity criterion for image quality '
PAPER += 'assessment using natural scene statistics", IEEE TIP 14(12), 2005'

LEAST_NOISE = 1e-10  # the authors' addition to the variance of the channel's noise


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, math.inf),
    identical=None,
    paper=PAPER,
    protocols={"ifc_y": {"luma": "matlab"}},
)
def ifc(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
) -> jax.Array:
    """Information that the distorted image shares with the reference.

    Equal images share an infinite amount in the paper, and in the authors' code one that depends
    on the image, since it adds 1e-10 to the variance of the noise; so no value is declared for
    them. The order of the images matters.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.

    Returns:
        `[...]` from 0, in bits per pixel; 0 where the reference is flat. In float32 what nearly
        equal images share is limited by rounding.

    Raises:
        ValueError: The shorter side is below 72 pixels.

    >>> image = jnp.sin(jnp.arange(72 * 72.0) ** 1.1).reshape(72, 72, 1) / 2 + 0.5
    >>> coarse = jnp.round(4 * image) / 4
    >>> bool(0 < ifc(image, jnp.round(image)) < ifc(image, coarse))
    True
    """
    check_least_side("ifc", reference.shape, LEAST_SIDE)
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    bits = jnp.zeros((), x.dtype)
    for variance, channel in model_bands(x * (255 / data_range), y * (255 / data_range)):
        shared = jnp.log2(1 + channel.gain**2 * variance / (channel.noise + LEAST_NOISE))
        bits = bits + shared.sum((0, -3, -2))
    return bits.mean(-1) / math.prod(reference.shape[-3:-1])
