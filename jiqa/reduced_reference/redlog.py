"""Reduced reference by the entropy of wavelet coefficients of locally weighted gradients (REDLOG).

Golestaneh and Karam, "Reduced-reference quality assessment based on the entropy of DWT coefficients
of locally weighted gradient magnitudes", IEEE Transactions on Image Processing 25(11), 2016, in the
convention of the authors' `REDLOG_Index.m`: luma rounded as MATLAB does; a contrast sensitivity
function over 32 cycles a picture width, on a grid half a sample off centre; an 8 x 8 Gaussian of
deviation 0.5 with zero borders; Sobel gradients with replicated borders, divided by the root mean
square of gradient and image under the same Gaussian (plus 25.6 where that is smaller); a steerable
pyramid of 6 scales and 4 orientations in the frequency domain, without the outermost coefficients
and the mean. Coefficients are rounded to 0 to 255 as `uint8` does, so that all negative ones count
as 0, and a scale's feature is the sum of `log(1 + entropy)` over orientations.

The distance also takes the mean magnitude of the distorted image's own coefficients.
"""

import jax
import jax.numpy as jnp

from jiqa.core.color import to_levels
from jiqa.core.features import Features, check_channels
from jiqa.core.filters import correlate_separable, gaussian_window, gradient_magnitude
from jiqa.core.registry import image_function, metric
from jiqa.core.steerable import steerable_pyramid_fourier
from jiqa.core.vision import filter_by_contrast_sensitivity
from jiqa.reduced_reference.wavelet_nss import count_in_bins

PAPER = 'Golestaneh and Karam, "Reduced-reference quality assessment based on the entropy of DWT '
PAPER += 'coefficients of locally weighted gradient magnitudes", IEEE TIP 25(11), 2016'

ORIENTATIONS = 4
PIXELS_PER_DEGREE = 64
WINDOW_SIZE, SIGMA = 8, 0.5
FAINT = 256 / 10  # local strength below which gradients are weighted down
DISTANCE_SCALE = 50


@metric(
    kind="reduced_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    differentiable=False,
    side_information="6 scalars (24 bytes): one a level",
)
def redlog(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    levels: int = 6,
) -> jax.Array:
    """Difference of the entropies of weighted gradients, from six numbers of the reference.

    `redlog_features` and `redlog_distance` in one; the order of the images matters. Entropies
    count, so there is no gradient.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        levels: Levels of the pyramid; fewer for images below 256 pixels.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: A side is below `2 ** (levels + 2)` pixels, 256 by default.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> float(redlog(image, image, levels=4))
    0.0
    """
    features = redlog_features(reference, data_range=data_range, luma=luma, levels=levels)
    return redlog_distance(features, distorted, data_range=data_range)


@image_function
def redlog_features(
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    levels: int = 6,
) -> Features:
    """What the sender of `redlog` sends; arguments as there.

    Returns:
        Features `entropies`, `[..., C, levels]`, from the finest level to the coarsest.

    >>> redlog_features(jnp.zeros((64, 80, 3)), levels=4).scalars
    4
    """
    entropies, _ = _statistics(reference, data_range, luma, levels)
    return Features.of("redlog", {"luma": luma, "levels": levels}, {"entropies": entropies})


@image_function
def redlog_distance(
    features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """What the receiver of `redlog` computes.

    Args:
        features: Of the reference, by `redlog_features` or `load_features`.
        distorted: Images `[..., H, W, C]` of any size that allows as many levels.
        data_range: As in `redlog`.

    Returns:
        `[...]`, as `redlog`.

    Raises:
        ValueError: The features are another method's, or the images are too small.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> features = redlog_features(image, levels=4)
    >>> bool(redlog_distance(features, image.at[::9, ::5].set(0.0)) > 0)
    True
    """
    options = features.options_of("redlog")
    own, magnitude = _statistics(distorted, data_range, **options)
    sent = features.values["entropies"]
    check_channels("redlog", sent, own)
    difference = jnp.sum((sent - own) ** 2, axis=-1)
    return jnp.log(DISTANCE_SCALE * difference * (magnitude + 1) + 1).mean(-1)


def _statistics(
    images: jax.Array, data_range: float, luma: str | None, levels: int
) -> tuple[jax.Array, jax.Array]:
    """The levels' entropies `[..., C, levels]` and the sum of the bands' mean magnitudes."""
    if min(images.shape[-3:-1]) < 2 ** (levels + 2):
        raise ValueError(
            f"redlog: images are {images.shape[-3]} x {images.shape[-2]} pixels; {levels} levels "
            f"need at least {2 ** (levels + 2)} a side. Use larger images or fewer levels."
        )
    weighted = _weighted_gradients(to_levels(images, luma, data_range=data_range))
    pyramid = steerable_pyramid_fourier(weighted, levels, ORIENTATIONS, complex_bands=False)
    entropies, magnitude = [], jnp.zeros((), images.dtype)
    for bands in pyramid.bands:
        inner = jnp.stack([band[..., 1:-1, 1:-1, :] for band in bands])
        inner = inner - jnp.mean(inner, axis=(-3, -2), keepdims=True)
        entropies.append(jnp.sum(jnp.log(1 + _entropy(inner)), axis=0))
        magnitude = magnitude + jnp.sum(jnp.mean(jnp.abs(inner), axis=(-3, -2)), axis=0)
    return jnp.stack(entropies, axis=-1), magnitude


def _weighted_gradients(images: jax.Array) -> jax.Array:
    """Gradient magnitudes over the local strength of gradient and image."""
    window = gaussian_window(WINDOW_SIZE, SIGMA)
    sensed = filter_by_contrast_sensitivity(images, PIXELS_PER_DEGREE)
    seen = correlate_separable(sensed, window, border="zero")
    gradients = 4 * gradient_magnitude(seen, "sobel", border="replicate")  # MATLAB's has no divisor
    energy = correlate_separable((gradients**2 + seen**2) / 2, window, border="zero")
    strength = jnp.sqrt(energy)
    return gradients / (strength + jnp.where(strength < FAINT, FAINT, 0))


def _entropy(bands: jax.Array) -> jax.Array:
    """Bits of the histogram of levels 0 to 255, `[..., C]`."""
    values = jnp.moveaxis(bands, -1, -3).reshape(*bands.shape[:-3], bands.shape[-1], -1)
    shares = count_in_bins(jnp.floor(values + 0.5), 256) / values.shape[-1]
    return -jnp.sum(shares * jnp.log2(jnp.where(shares > 0, shares, 1)), axis=-1)
