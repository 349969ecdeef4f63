"""Reduced reference by a natural-image statistic of wavelet coefficients (RRIQA, WNISM).

Wang and Simoncelli, "Reduced-reference image quality assessment using a wavelet-domain natural
image statistic model", Human Vision and Electronic Imaging X, Proc. SPIE 5666, 2005, in the
convention of the authors' toolbox RRIQA (December 2004): luma, a real steerable pyramid of 3 scales
and 4 orientations in the frequency domain, of which bands 1, 3, 6, 8, 9 and 11 are kept; borders of
16, 8 and 4 coefficients are cut off, and histograms have 101 bins of width 2, 8 and 32. The sender
fits a generalised Gaussian to each histogram by the least Kullback-Leibler divergence, over the
bins that are not empty and in magnitude, and sends scale, shape and the divergence that is left:
18 numbers, 162 bits. The receiver needs no fit: it sums how much the divergences grew.

The toolbox searches with Nelder and Mead's simplex from one start; here damped Newton steps go down
from the most likely place of a grid to the minimum of the same divergence. The two agree where
histograms are well filled. On images of some 100 pixels a side most bins are empty, the toolbox's
divergence is 0 at places that have nothing to do with the data, and the simplex ends there.

The toolbox scores quantised features, so that equal images score a little above 0; here that is the
protocol `wavelet_nss_162_bits`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.color import to_levels
from jiqa.core.features import Features, check_channels
from jiqa.core.registry import image_function, metric
from jiqa.core.steerable import steerable_pyramid_fourier

PAPER = 'Wang and Simoncelli, "Reduced-reference image quality assessment using a wavelet-domain '
PAPER += 'natural image statistic model", SPIE 5666, 2005'

BANDS = ((0, 0), (0, 2), (1, 1), (1, 3), (2, 0), (2, 2))  # scale and orientation
BORDER = 16  # coefficients at the finest scale
LEAST_SIDE = 2 * BORDER + 1
BINS = 101
BIN_WIDTHS = np.array([2.0, 2.0, 8.0, 8.0, 32.0, 32.0])  # of the bands, for images of 0 to 255
SAMPLES = 30  # of the density in a bin
DIVERGENCE_UNIT = 0.001  # the toolbox's D0

# Quantisation: 8 bits of the scale's mantissa from 1 to 10 and 3 of its decimal exponent, 8 bits
# of the shape, 8 bits of the divergence.
MANTISSA_STEP = 9 / 2**8
LEAST_EXPONENTS = np.array([-6, -6, -5, -5, -4, -4])
LEAST_SHAPE, SHAPE_STEP = 0.05, 0.00625
DIVERGENCE_STEP = 0.00025
FIELD_BITS = {"mantissa": 8, "exponent": 3, "shape": 8, "divergence": 8}  # in sending order

# The fit, with scales in bins: where it starts, and how long it goes on.
START_LOG_SCALES = np.log(np.geomspace(0.01, 50, 16))
START_LOG_SHAPES = np.log([0.25, 0.4, 0.6, 0.9, 1.3, 2.0])
NEWTON_STEPS = 20
LONGEST_STEP = 0.5
FIRST_DAMPING = 1e-3
ROUNDING = 100  # times the precision: how much a step may lose
LARGEST_POWER = 80.0  # its exponential is finite in float32


@metric(
    kind="reduced_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    differentiable=False,
    protocols={"wavelet_nss_162_bits": {"quantize": True}},
    side_information="18 scalars: 72 bytes in single precision, 162 bits (21 bytes) quantised",
)
def wavelet_nss(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    quantize: bool = False,
) -> jax.Array:
    """Change of the distributions of wavelet coefficients, from 18 numbers of the reference.

    `wavelet_nss_features` and `wavelet_nss_distance` in one; the order of the images matters.
    Histograms count, so there is no gradient.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        quantize: Whether the features are quantised to 162 bits, as the authors score them; equal
            images are then a little above 0.

    Returns:
        `[...]` from 0, which equal images give; lower is better.

    Raises:
        ValueError: A side is below 33 pixels.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> float(wavelet_nss(image, image))
    0.0
    """
    features = wavelet_nss_features(reference, data_range=data_range, luma=luma, quantize=quantize)
    return wavelet_nss_distance(features, distorted, data_range=data_range)


@image_function
def wavelet_nss_features(
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    quantize: bool = False,
) -> Features:
    """What the sender of `wavelet_nss` sends; arguments as there.

    Returns:
        Features `scale`, `shape` and `divergence`, each `[..., C, 6]`: the fitted density is
        proportional to `exp(-(|x| / scale) ** shape)` for coefficients of images of 0 to 255.

    >>> features = wavelet_nss_features(jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1))
    >>> features.scalars, len(pack(features))
    (18, 21)
    """
    histograms = _histograms(reference, data_range, luma)
    log_scale, log_shape = _fit(histograms)
    found = divergence(_log_model(log_scale, log_shape), histograms)
    scale = jnp.exp(log_scale) * jnp.asarray(BIN_WIDTHS, found.dtype)
    values = {"scale": scale, "shape": jnp.exp(log_shape), "divergence": found}
    if quantize:
        values = _decode(_encode(values), found.dtype)
    return Features.of("wavelet_nss", {"luma": luma}, values)


@image_function
def wavelet_nss_distance(
    features: Features, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """What the receiver of `wavelet_nss` computes.

    Args:
        features: Of the reference, by `wavelet_nss_features`, `unpack` or `load_features`.
        distorted: Images `[..., H, W, C]` of any size.
        data_range: As in `wavelet_nss`.

    Returns:
        `[...]`, as `wavelet_nss`.

    Raises:
        ValueError: The features are another method's, or a side is below 33 pixels.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1) ** 2
    >>> bool(wavelet_nss_distance(wavelet_nss_features(image), image**2) > 1)
    True
    """
    luma = features.options_of("wavelet_nss")["luma"]
    histograms = _histograms(distorted, data_range, luma)
    sent = {name: value.astype(histograms.dtype) for name, value in features.values.items()}
    check_channels("wavelet_nss", sent["divergence"], histograms[..., 0])
    log_scale = jnp.log(sent["scale"] / jnp.asarray(BIN_WIDTHS, histograms.dtype))
    found = divergence(_log_model(log_scale, jnp.log(sent["shape"])), histograms)
    growth = jnp.sum(jnp.abs(found - sent["divergence"]), axis=-1)
    return jnp.log2(1 + growth / DIVERGENCE_UNIT).mean(-1)


def pack(features: Features) -> bytes:
    """The 162 bits of the features of one image and channel, as 21 bytes.

    The bits are in the toolbox's order: the six mantissas, exponents, shapes and divergences, each
    from the finest band to the coarsest, most significant bit first; six zeros end the last byte.

    Args:
        features: Concrete features of `wavelet_nss_features`, quantised or not.

    Returns:
        21 bytes.

    Raises:
        ValueError: Another method's features, or those of several images or channels.

    >>> features = wavelet_nss_features(jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1))
    >>> pack(unpack(pack(features))) == pack(features)
    True
    """
    features.options_of("wavelet_nss")
    if features.scalars != 3 * len(BANDS):
        raise ValueError(
            f"pack: {features.scalars} scalars are not the {3 * len(BANDS)} of one image and "
            "channel; pack one after the other."
        )
    codes = {name: np.ravel(code) for name, code in _encode(features.values).items()}
    bits = [
        codes[name][:, None] >> np.arange(width)[::-1] & 1 for name, width in FIELD_BITS.items()
    ]
    return np.packbits(np.concatenate([b.ravel() for b in bits]).astype(np.uint8)).tobytes()


def unpack(data: bytes, *, luma: str | None = "matlab") -> Features:
    """The features of which `pack` made 21 bytes.

    Args:
        data: What `pack` returned.
        luma: What the sender gave to `wavelet_nss_features`, as the bits do not tell.

    Returns:
        Quantised features.

    Raises:
        ValueError: Not 21 bytes.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).astype(np.int32)
    count = len(BANDS) * sum(FIELD_BITS.values())
    if len(bits) != -(-count // 8) * 8:
        raise ValueError(f"unpack: {len(data)} bytes are not the 21 that pack returns.")
    codes, start = {}, 0
    for name, width in FIELD_BITS.items():
        end = start + width * len(BANDS)
        weights = 2 ** np.arange(width)[::-1]
        codes[name] = jnp.asarray(bits[start:end].reshape(1, -1, width) @ weights)
        start = end
    return Features.of("wavelet_nss", {"luma": luma}, _decode(codes, jnp.float32))


def count_in_bins(indices: jax.Array, bins: int) -> jax.Array:
    """How often each whole number below `bins` occurs, `[..., bins]` of `[..., n]`; others clip.

    >>> count_in_bins(jnp.array([0.0, 2.0, 2.0, 9.0]), 4).tolist()
    [1.0, 0.0, 2.0, 1.0]
    """
    rows = jnp.clip(indices, 0, bins - 1).astype(jnp.int32).reshape(-1, indices.shape[-1])
    counts = jax.vmap(lambda row: jnp.zeros(bins, jnp.int32).at[row].add(1))(rows)
    return counts.astype(indices.dtype).reshape(*indices.shape[:-1], bins)


def divergence(log_model: jax.Array, histogram: jax.Array) -> jax.Array:
    """The toolbox's divergence of a model from a histogram, in nats.

    `|sum p log(p / h) / sum p|` over the bins in which the histogram h is not empty. The model's
    share of the empty bins is left out, so that this can be less than the true divergence.

    Args:
        log_model: Logarithm of the model's probabilities `[..., bins]`; leading axes broadcast.
        histogram: Relative frequencies `[..., bins]`.

    Returns:
        `[...]`, not negative.

    >>> half = jnp.array([0.5, 0.5])
    >>> print(divergence(jnp.log(half), half), divergence(jnp.log(half), jnp.array([1.0, 0.0])) > 0)
    0.0 True
    """
    log_model = jnp.broadcast_to(log_model, histogram.shape)
    filled = histogram > 0
    log_ratio = jnp.where(filled, log_model - jnp.log(jnp.where(filled, histogram, 1)), 0)
    share = jax.nn.softmax(log_model, where=filled, axis=-1)
    return jnp.abs(jnp.sum(share * log_ratio, axis=-1))


def _histograms(images: jax.Array, data_range: float, luma: str | None) -> jax.Array:
    """Relative frequencies `[..., C, 6, 101]`, as MATLAB's `hist` counts: a tie goes down."""
    if min(images.shape[-3:-1]) < LEAST_SIDE:
        raise ValueError(
            f"wavelet_nss: images are {images.shape[-3]} x {images.shape[-2]} pixels; it needs at "
            f"least {LEAST_SIDE} a side."
        )
    levels = to_levels(images, luma, data_range=data_range)
    pyramid = steerable_pyramid_fourier(levels, 3, 4, complex_bands=False)
    histograms = []
    for (scale, orientation), width in zip(BANDS, BIN_WIDTHS.tolist(), strict=True):
        border = BORDER >> scale
        band = pyramid.bands[scale][orientation][..., border:-border, border:-border, :]
        values = jnp.moveaxis(band, -1, -3).reshape(*band.shape[:-3], band.shape[-1], -1)
        counts = count_in_bins(jnp.ceil(values / width + (BINS // 2 - 0.5)), BINS)
        histograms.append(counts / values.shape[-1])
    return jnp.stack(histograms, axis=-2)


def _log_model(log_scale: jax.Array, log_shape: jax.Array) -> jax.Array:
    """Logarithm of the generalised Gaussian's share of each bin, `[..., 101]`; scales in bins.

    A bin is the sum of 30 samples at the middle of its parts; all bins sum to 1.
    """
    samples = (np.arange(BINS * SAMPLES // 2) + 0.5) / SAMPLES  # right of zero
    log_samples = jnp.asarray(np.log(samples), log_scale.dtype)
    power = jnp.exp(log_shape[..., None]) * (log_samples - log_scale[..., None])
    log_density = -jnp.exp(jnp.minimum(power, LARGEST_POWER))
    middle, right = jnp.split(log_density, [SAMPLES // 2], axis=-1)
    right = jax.nn.logsumexp(right.reshape(*right.shape[:-1], -1, SAMPLES), axis=-1)
    middle = jax.nn.logsumexp(middle, axis=-1, keepdims=True) + math.log(2)
    return jax.nn.log_softmax(jnp.concatenate([right[..., ::-1], middle, right], axis=-1))


def _fit(histograms: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Logarithms of the scale (in bins) and shape of least divergence, each `[...]`."""
    rows = histograms.reshape(-1, BINS)
    fitted = jax.vmap(_fit_one)(rows).reshape(*histograms.shape[:-1], 2)
    return fitted[..., 0], fitted[..., 1]


def _fit_one(histogram: jax.Array) -> jax.Array:
    """The most likely place of a grid, then Newton steps, damped as by Levenberg and Marquardt."""

    def loss(place: jax.Array) -> jax.Array:
        return divergence(_log_model(place[0], place[1]), histogram)

    slope = jax.jacfwd(loss)

    def step(
        _: int, state: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        place, lowest, damping = state
        move = _newton_step(slope(place), jax.jacfwd(slope)(place), damping)
        there = loss(place + move)
        better = there <= lowest * (1 + ROUNDING * jnp.finfo(there.dtype).eps)
        place = jnp.where(better, place + move, place)
        return place, jnp.where(better, there, lowest), damping * jnp.where(better, 0.2, 5.0)

    grid = np.stack(np.meshgrid(START_LOG_SCALES, START_LOG_SHAPES), axis=-1).reshape(-1, 2)
    starts = jnp.asarray(grid, histogram.dtype)
    likelihood = jnp.sum(histogram * _log_model(starts[:, 0], starts[:, 1]), axis=-1)
    start = starts[jnp.argmax(likelihood)]
    damping = jnp.full_like(start[0], FIRST_DAMPING)
    return jax.lax.fori_loop(0, NEWTON_STEPS, step, (start, loss(start), damping))[0]


def _newton_step(slope: jax.Array, curvature: jax.Array, damping: jax.Array) -> jax.Array:
    """The step to the minimum of the parabola, whose curvature is raised until it is positive."""
    (a, b), (_, c) = curvature
    least = (a + c) / 2 - jnp.hypot((a - c) / 2, b)
    raised = damping + jnp.maximum(0, -2 * least)
    a, c = a + raised, c + raised
    move = -jnp.stack([c * slope[0] - b * slope[1], a * slope[1] - b * slope[0]]) / (a * c - b * b)
    return jnp.clip(move, -LONGEST_STEP, LONGEST_STEP)


def _encode(values: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Whole numbers of the fields of `FIELD_BITS`, each `[..., 6]`; what is out of range clips."""
    exponent = jnp.floor(jnp.log10(values["scale"]))
    mantissa = _nearest((values["scale"] / 10**exponent - 1) / MANTISSA_STEP)
    carried = mantissa >= 2**8
    exponent = jnp.where(carried, exponent + 1, exponent) - jnp.asarray(LEAST_EXPONENTS)
    mantissa = jnp.where(carried, 0, mantissa)
    codes = {
        "mantissa": jnp.where(exponent < 0, 0, jnp.where(exponent > 7, 255, mantissa)),
        "exponent": exponent,
        "shape": _nearest((values["shape"] - LEAST_SHAPE) / SHAPE_STEP),
        "divergence": _nearest(values["divergence"] / DIVERGENCE_STEP),
    }
    return {
        name: jnp.clip(codes[name], 0, 2**width - 1).astype(jnp.int32)
        for name, width in FIELD_BITS.items()
    }


def _decode(codes: dict[str, jax.Array], dtype: jnp.dtype) -> dict[str, jax.Array]:
    """The features `scale`, `shape` and `divergence` that the codes stand for."""
    exponent = codes["exponent"] + jnp.asarray(LEAST_EXPONENTS)
    scale = (codes["mantissa"].astype(dtype) * MANTISSA_STEP + 1) * 10.0 ** exponent.astype(dtype)
    return {
        "scale": scale,
        "shape": codes["shape"].astype(dtype) * SHAPE_STEP + LEAST_SHAPE,
        "divergence": codes["divergence"].astype(dtype) * DIVERGENCE_STEP,
    }


def _nearest(values: jax.Array) -> jax.Array:
    """The nearest whole number; halves go up, as positive numbers do in MATLAB."""
    return jnp.floor(values + 0.5)
