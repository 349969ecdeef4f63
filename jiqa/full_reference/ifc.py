"""Information fidelity criterion.

Sheikh, Bovik and de Veciana, "An information fidelity criterion for image quality assessment using
natural scene statistics", IEEE Transactions on Image Processing 14(12), 2005, in the convention of
the authors' `ifcvec.m`: the models of `jiqa.full_reference.vif` without noise of the eye. The score
is the information that the distorted image shares with the reference, in bits per pixel.
"""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.color import apply_luma
from jiqa.core.filters import check_least_side
from jiqa.core.registry import image_function, metric
from jiqa.full_reference.vif import LEAST_SIDE, Band, model_bands, spread_bits

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
    weights: jax.Array | None = None,
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
        weights: Weights `[..., H, W]` of the information, averaged over what each block of
            coefficients covers, or None.

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
    for band, shared in _shared_information(x * (255 / data_range), y * (255 / data_range)):
        size = shared.shape[-3:-1]
        fitted = pooling.block_weights(weights, band.block_size, *size, first=band.first)
        bits += pooling.total(shared, fitted)
    return bits.mean(-1) / math.prod(reference.shape[-3:-1])


@image_function
def ifc_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
) -> jax.Array:
    """The information that the images share at each pixel, whose mean is `ifc`; arguments as there.

    Each block of coefficients spreads its bits evenly over the pixels that it covers.

    Returns:
        `[..., H, W]` in bits; 0 in the outermost 9 pixels, where no window fits.

    >>> ifc_map(jnp.zeros((80, 72, 3)), jnp.ones((80, 72, 3))).shape
    (80, 72)
    """
    check_least_side("ifc", reference.shape, LEAST_SIDE)
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    bits = jnp.zeros((), x.dtype)
    for band, shared in _shared_information(x * (255 / data_range), y * (255 / data_range)):
        bits += spread_bits(shared, band.block_size, x.shape, band.first)
    return bits.mean(-1)


def _shared_information(x: jax.Array, y: jax.Array) -> Iterator[tuple[Band, jax.Array]]:
    """The bits that the images share in each block of each band, `[..., H', W', C]`."""
    for band in model_bands(x, y):
        gain, noise = band.channel
        yield band, jnp.log2(1 + gain**2 * band.variance / (noise + LEAST_NOISE)).sum(0)
