"""Metrics of the pixel-wise error: MSE and its relatives.

With `f` the reference, `g` the distorted image and `e = f - g`, sums run over all pixels and, for
colour, over all channels together; `luma=` converts first. Definitions follow Eskicioglu and
Fisher, "Image quality measures and their performance", IEEE Transactions on Communications 43(12),
1995. Values are in the units of the images: squares of 0 to 255 for uint8, of 0 to 1 for floats.
MSE and MAE are means of maps; the others are roots, ratios of sums or extremes, whose errors are to
be seen in the same maps.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import map_difference, safe_divide, safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import check_window_fits
from jiqa.core.registry import image_function, metric

INFINITY = float("inf")
IMAGE_AXES = (-3, -2, -1)

pixel_metric = partial(
    metric,
    kind="full_reference",
    color="all channels in one sum; luma= converts first",
    paper='Eskicioglu and Fisher, "Image quality measures and their performance", IEEE '
    "Transactions on Communications 43(12), 1995",
)


@pixel_metric(higher_is_better=False, score_range=(0, INFINITY), identical=0)
def mse(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean squared error.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]`, in squared units of the images, from 0.

    Raises:
        ValueError, TypeError: The images are unlike each other or not in their range.

    >>> float(mse(jnp.zeros((4, 4, 3)), jnp.full((4, 4, 3), 0.5)))
    0.25
    """
    squared_error = _map(jnp.square, reference, distorted, luma, data_range)
    return pooling.mean(squared_error, weights).mean(-1)


@image_function
def mse_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
) -> jax.Array:
    """The squared error of each pixel, averaged over channels; see `mse`.

    Returns:
        `[..., H, W]`.

    >>> mse_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _map(jnp.square, reference, distorted, luma, data_range).mean(-1)


@pixel_metric(higher_is_better=False, score_range=(0, INFINITY), identical=0)
def rmse(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Root of the mean squared error.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: As in `mse`.

    Returns:
        `[...]`, in units of the images, from 0; its gradient is zero on equal images.

    >>> float(rmse(jnp.zeros((4, 4, 3)), jnp.full((4, 4, 3), 0.5)))
    0.5
    """
    squared_error = _map(jnp.square, reference, distorted, luma, data_range)
    return safe_sqrt(pooling.mean(squared_error, weights).mean(-1))


