"""Reduced-reference estimate of SSIM by divisive normalisation.

Rehman and Wang, "Reduced-reference image quality assessment by structural similarity estimation",
IEEE Transactions on Image Processing 21(8), 2012. Coefficients of a real steerable pyramid of 3
scales and 4 orientations are divided by the local energy that a Gaussian scale mixture sees in
their neighbourhood: 3 x 3 neighbours, the parent and the other orientations. What is left of a
natural image is nearly Gaussian; distortions change its deviation and shape. With s_r and s_d the
deviations of all bands, and d the growth of the bands' Kullback-Leibler divergence from the
reference's Gaussian, the distortion measure is

    D = g(s_r, s_d) log(1 + sum |d| / D_0),   g(x, y) = (|x|^2 + |y|^2 + C) / (2 x.y + C)

and SSIM is estimated as `1 - slope * D`, a straight line whose slope depends on the distortion.

No code of the authors is public, and the paper's text could not be read here: the form of D is
quoted from memory. The normalisation and the divergence follow the code of the method
that it builds on (Li and Wang, "Reduced-reference image quality assessment using divisive
normalization-based image representation", IEEE JSTSP 3(2), 2009), as it lives on in other metrics:
neighbourhood, border, and the histogram's 100 bins over +-15, +-60 and +-240. Ours are D_0, C, the
form of g with a scalar product, and the slopes, fitted to `jiqa.ssim` (`SLOPES`). The paper's
regression, which finds the slope from kurtosis and skewness, needs a training set and is left out.
"""

import math
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.color import to_levels
from jiqa.core.features import Features, check_channels
from jiqa.core.filters import imresize
from jiqa.core.registry import image_function, metric
from jiqa.core.scale_mixtures import (
    as_planes,
    invertible,
    multiplier,
    neighbourhoods,
    second_moments,
)
from jiqa.core.steerable import steerable_pyramid_fourier
from jiqa.reduced_reference.wavelet_nss import count_in_bins, divergence

PAPER = 'Rehman and Wang, "Reduced-reference image quality assessment by structural similarity '
PAPER += 'estimation", IEEE TIP 21(8), 2012'

SCALES, ORIENTATIONS = 3, 4
BORDER = 16  # normalised coefficients cut off at the finest scale
LEAST_SIDE = 2 * BORDER + 5
BINS = 100
HALF_RANGE = 15.0  # of the histogram at the finest scale; four times that at each coarser one
DIVERGENCE_UNIT = 0.1  # D_0
CONSTANT = 1e-3  # C
FLAT = 1e-9  # deviation, of 0 to 255, below which a band holds rounding errors only
# Least squares against `jiqa.ssim_y` on twelve of the Kodak photographs, five levels of each.
SLOPES = MappingProxyType(
    {"all": 0.077, "noise": 0.231, "blur": 0.048, "jpeg": 0.165, "jpeg2000": 0.107}
)


@metric(
    kind="reduced_reference",
    higher_is_better=True,
    score_range=(-math.inf, 1),
    identical=1,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    differentiable=False,
    side_information="24 scalars (96 bytes): deviation and divergence of 12 bands",
)
def rr_ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    slope: float = SLOPES["all"],
) -> jax.Array:
    """Estimate of SSIM from 24 numbers of the reference.

    `rr_ssim_features` and `rr_ssim_distance` in one; the order of the images matters. Histograms
    count, so there is no gradient.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        slope: How fast SSIM falls with the distortion measure; `SLOPES` has one for each kind of
            distortion. It does not change the order of images.

    Returns:
        `[...]`, 1 for equal images and less for others; below 0 where the line leaves SSIM's range.

    Raises:
        ValueError: A side is below 37 pixels.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> float(rr_ssim(image, image))
    1.0
    """
    features = rr_ssim_features(reference, data_range=data_range, luma=luma)
    return 1 - slope * rr_ssim_distance(features, distorted, data_range=data_range)


@image_function
def rr_ssim_features(
    reference: jax.Array, *, data_range: float = 1.0, luma: str | None = "matlab"
) -> Features:
    """What the sender of `rr_ssim` sends; arguments as there.

    Returns:
        Features `deviation` and `divergence`, each `[..., C, 12]`, finest scale first.

    >>> rr_ssim_features(jnp.zeros((64, 80, 3))).scalars
    24
    """
    deviation, histogram = _normalized_statistics(reference, data_range, luma)
    values = {"deviation": deviation, "divergence": _from_gaussian(deviation, histogram)}
    return Features.of("rr_ssim", {"luma": luma}, values)


