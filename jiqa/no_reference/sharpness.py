"""Sharpness of one image: JNB, CPBD, LPC-SI and S3.

- JNB: Ferzli and Karam, "A no-reference objective image sharpness metric based on the notion of
  just noticeable blur (JNB)", IEEE Transactions on Image Processing 18(4), 2009, as the authors'
  `JNBM_compute.m`, which finds edges in each block by itself.
- CPBD: Narvekar and Karam, "A no-reference image blur metric based on the cumulative probability of
  blur detection (CPBD)", IEEE Transactions on Image Processing 20(9), 2011, as the authors'
  `CPBD_compute.m`, which finds edges in the whole image.
- LPC-SI: Hassen, Wang and Salama, "Image sharpness assessment based on local phase coherence", IEEE
  Transactions on Image Processing 22(7), 2013, as the authors' `lpc_si.m`.
- S3: Vu, Phan and Chandler, "S3: a spectral and spatial measure of local perceived sharpness in
  natural images", IEEE Transactions on Image Processing 21(3), 2012, as the authors' `s3_map.m`
  and the mean of the highest hundredth of the map.

All are made for luma from 0 to 255. The first two need blocks of 64 x 64 pixels and count edges, so
they have no gradient, and neither weights nor a map, since most pixels are no edge; the last two
rank the pixels of a map, and only a few of them count.
"""

import functools
import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_log, safe_power, safe_sqrt
from jiqa.core.color import to_levels
from jiqa.core.edges import canny, edge_widths, vertical_edges, whole_levels
from jiqa.core.filters import check_window_fits
from jiqa.core.pyramids import log_gabor_filters, log_gabor_responses
from jiqa.core.registry import image_function, metric

INFINITY = float("inf")
BLOCK = 64
EDGE_SHARE = 0.002  # of the pixels of a block, above which it is judged
STEEPNESS = 3.6  # beta, of the probability of seeing blur
LEVEL_ANGLE = np.tan(np.pi / 8)  # steepest slope of a gradient that counts as horizontal

sharpness_metric = partial(
    metric,
    kind="no_reference",
    higher_is_better=True,
    identical=None,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
    differentiable=False,
)


@sharpness_metric(
    score_range=(0, INFINITY),
    paper='Ferzli and Karam, "A no-reference objective image sharpness metric based on the notion '
    'of just noticeable blur (JNB)", IEEE TIP 18(4), 2009',
)
def jnb(image: jax.Array, *, data_range: float = 1.0, luma: str | None = "matlab") -> jax.Array:
    """Sharpness from the widths of edges relative to just noticeable blur.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 64 x 64 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.

    Returns:
        `[...]` from 0; higher is sharper. 0 where no block has edges.

    Raises:
        ValueError: The image is smaller than a block.

    >>> image = jnp.tile(jnp.arange(64) // 8 % 2, (64, 1))[..., None] * 1.0
    >>> blurred = (image + jnp.roll(image, 1, axis=1) + jnp.roll(image, 2, axis=1)) / 3
    >>> bool(jnb(image) > jnb(blurred))
    True
    """
    blocks = _blocks(whole_levels(to_levels(image, luma, data_range=data_range)))
    rising, falling = _edges_by_direction(blocks)
    # As in the authors' code, falling edges count only where brightness rises downwards or stays.
    falling &= _gradients(blocks)[1] >= 0
    edges = vertical_edges(blocks) & _has_edges(canny(blocks))
    rise, fall = edge_widths(blocks)
    width = jnp.where(rising, rise, jnp.where(falling, fall, 0)) * edges
    ratio = width / _just_noticeable_width(blocks, contrast=60)
    blur = jnp.sum(ratio**STEEPNESS, axis=(-5, -4, -3, -2))
    count = blocks.shape[-5] * blocks.shape[-4]
    return safe_divide(jnp.full_like(blur, count), blur ** (1 / STEEPNESS)).mean(-1)