@pixel_metric(higher_is_better=False, score_range=(0, INFINITY), identical=0)
def mae(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean absolute error.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: As in `mse`.

    Returns:
        `[...]`, in units of the images, from 0.

    >>> float(mae(jnp.zeros((4, 4, 3)), jnp.full((4, 4, 3), 0.5)))
    0.5
    """
    return pooling.mean(_map(jnp.abs, reference, distorted, luma, data_range), weights).mean(-1)


@image_function
def mae_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
) -> jax.Array:
    """The absolute error of each pixel, averaged over channels; see `mae`.

    Returns:
        `[..., H, W]`.

    >>> mae_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _map(jnp.abs, reference, distorted, luma, data_range).mean(-1)


@pixel_metric(
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=INFINITY,
    protocols={"psnr_y": {"luma": "matlab"}},
    loss_options={"cap": 100.0},
)
def psnr(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Peak signal-to-noise ratio.

    `10 log10(L^2 / MSE)` with L the data range and one MSE over all channels.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`. "bt601" is full-range luma; "bt601_limited" is MATLAB's `rgb2ycbcr`,
            the convention of super-resolution papers, 1.32 dB higher for the same images.
        cap: The highest value returned, such as 100 for correlations and losses; None is none.
        weights: As in `mse`.

    Returns:
        `[...]` in decibel; infinite for equal images unless capped. Its gradient is zero there
        and above the cap.

    >>> round(float(psnr(jnp.zeros((4, 4, 3)), jnp.full((4, 4, 3), 0.1))), 3)
    20.0
    >>> float(psnr(jnp.zeros((4, 4, 3)), jnp.zeros((4, 4, 3)), cap=100.0))
    100.0
    """
    squared_error = _map(jnp.square, reference, distorted, luma, data_range)
    error = pooling.mean(squared_error, weights).mean(-1)
    decibel = decibel_ratio(jnp.full_like(error, data_range**2), error)
    return decibel if cap is None else jnp.minimum(decibel, cap)


@pixel_metric(
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=INFINITY,
    loss_options={"cap": 100.0},
)
def snr(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Signal-to-noise ratio.

    `10 log10(sum(f^2) / sum(e^2))`.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        cap: As in `psnr`.
        weights: Weights `[..., H, W]` in both sums, or None.

    Returns:
        `[...]` in decibel; infinite for equal images unless capped, minus infinity for a black
        reference and any error.

    >>> float(snr(jnp.full((4, 4, 1), 0.5), jnp.full((4, 4, 1), 0.45)).round(3))
    20.0
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    signal = pooling.mean(reference**2, weights).sum(-1)
    noise = pooling.mean(map_difference(jnp.square, reference, distorted), weights).sum(-1)
    decibel = decibel_ratio(signal, noise)
    return decibel if cap is None else jnp.clip(decibel, -cap, cap)


@pixel_metric(higher_is_better=False, score_range=(0, INFINITY), identical=0)
def lmse(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    border: str = "interior",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Laplacian mean squared error.

    `sum((Lf - Lg)^2) / sum((Lf)^2)` with L the sum of the four neighbours less four times the
    centre.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        border: "interior" sums where all neighbours exist, as the paper does; "del2" takes the
            whole image and continues the second derivative linearly to the edge, as MATLAB's
            `4 * del2` does in common ports (at least 4 x 4 pixels).
        weights: As in `snr`.

    Returns:
        `[...]` from 0; infinite where only the reference is flat, 0 where both are.

    Raises:
        ValueError: Unknown border, or the image is smaller than 3 x 3 (4 x 4 for "del2").

    >>> board = jnp.indices((6, 6)).sum(0)[..., None] % 2 * 1.0
    >>> float(lmse(board, 0.5 * board))
    0.25
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    laplacian_reference = _laplacian(reference, border)
    laplacian_error = _laplacian(reference - distorted, border)
    weights = pooling.fit_weights(weights, 1, *laplacian_error.shape[-3:-1])
    return _ratio(
        pooling.mean(laplacian_error**2, weights).sum(-1),
        pooling.mean(laplacian_reference**2, weights).sum(-1),
    )


@pixel_metric(higher_is_better=False, score_range=(0, INFINITY), identical=0)
def nae(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Normalised absolute error.

    `sum(|e|) / sum(|f|)`.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: As in `snr`.

    Returns:
        `[...]` from 0; infinite where only the reference is black, 0 where both are.

    >>> float(nae(jnp.full((4, 4, 1), 0.5), jnp.full((4, 4, 1), 0.25)))
    0.5
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    error = pooling.mean(jnp.abs(reference - distorted), weights).sum(-1)
    return _ratio(error, pooling.mean(jnp.abs(reference), weights).sum(-1))


@pixel_metric(higher_is_better=False, score_range=(0, INFINITY), identical=0)
def maximum_difference(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Maximum absolute difference.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: `[..., H, W]`, zero where pixels do not count, or None.

    Returns:
        `[...]`, in units of the images, from 0.

    >>> float(maximum_difference(jnp.zeros((4, 4, 1)), jnp.eye(4)[..., None]))
    1.0
    """
    error = _map(jnp.abs, reference, distorted, luma, data_range)
    if weights is not None:
        counted = (weights > 0) | (weights.max((-2, -1), keepdims=True) == 0)
        error = jnp.where(counted[..., None], error, 0)
    return jnp.max(error, axis=IMAGE_AXES)


@pixel_metric(higher_is_better=None, score_range=(0, INFINITY), identical=1)
def structural_content(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Structural content, the ratio of energies.

    `sum(f^2) / sum(g^2)`. Brighter and darker images move it in opposite directions: the distance
    of a score to 1 (`jiqa.as_loss`) says how unlike the images are.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: As in `snr`.

    Returns:
        `[...]` from 0; 1 where both are black, infinite where only the distorted image is.

    >>> float(structural_content(jnp.full((4, 4, 1), 0.5), jnp.full((4, 4, 1), 0.25)))
    4.0
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    energy = pooling.mean(distorted**2, weights).sum(-1)
    return _ratio(pooling.mean(reference**2, weights).sum(-1), energy, both_zero=1.0)


@pixel_metric(higher_is_better=None, score_range=(0, INFINITY), identical=1)
def normalized_cross_correlation(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Normalised cross-correlation (NK).

    `sum(f g) / sum(f^2)`.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: As in `snr`.

    Returns:
        `[...]` from 0, 1 for equal images and also where the reference is black (0 / 0).

    >>> float(normalized_cross_correlation(jnp.full((4, 4, 1), 0.5), jnp.full((4, 4, 1), 0.25)))
    0.5
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    product = pooling.mean(reference * distorted, weights).sum(-1)
    return _ratio(product, pooling.mean(reference**2, weights).sum(-1), both_zero=1.0)


@pixel_metric(higher_is_better=None, score_range=(-INFINITY, INFINITY), identical=0)
def average_difference(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Average difference, with its sign.

    `mean(f - g)`: positive where the distorted image is darker.

    Args:
        reference: As in `mse`.
        distorted: As in `mse`.
        data_range: As in `mse`.
        luma: As in `mse`.
        weights: As in `mse`.

    Returns:
        `[...]`, in units of the images.

    >>> float(average_difference(jnp.full((4, 4, 1), 0.5), jnp.full((4, 4, 1), 0.25)))
    0.25
    """
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    return pooling.mean(reference - distorted, weights).mean(-1)


def _map(
    error: Callable[[jax.Array], jax.Array],
    reference: jax.Array,
    distorted: jax.Array,
    luma: str | None,
    data_range: float,
) -> jax.Array:
    """A function of the pixel-wise difference, `[..., H, W, C]`."""
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    return map_difference(error, reference, distorted)


def decibel_ratio(signal: jax.Array, noise: jax.Array) -> jax.Array:
    """`10 log10(signal / noise)`, with zero gradient where either is zero.

    A difference of logarithms, as the derivative of the quotient overflows where noise is little.
    """
    tiny = float(jnp.finfo(noise.dtype).tiny)
    silent = noise < tiny
    infinite = silent | (signal == 0)
    signal, noise = (jnp.where(infinite, 1, x) for x in (signal, noise))
    limit = jnp.where(silent, INFINITY, -INFINITY)
    return jnp.where(infinite, limit, 10 * (jnp.log10(signal) - jnp.log10(noise)))


def _ratio(numerator: jax.Array, denominator: jax.Array, both_zero: float = 0.0) -> jax.Array:
    """The quotient, with stated values and zero gradients where the denominator is zero."""
    fill = jnp.where(numerator == 0, both_zero, INFINITY)
    return safe_divide(numerator, denominator, fill)


def _laplacian(images: jax.Array, border: str) -> jax.Array:
    """The five-point Laplacian of the interior, or of the whole image as `4 * del2` gives it."""
    if border not in ("interior", "del2"):
        raise ValueError(f"lmse: border={border!r} is unknown; use interior or del2.")
    if border == "interior":
        check_window_fits(images.shape, 3, 3)
        down = jnp.diff(images, n=2, axis=-3)[..., 1:-1, :]
        across = jnp.diff(images, n=2, axis=-2)[..., 1:-1, :, :]
        return down + across
    return _second_difference(images, -3) + _second_difference(images, -2)


def _second_difference(images: jax.Array, axis: int) -> jax.Array:
    """Second difference along one axis, continued linearly to the first and last sample."""
    length = images.shape[axis]
    if length < 4:
        raise ValueError(f"lmse: border='del2' needs 4 pixels a side, not {length}; use interior.")
    inside = jnp.diff(images, n=2, axis=axis)
    ends = (0, 1, length - 4, length - 3)
    first, second, second_last, last = (
        jax.lax.slice_in_dim(inside, i, i + 1, axis=images.ndim + axis) for i in ends
    )
    return jnp.concatenate([2 * first - second, inside, 2 * last - second_last], axis=axis)