@image_function
def rr_ssim_distance(
    features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """What the receiver of `rr_ssim` computes: the paper's distortion measure D.

    Args:
        features: Of the reference, by `rr_ssim_features` or `load_features`.
        distorted: Images `[..., H, W, C]` of any size.
        data_range: As in `rr_ssim`.

    Returns:
        `[...]` from 0, which equal images give; `rr_ssim` is one less `slope` times it.

    Raises:
        ValueError: The features are another method's, or a side is below 37 pixels.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> bool(rr_ssim_distance(rr_ssim_features(image), image.at[::9, ::5].set(0.0)) > 0)
    True
    """
    luma = features.options_of("rr_ssim")["luma"]
    own, histogram = _normalized_statistics(distorted, data_range, luma)
    sent = features.values["deviation"].astype(own.dtype)
    check_channels("rr_ssim", sent, own)
    growth = _from_gaussian(sent, histogram) - features.values["divergence"]
    squares = jnp.sum(sent**2, axis=-1) + jnp.sum(own**2, axis=-1)
    gain = (squares + CONSTANT) / (2 * jnp.sum(sent * own, axis=-1) + CONSTANT)
    return (gain * jnp.log(1 + jnp.sum(jnp.abs(growth), axis=-1) / DIVERGENCE_UNIT)).mean(-1)


def _normalized_statistics(
    images: jax.Array, data_range: float, luma: str | None
) -> tuple[jax.Array, jax.Array]:
    """Deviation `[..., C, 12]` and histogram `[..., C, 12, 100]` of the normalised bands."""
    if min(images.shape[-3:-1]) < LEAST_SIDE:
        raise ValueError(
            f"rr_ssim: images are {images.shape[-3]} x {images.shape[-2]} pixels; it needs at "
            f"least {LEAST_SIDE} a side."
        )
    levels = to_levels(images, luma, data_range=data_range)
    pyramid = steerable_pyramid_fourier(levels, SCALES, ORIENTATIONS, complex_bands=False)
    deviations, histograms = [], []
    for scale, bands in enumerate(pyramid.bands):
        parents = pyramid.bands[scale + 1] if scale + 1 < SCALES else None
        border = BORDER >> scale
        inner = _normalize(bands, parents)[..., border:-border, border:-border]
        values = jnp.moveaxis(inner.reshape(*inner.shape[:-2], -1), 0, -2)
        values = values - jnp.mean(values, axis=-1, keepdims=True)
        deviations.append(jnp.std(values, axis=-1, ddof=1))
        half_range = HALF_RANGE * 4**scale
        width = 2 * half_range / (BINS - 1)
        counts = count_in_bins(jnp.ceil((values + half_range) / width - 0.5), BINS)
        histograms.append(counts / values.shape[-1])
    return jnp.concatenate(deviations, axis=-1), jnp.concatenate(histograms, axis=-2)


def _normalize(bands: tuple[jax.Array, ...], parents: tuple[jax.Array, ...] | None) -> jax.Array:
    """The inner coefficients, less their mean, over the root of their local energy.

    The energy is that of the 3 x 3 neighbours, siblings and parent, 1 on average. A flat band
    gives 0.

    Returns:
        `[orientations, ..., C, h - 2, w - 2]`.
    """
    views = neighbourhoods(jnp.stack(bands), 3)
    own = views[4]
    height, width = own.shape[-2:]
    others = [jnp.roll(own, turn, axis=0) for turn in range(1, len(bands))]
    if parents is not None:
        doubled = as_planes(imresize(jnp.stack(parents), 2.0))
        others.append(doubled[..., 1 : height + 1, 1 : width + 1])
    vectors = views + others
    moments, flat = invertible(second_moments(vectors))
    centers = own - jnp.mean(own, axis=(-2, -1), keepdims=True)
    normalized = safe_divide(centers, safe_sqrt(multiplier(vectors, moments)))
    return jnp.where(flat[..., None, None], 0, normalized)


def _from_gaussian(deviation: jax.Array, histogram: jax.Array) -> jax.Array:
    """Divergence `[..., 12]` of the Gaussians of these deviations from the histograms."""
    half_ranges = HALF_RANGE * 4.0 ** np.repeat(np.arange(SCALES), ORIENTATIONS)
    centers = jnp.asarray(half_ranges[:, None] * np.linspace(-1, 1, BINS), histogram.dtype)
    standardized = centers / jnp.maximum(deviation, FLAT)[..., None]
    return divergence(jax.nn.log_softmax(-(standardized**2) / 2), histogram)