@sharpness_metric(
    score_range=(0, 1),
    paper='Narvekar and Karam, "A no-reference image blur metric based on the cumulative '
    'probability of blur detection (CPBD)", IEEE TIP 20(9), 2011',
)
def cpbd(image: jax.Array, *, data_range: float = 1.0, luma: str | None = "matlab") -> jax.Array:
    """The share of edges at which blur is probably not seen.

    Args:
        image: As in `jnb`.
        data_range: As in `jnb`.
        luma: As in `jnb`.

    Returns:
        `[...]` in [0, 1]; higher is sharper. 0 where no block has edges.

    Raises:
        ValueError: As in `jnb`.

    >>> image = jnp.tile(jnp.arange(64) // 8 % 2, (64, 1))[..., None] * 1.0
    >>> float(cpbd(image))
    1.0
    """
    levels = whole_levels(to_levels(image, luma, data_range=data_range))
    check_window_fits(levels.shape, BLOCK, BLOCK)
    rising, falling = _edges_by_direction(levels)
    edges = vertical_edges(levels, threshold=2.0) & (rising | falling)
    rise, fall = edge_widths(levels)
    blocks = _blocks(levels)
    ratio = _blocks(jnp.where(rising, rise, fall)) / _just_noticeable_width(blocks, contrast=51)
    probability = 1 - jnp.exp(-(ratio**STEEPNESS))
    counted = _blocks(edges) & _has_edges(_blocks(canny(levels)))
    sharp = counted & (jnp.round(100 * probability) <= 63)
    axes = (-5, -4, -3, -2)
    number = jnp.sum(counted, axes).astype(levels.dtype)
    return safe_divide(jnp.sum(sharp, axes).astype(levels.dtype), number).mean(-1)


