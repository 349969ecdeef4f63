"""Pooling of a quality map into a score for each image and channel.

Maps are `[..., H, W, C]` and every function reduces H and W to give `[..., C]`, so that results
never depend on the batch. `weights` are `[..., H, W]`, non-negative: a mask, a region of interest
or a saliency map. Weights that are zero everywhere count as equal.
"""

import math
from typing import overload

import jax
import jax.numpy as jnp

from jiqa.core import filters
from jiqa.core.arrays import safe_power, safe_sqrt


def mean(values: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """The mean, weighted where weights are given.

    Args:
        values: Map `[..., H, W, C]`.
        weights: `[..., H, W]`; None weighs all alike.

    Returns:
        `[..., C]`.

    >>> values = jnp.array([1.0, 2.0, 6.0]).reshape(1, 3, 1)
    >>> float(mean(values)[0]), float(mean(values, jnp.array([[1.0, 1.0, 0.0]]))[0])
    (3.0, 1.5)
    """
    if weights is None:
        return _sum(values) / (values.shape[-3] * values.shape[-2])
    weights = equal_if_zero(weights)[..., None]
    return _sum(weights * values) / jnp.sum(weights, axis=(-3, -2))


def total(values: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """The sum, in which weights are relative to their mean: equal weights change nothing.

    Args:
        values: Map `[..., H, W, C]`.
        weights: As in `mean`.

    Returns:
        `[..., C]`.

    >>> values = jnp.array([1.0, 2.0, 6.0]).reshape(1, 3, 1)
    >>> float(total(values)[0]), float(total(values, jnp.array([[1.0, 1.0, 0.0]]))[0])
    (9.0, 4.5)
    """
    if weights is None:
        return _sum(values)
    return mean(values, weights) * (values.shape[-3] * values.shape[-2])


def minkowski(values: jax.Array, exponent: float, weights: jax.Array | None = None) -> jax.Array:
    """The generalised mean `mean(|values| ** p) ** (1 / p)`.

    Args:
        values: Map `[..., H, W, C]`.
        exponent: p > 0; large values stress the largest entries.
        weights: As in `mean`.

    Returns:
        `[..., C]`.

    >>> print(minkowski(jnp.array([1.0, 7.0]).reshape(1, 2, 1), 2)[0].round(4))
    5.0
    """
    return safe_power(mean(safe_power(jnp.abs(values), exponent), weights), 1 / exponent)


def percentile(
    values: jax.Array, percent: float, weights: jax.Array | None = None, *, lowest: bool = True
) -> jax.Array:
    """The mean of the worst `percent` of the map (Moorthy and Bovik, 2009, use 6 %).

    Args:
        values: Map `[..., H, W, C]`.
        percent: Share of the entries, above 0 and up to 100; at least one entry is used.
        weights: As in `mean_of_worst`.
        lowest: Whether low values are the worst.

    Returns:
        `[..., C]`.

    Raises:
        ValueError: `percent` is outside (0, 100].

    >>> float(percentile(jnp.arange(10.0).reshape(2, 5, 1), 20)[0])
    0.5
    """
    if not 0 < percent <= 100:
        raise ValueError(f"percent={percent} must be above 0 and at most 100.")
    count = math.ceil(percent / 100 * values.shape[-3] * values.shape[-2])
    if lowest:
        return mean_of_worst(values, count, weights)
    return -mean_of_worst(-values, count, weights)


def mean_of_worst(values: jax.Array, count: int, weights: jax.Array | None = None) -> jax.Array:
    """The mean of the lowest values.

    Args:
        values: Map `[..., H, W, C]`.
        count: How many values, from 1 on.
        weights: `[..., H, W]`; the lowest values that hold a share `count / (H W)` of the weights
            are averaged, of the last of them only the part that is needed. None weighs all alike.

    Returns:
        `[..., C]`.

    >>> values = jnp.array([1.0, 2.0, 6.0, 7.0]).reshape(1, 4, 1)
    >>> print(mean_of_worst(values, 2)[0], mean_of_worst(values, 2, jnp.array([[0, 3, 3, 0]]))[0])
    1.5 2.0
    """
    if weights is None:
        lowest, _ = jax.lax.top_k(-jnp.swapaxes(_flatten(values), -1, -2), count)
        return -jnp.mean(lowest, axis=-1)
    ranked, weights = rank(values, weights)
    cumulative = jnp.cumsum(weights, axis=-2)
    wanted = cumulative[..., -1:, :] * count / ranked.shape[-2]
    shares = jnp.clip(wanted - (cumulative - weights), 0, weights)
    return jnp.sum(shares * ranked, axis=-2) / jnp.sum(shares, axis=-2)


def largest(values: jax.Array) -> jax.Array:
    """The largest value, found by its place.

    The derivative of `jax.numpy.max` looks for values that equal the largest. A compiler may have
    computed the map twice, rounded otherwise, so that there is none, and 0 / 0 is not a number.

    Args:
        values: Map `[..., H, W, C]`.

    Returns:
        `[..., C]`; the gradient goes to the first of equal ones.

    >>> print(largest(jnp.array([1.0, 6.0, 2.0]).reshape(1, 3, 1)))
    [6.]
    """
    flat = _flatten(values)
    place = jnp.argmax(flat, axis=-2, keepdims=True)
    return jnp.take_along_axis(flat, place, axis=-2)[..., 0, :]


def median(values: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """The middle value, the mean of two where there are two.

    Args:
        values: Map `[..., H, W, C]`.
        weights: `[..., H, W]`, half of which lies on either side; None weighs all alike.

    Returns:
        `[..., C]`.

    >>> values = jnp.array([1.0, 2.0, 6.0]).reshape(1, 3, 1)
    >>> print(median(values)[0], median(values, jnp.array([[1, 0, 1]]))[0])
    2.0 3.5
    """
    if weights is None:
        return jnp.median(values, axis=(-3, -2))
    ranked, weights = rank(values, weights)
    cumulative = jnp.cumsum(weights, axis=-2)
    half = cumulative[..., -1:, :] / 2
    middle = [
        jnp.argmax(passed, -2, keepdims=True) for passed in (cumulative >= half, cumulative > half)
    ]
    lower, upper = (jnp.take_along_axis(ranked, place, axis=-2)[..., 0, :] for place in middle)
    return (lower + upper) / 2


def rank(values: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """All values of each channel, the lowest first, with their weights.

    Args:
        values: Map `[..., H, W, C]`.
        weights: `[..., H, W]`.

    Returns:
        Two arrays `[..., H * W, C]`; the largest weight is 1.

    >>> ranked, weights = rank(jnp.array([[[3.0], [1.0]]]), jnp.array([[8.0, 4.0]]))
    >>> ranked[:, 0].tolist(), weights[:, 0].tolist()
    ([1.0, 3.0], [0.5, 1.0])
    """
    weights = equal_if_zero(weights).astype(values.dtype)
    weights = weights / jnp.max(weights, axis=(-2, -1), keepdims=True)  # equal ones add up exactly
    weights = jnp.broadcast_to(weights[..., None], values.shape)
    pair = _flatten(values), _flatten(weights)
    ranked, weights = jax.lax.sort(pair, dimension=values.ndim - 3, num_keys=1)
    return ranked, weights


def _flatten(values: jax.Array) -> jax.Array:
    """Maps `[..., H, W, C]` as `[..., H * W, C]`."""
    return values.reshape(*values.shape[:-3], -1, values.shape[-1])


def standard_deviation(
    values: jax.Array, weights: jax.Array | None = None, *, sample: bool = False
) -> jax.Array:
    """The standard deviation over the map, as in GMSD; zero gradient on a constant map.

    Args:
        values: Map `[..., H, W, C]`.
        weights: As in `mean`.
        sample: Whether to divide by N - 1 (MATLAB's `std`) and not by N.

    Returns:
        `[..., C]`.

    >>> float(standard_deviation(jnp.array([1.0, 3.0]).reshape(1, 2, 1))[0])
    1.0
    """
    center = mean(values, weights)[..., None, None, :]
    variance = mean((values - center) ** 2, weights)
    count = values.shape[-3] * values.shape[-2]
    return safe_sqrt(variance * (count / (count - 1) if sample and count > 1 else 1.0))


def information_weights(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    window_size: int = 11,
    sigma: float = 1.5,
    noise_variance: float = 1e-3,
) -> jax.Array:
    """Local information content, to be used as `weights`.

    `log2((1 + var_x / n) (1 + var_y / n))`: the information that both images carry through a
    Gaussian channel with noise variance n (Wang and Shang, ICIP 2006, equation 4).

    Args:
        reference: `[..., H, W, C]` in [0, 1].
        distorted: The same shape.
        window_size: Taps of the Gaussian window.
        sigma: Its standard deviation in pixels.
        noise_variance: n, in the images' squared units.

    Returns:
        `[..., H, W]`, averaged over channels.

    >>> information_weights(jnp.ones((16, 16, 3)), jnp.ones((16, 16, 3))).shape
    (16, 16)
    """
    window = filters.gaussian_window(window_size, sigma)

    def information(images: jax.Array) -> jax.Array:
        local_mean = filters.correlate_separable(images, window, border="symmetric")
        power = filters.correlate_separable(images**2, window, border="symmetric")
        return jnp.log2(1 + jnp.maximum(power - local_mean**2, 0) / noise_variance)

    return jnp.mean(information(reference) + information(distorted), axis=-1)


def importance_mean(
    values: jax.Array, importance: jax.Array, weights: jax.Array | None = None
) -> jax.Array:
    """Mean of a map weighted by what a metric itself finds important, such as saliency.

    Args:
        values: Map `[..., H, W]`.
        importance: The same shape, at least zero; where it is zero everywhere, all places count
            alike.
        weights: Further weights of the same shape, or None.

    Returns:
        `[...]`.

    >>> float(importance_mean(jnp.array([[1.0, 3.0]]), jnp.array([[1.0, 3.0]])))
    2.5
    """
    importance = equal_if_zero(importance if weights is None else importance * weights)
    return jnp.sum(values * importance, (-2, -1)) / jnp.sum(importance, (-2, -1))


def halve_weights(weights: jax.Array | None) -> jax.Array | None:
    """The weights of images that are halved by a 2 x 2 mean; None stays None.

    >>> halve_weights(jnp.ones((5, 4))).shape
    (3, 2)
    """
    return None if weights is None else filters.downsample_box(weights[..., None], 2)[..., 0]


@overload
def block_weights(
    weights: jax.Array, size: int, height: int, width: int, *, first: int = 0
) -> jax.Array: ...
@overload
def block_weights(weights: None, size: int, height: int, width: int, *, first: int = 0) -> None: ...
def block_weights(
    weights: jax.Array | None, size: int, height: int, width: int, *, first: int = 0
) -> jax.Array | None:
    """The mean weight of square blocks that lie side by side.

    Args:
        weights: `[..., H, W]` for the full image, or None.
        size: Side of a block in pixels.
        height: Rows of blocks.
        width: Columns of blocks.
        first: Row and column of the first block's first pixel.

    Returns:
        `[..., height, width]`; None for None.

    >>> block_weights(jnp.eye(5), 2, 2, 2).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    if weights is None:
        return None
    inside = weights[..., first : first + height * size, first : first + width * size]
    blocks = inside.reshape(*weights.shape[:-2], height, size, width, size)
    return blocks.mean((-3, -1))


def spread_blocks(
    values: jax.Array, size: int, height: int, width: int, *, first: int = 0
) -> jax.Array:
    """The value of each block at all its pixels, zero where there is no block.

    Args:
        values: `[..., h, w, C]`, one for each block.
        size: Side of a block in pixels.
        height: Rows of the result.
        width: Columns of the result.
        first: As in `block_weights`.

    Returns:
        `[..., height, width, C]`.

    >>> spread_blocks(jnp.ones((1, 1, 1)), 2, 3, 4, first=1)[..., 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
    """
    pixels = jnp.repeat(jnp.repeat(values, size, axis=-3), size, axis=-2)
    after = [length - first - pixels.shape[axis] for length, axis in ((height, -3), (width, -2))]
    widths = [(0, 0)] * (values.ndim - 3) + [(first, number) for number in after] + [(0, 0)]
    return jnp.pad(pixels, widths)


@overload
def fit_weights(weights: jax.Array, factor: int, height: int, width: int) -> jax.Array: ...
@overload
def fit_weights(weights: None, factor: int, height: int, width: int) -> None: ...
def fit_weights(
    weights: jax.Array | None, factor: int, height: int, width: int
) -> jax.Array | None:
    """Brings weights `[..., H, W]` to a map made by down-sampling and a valid window.

    Args:
        weights: `[..., H, W]` for the full image, or None.
        factor: The factor by which the images were reduced (`filters.downsample_box`).
        height: Rows of the map; the surplus is cut off evenly, as a valid window does.
        width: Columns of the map.

    Returns:
        `[..., height, width]`, ones where nothing but zeros is left; None for None.

    >>> fit_weights(jnp.ones((20, 20)), 2, 4, 4).shape
    (4, 4)
    """
    if weights is None:
        return None
    weights = filters.downsample_box(weights[..., None], factor)[..., 0]
    top = (weights.shape[-2] - height) // 2
    left = (weights.shape[-1] - width) // 2
    return equal_if_zero(weights[..., top : top + height, left : left + width])


def _sum(values: jax.Array) -> jax.Array:
    """The sum over H and W, `[..., C]`."""
    by_rows = _sum_by_rows if values.shape[-1] > 1 else _sum_by_product
    return jax.lax.platform_dependent(
        values, cpu=by_rows, default=lambda values: jnp.sum(values, axis=(-3, -2))
    )


def _sum_by_rows(values: jax.Array) -> jax.Array:
    # In two steps that stay two: over both axes at once, XLA adds up C numbers at a time.
    return jnp.sum(jax.lax.optimization_barrier(jnp.sum(values, axis=-3)), axis=-2)


def _sum_by_product(values: jax.Array) -> jax.Array:
    """Rows added up by a product with ones, into which XLA fuses nothing.

    What it fuses into a sum over a last axis of 1 it computes one number at a time, up to 300 times
    as slowly as it writes and reads the map (jaxlib 0.10).
    """
    ones = jnp.ones(values.shape[-3], values.dtype)
    return jnp.sum(jnp.einsum("h,...hwc->...wc", ones, values, precision="highest"), axis=-2)


def equal_if_zero(weights: jax.Array) -> jax.Array:
    """Ones in place of weights `[..., H, W]` that are zero everywhere in their image.

    >>> equal_if_zero(jnp.zeros((1, 2))).tolist()
    [[1.0, 1.0]]
    """
    return jnp.where(jnp.sum(weights, axis=(-2, -1), keepdims=True) > 0, weights, 1)