@sharpness_metric(
    score_range=(0, 1),
    paper='Hassen, Wang and Salama, "Image sharpness assessment based on local phase coherence", '
    "IEEE TIP 22(7), 2013",
)
def lpc_si(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    bandwidth: float = 0.33,
    constant: float = 2.0,
    decay: float = 1e-4,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Coherence of local phase across scales, at the places where it is highest.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        bandwidth: Of the log-Gabor filters; the authors' code is also passed on with 0.75.
        constant: The paper's C, for energy on the scale of 0 to 255.
        decay: The paper's beta_k: the share of pixels over which their weight falls to 1 / e.
        weights: Further weights `[..., H, W]`, of which shares are counted then, or None.

    Returns:
        `[...]` in [0, 1]; higher is sharper.

    >>> image = jnp.where(jnp.arange(64) < 30, 0.2, 0.8) * jnp.ones((64, 1))
    >>> blurred = jnp.clip((jnp.arange(64) - 25) / 10, 0.2, 0.8) * jnp.ones((64, 1))
    >>> bool(lpc_si(image[..., None]) > lpc_si(blurred[..., None]))
    True
    """
    coherence = _phase_coherence(to_levels(image, luma, data_range=data_range), bandwidth, constant)
    height, width = coherence.shape[-3:-1]
    fitted = pooling.fit_weights(weights, 1, height, width)
    fitted = jnp.ones((height, width), coherence.dtype) if fitted is None else fitted
    ranked, counted = pooling.rank(-coherence, fitted)
    before = jnp.cumsum(counted, axis=-2) - counted
    places = counted.sum(-2, keepdims=True) * (1 - 1 / (height * width))
    shares = counted * jnp.exp(-before / (decay * jnp.where(places > 0, places, 1)))
    return -(jnp.sum(shares * ranked, axis=-2) / jnp.sum(shares, axis=-2)).mean(-1)


@image_function
def lpc_si_map(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    bandwidth: float = 0.33,
    constant: float = 2.0,
) -> jax.Array:
    """The coherence of local phase at each pixel; arguments as in `lpc_si`.

    Returns:
        `[..., H - 2 B, W - 2 B]` in [0, 1], without a border of a sixteenth of the shorter side.

    >>> lpc_si_map(jnp.ones((32, 48, 1))).shape
    (28, 44)
    """
    return _phase_coherence(
        to_levels(image, luma, data_range=data_range), bandwidth, constant
    ).mean(-1)


@sharpness_metric(
    score_range=(0, 1),
    paper='Vu, Phan and Chandler, "S3: a spectral and spatial measure of local perceived '
    'sharpness in natural images", IEEE TIP 21(3), 2012',
)
def s3(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    percent: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Sharpness by the slope of local spectra and by local total variation.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 17 x 17 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        percent: The share of the map, of its highest values, that is averaged.
        weights: Weights `[..., H, W]`, of which the share is taken then, or None.

    Returns:
        `[...]` in [0, 1]; higher is sharper.

    Raises:
        ValueError: The image is smaller than 17 x 17 pixels.

    >>> image = jnp.where(jnp.arange(64) < 30, 0.2, 0.8) * jnp.ones((64, 1))
    >>> blurred = jnp.clip((jnp.arange(64) - 25) / 10, 0.2, 0.8) * jnp.ones((64, 1))
    >>> bool(s3(image[..., None]) > s3(blurred[..., None]))
    True
    """
    sharpness = _spectral_and_spatial(to_levels(image, luma, data_range=data_range))
    return pooling.percentile(sharpness, percent, weights, lowest=False).mean(-1)


@image_function
def s3_map(image: jax.Array, *, data_range: float = 1.0, luma: str | None = "matlab") -> jax.Array:
    """The perceived sharpness of each pixel; arguments as in `s3`.

    Returns:
        `[..., H, W]` in [0, 1].

    >>> s3_map(jnp.ones((32, 48, 1))).shape
    (32, 48)
    """
    return _spectral_and_spatial(to_levels(image, luma, data_range=data_range)).mean(-1)


def _blocks(values: jax.Array) -> jax.Array:
    """Whole blocks from the top left corner, `[..., n, m, 64, 64, C]`."""
    check_window_fits(values.shape, BLOCK, BLOCK)
    *batch, height, width, channels = values.shape
    rows, columns = height // BLOCK, width // BLOCK
    whole = values[..., : rows * BLOCK, : columns * BLOCK, :]
    blocks = whole.reshape(*batch, rows, BLOCK, columns, BLOCK, channels)
    return jnp.swapaxes(blocks, -4, -3)


def _has_edges(edges: jax.Array) -> jax.Array:
    """Whether enough pixels of each block are edges, `[..., n, m, 1, 1, C]`."""
    return jnp.sum(edges, axis=(-3, -2), keepdims=True) > EDGE_SHARE * BLOCK**2


def _just_noticeable_width(blocks: jax.Array, contrast: int) -> jax.Array:
    """The width of just noticeable blur by the contrast of each block, `[..., n, m, 1, 1, C]`."""
    extent = blocks.max((-3, -2), keepdims=True) - blocks.min((-3, -2), keepdims=True)
    return jnp.where(extent < contrast, 5, 3).astype(blocks.dtype)


def _gradients(levels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Central differences along W and H, zero on the border."""
    inner = [(0, 0)] * (levels.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
    across = levels[..., 1:-1, 2:, :] - levels[..., 1:-1, :-2, :]
    down = levels[..., 2:, 1:-1, :] - levels[..., :-2, 1:-1, :]
    return jnp.pad(across, inner), jnp.pad(down, inner)


def _edges_by_direction(levels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where the gradient points to the right and to the left, within 22.5 degrees.

    As in the authors' code, a gradient straight up or down counts as one to the right, and the
    border of the image does not count.
    """
    across, down = _gradients(levels)
    level = jnp.abs(down) < LEVEL_ANGLE * jnp.abs(across)
    interior = np.zeros((*levels.shape[-3:-1], 1), bool)
    interior[1:-1, 1:-1] = True
    rising = (across == 0) | (level & (across > 0))
    return rising & interior, level & (across < 0) & interior


def _phase_coherence(levels: jax.Array, bandwidth: float, constant: float) -> jax.Array:
    """The map of LPC, without its border."""
    height, width = levels.shape[-3:-1]
    responses = log_gabor_responses(levels, _phase_filters(height, width, bandwidth))
    border = math.floor(min(height, width) / 16 + 0.5)
    responses = responses[..., border : height - border, border : width - border, :]
    # Coherent phases are linear in frequency, here 1, 2/3 and 1/2: their combination is zero.
    phase = jnp.angle(responses)
    coherence = jnp.maximum(jnp.cos(phase[0] - 3 * phase[1] + 2 * phase[2]), 0)
    amplitude = jnp.abs(responses[0])
    threshold = amplitude.mean((-3, -2)) + 2 * pooling.standard_deviation(amplitude, sample=True)
    energy = jnp.maximum(amplitude - threshold[..., None, None, :], 0)
    return jnp.sum(coherence * energy, axis=0) / (jnp.sum(energy, axis=0) + constant)


@functools.cache
def _phase_filters(height: int, width: int, bandwidth: float) -> np.ndarray:
    """Eight orientations at wavelengths of 4, 6 and 8 pixels, `[3, 8, H, W]`."""
    filters = [
        log_gabor_filters(
            height,
            width,
            scales=1,
            orientations=8,
            shortest_wavelength=wavelength,
            bandwidth=bandwidth,
            angular_ratio=1.5,
        )
        for wavelength in (4.0, 6.0, 8.0)
    ]
    return np.concatenate(filters)


def _spectral_and_spatial(levels: jax.Array) -> jax.Array:
    """The geometric mean of both maps of S3, `[..., H, W, C]`."""
    check_window_fits(levels.shape, 17, 17)
    spatial = jnp.maximum(_spatial_map(levels, 8), _spatial_map(levels, 4))
    return safe_sqrt(_spectral_map(levels) * spatial)


def _spectral_map(levels: jax.Array) -> jax.Array:
    """S1: blocks of 32 x 32 pixels, eight apart, each judged for the 8 x 8 pixels at its centre."""
    padded = _mirror(levels, 16, 17)
    rows, columns = (np.arange((side + 1) // 8 + 1) * 8 for side in levels.shape[-3:-1])
    inside = np.arange(32)
    blocks = padded[..., rows[:, None] + inside, :, :][..., columns[:, None] + inside, :]
    blocks = jnp.moveaxis(blocks, (-4, -2), (-2, -1))
    window, rings, regression = (
        jnp.asarray(part, levels.dtype) for part in (_hanning_window(), _rings(), _regression())
    )
    amplitude = jnp.abs(jnp.fft.rfft2(blocks * window))
    means = jnp.einsum("ruv,...uv->...r", rings, amplitude, precision="highest")
    slope = jnp.einsum("r,...r->...", regression, safe_log(means), precision="highest")
    sharpness = jnp.where(_has_contrast(padded), jax.nn.sigmoid(3 * (2 + slope)), 0)
    return _spread(sharpness, 4, *levels.shape[-3:-1])


def _has_contrast(padded: jax.Array) -> jax.Array:
    """Whether 8 x 8 pixels of a block, on a grid of four, are bright and varied enough."""
    luminance = safe_power(0.7656 + 0.0364 * padded, 2.2)
    mean = _windows(luminance, 0.0, jax.lax.add, 8, 4) / 64
    highest = _windows(luminance, -jnp.inf, jax.lax.max, 8, 4)
    lowest = _windows(luminance, jnp.inf, jax.lax.min, 8, 4)
    visible = (mean > 2) & (highest - lowest > 5)
    return _windows(visible.astype(padded.dtype), 0.0, jax.lax.max, 7, 2) > 0


def _spatial_map(levels: jax.Array, border: int) -> jax.Array:
    """S2: the largest total variation of 2 x 2 pixels in blocks of 8 x 8 pixels."""
    padded = _mirror(levels, border, border)
    a, b = padded[..., :-1, :-1, :], padded[..., :-1, 1:, :]
    c, d = padded[..., 1:, :-1, :], padded[..., 1:, 1:, :]
    pairs = ((a, b), (a, c), (a, d), (d, c), (c, b), (d, b))
    variation = sum((jnp.abs(x - y) for x, y in pairs), start=jnp.zeros_like(a)) / (4 * 255)
    return _spread(_windows(variation, -jnp.inf, jax.lax.max, 7, 8), border, *levels.shape[-3:-1])


def _mirror(levels: jax.Array, before: int, after: int) -> jax.Array:
    widths = [(0, 0)] * (levels.ndim - 3) + [(before, after), (before, after), (0, 0)]
    return jnp.pad(levels, widths, mode="symmetric")


def _windows(
    values: jax.Array, start: float, combine: Callable[..., jax.Array], size: int, stride: int
) -> jax.Array:
    """Reduces windows of `size` x `size` pixels that start every `stride` pixels."""
    ones = (1,) * (values.ndim - 3)
    window, strides = (*ones, size, size, 1), (*ones, stride, stride, 1)
    initial = np.asarray(start, values.dtype)
    return jax.lax.reduce_window(values, initial, combine, window, strides, "VALID")


def _spread(values: jax.Array, offset: int, height: int, width: int) -> jax.Array:
    """Each value for 8 x 8 pixels, from `offset` pixels before the image; 0 beyond the last."""
    rows, columns = ((np.arange(side) + offset) // 8 for side in (height, width))
    counts = values.shape[-3:-1]
    known = (rows < counts[0])[:, None, None] & (columns < counts[1])[:, None]
    rows, columns = np.minimum(rows, counts[0] - 1), np.minimum(columns, counts[1] - 1)
    return jnp.where(known, values[..., rows, :, :][..., columns, :], 0)


@functools.cache
def _hanning_window() -> np.ndarray:
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, 33) / 33))
    return np.outer(window, window)


@functools.cache
def _rings() -> np.ndarray:
    """Means of a half spectrum, `[32, 17]`, over circles of 1 to 16 cycles a block, `[16, 32, 17]`.

    As in the authors' code, circles are sampled at each degree by linear interpolation, in which
    the weights of both neighbours are exchanged at negative frequencies, and frequency zero is
    replaced by the mean of two neighbours.
    """
    radius, turn = np.arange(1, 17)[:, None], np.arange(360) / 360 * (2 * np.pi)
    spectrum = np.zeros((16, 32, 32))
    down, across = (_neighbors(radius * wave(turn)) for wave in (np.sin, np.cos))
    for row, row_weight in down:
        for column, column_weight in across:
            np.add.at(spectrum, (radius - 1, row, column), row_weight * column_weight / 360)
    spectrum[:, 1, 0] += spectrum[:, 0, 0] / 2
    spectrum[:, 0, 1] += spectrum[:, 0, 0] / 2
    spectrum[:, 0, 0] = 0
    half = spectrum[..., :17].copy()
    half[..., 1:16] += np.roll(spectrum[:, ::-1, :16:-1], 1, axis=1)  # the amplitude is even
    return half


def _neighbors(frequency: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The indices of both samples next to a frequency, and their weights."""
    near = np.trunc(frequency)
    far = np.sign(frequency) * np.ceil(np.abs(frequency))
    share = np.where(far < 0, np.abs(frequency - far), np.abs(frequency - near))
    return [(near.astype(int) % 32, 1 - share), (far.astype(int) % 32, share)]


@functools.cache
def _regression() -> np.ndarray:
    """Weights of 16 logarithms whose sum is their slope over the logarithm of frequency."""
    frequency = np.log(np.arange(1, 17) / 32)
    centered = frequency - frequency.mean()
    return centered / np.sum(centered**2)
