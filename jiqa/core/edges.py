"""Edge detectors with the conventions of MATLAB's `edge`, and the widths of edges.

Images are `[..., H, W, C]` in any units: each channel of each image is thresholded by itself.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_divide
from jiqa.core.filters import correlate_separable, gaussian_window, pad


def canny(
    images: jax.Array,
    *,
    sigma: float = math.sqrt(2),
    not_edges: float = 0.7,
    thresholds: tuple[float, float] | None = None,
) -> jax.Array:
    """Edges by Canny's method.

    Canny, "A computational approach to edge detection", IEEE TPAMI 8(6), 1986, as MATLAB's
    `edge(image, "canny")` of R2019 and later: derivatives of a Gaussian of `2 ceil(4 sigma) + 1`
    taps with replicated borders, local maxima along the interpolated gradient, a high threshold
    from a histogram of 64 bins, a low one of 0.4 of it, and neighbours in all eight directions.

    Args:
        images: `[..., H, W, C]`.
        sigma: Standard deviation of the Gaussian in pixels.
        not_edges: The share of pixels whose gradient is below the high threshold.
        thresholds: Low and high threshold relative to the largest gradient; None takes them from
            the histogram.

    Returns:
        Booleans `[..., H, W, C]`; False along the border.

    >>> image = jnp.where(jnp.arange(32) < 16, 0.0, 1.0) * jnp.ones((32, 1))
    >>> print(jnp.unique(jnp.nonzero(canny(image[..., None]))[1]))
    [15 16]
    """
    smoothing, derivative = _gaussian_and_derivative(sigma)
    horizontal = correlate_separable(images, smoothing, derivative, border="replicate")
    vertical = correlate_separable(images, derivative, smoothing, border="replicate")
    magnitude = jnp.hypot(horizontal, vertical)
    magnitude = safe_divide(magnitude, magnitude.max((-3, -2), keepdims=True))
    low, high = thresholds or _thresholds(magnitude, not_edges)
    weak = _is_local_maximum(horizontal, vertical, magnitude) & (magnitude > low)
    return _connected(weak, weak & (magnitude > high))


def vertical_edges(images: jax.Array, threshold: float | None = None) -> jax.Array:
    """Thinned edges between left and right: `edge(image, "sobel", threshold, "vertical")`.

    Args:
        images: `[..., H, W, C]`.
        threshold: Least Sobel response, on the scale of the images, where a step of s responds
            with s / 2; None is twice the root mean square response of each image.

    Returns:
        Booleans `[..., H, W, C]`.

    >>> image = jnp.where(jnp.arange(32) < 16, 0.0, 1.0) * jnp.ones((32, 1))
    >>> print(jnp.nonzero(vertical_edges(image[..., None])[8, :, 0])[0])
    [16]
    """
    smooth, difference = np.array([1.0, 2.0, 1.0]) / 8, np.array([-1.0, 0.0, 1.0])
    horizontal = correlate_separable(images, smooth, difference, border="replicate")
    vertical = correlate_separable(images, difference, smooth, border="replicate")
    power = horizontal**2
    cutoff = 4 * power.mean((-3, -2), keepdims=True) if threshold is None else threshold**2
    above, below = _neighbor(power, -1, 0), _neighbor(power, 1, 0)
    left, right = _neighbor(power, 0, -1), _neighbor(power, 0, 1)
    # Beyond the border everything is lower. Maxima along columns count too, as in MATLAB.
    steep = jnp.abs(horizontal) >= jnp.abs(vertical) - 100 * np.finfo(float).eps
    across = steep & (left <= power) & (power > right)
    along = (above <= power) & (power > below)
    return (power > cutoff) & (across | along)


def edge_widths(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How far brightness rises, and how far it falls, from left to right through each pixel.

    Marziliano, Dufaux, Winkler and Ebrahimi, "Perceptual blur and ringing metrics: application to
    JPEG2000", Signal Processing: Image Communication 19(2), 2004, in the convention of the authors
    of JNB and CPBD: two pixels, and on either side one for each strict step beyond the direct
    neighbour, at most 100.

    Args:
        images: `[..., H, W, C]`.

    Returns:
        The widths in pixels of a rise and of a fall, integers `[..., H, W, C]`.

    >>> ramp = jnp.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0]).reshape(1, 8, 1)
    >>> print(edge_widths(ramp)[0].ravel())
    [2 5 4 3 3 4 5 2]
    """
    steps = jnp.diff(images, axis=-2)
    rise, fall = (_monotone_width(monotone) for monotone in (steps > 0, steps < 0))
    return rise, fall


def whole_levels(levels: jax.Array) -> jax.Array:
    """Makes levels whole that are whole but for the rounding of k / 255.

    Edges are decided by comparing neighbours, which in images of whole levels are often equal.

    Args:
        levels: Images of any shape on 0 to 255.

    Returns:
        The levels, rounded where they are within 1e-4 of a whole number.

    >>> print(whole_levels(jnp.array([2.99999, 3.5])))
    [3.  3.5]
    """
    whole = jnp.round(levels)
    return jnp.where(jnp.abs(levels - whole) < 1e-4, whole, levels)


def _gaussian_and_derivative(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The windows of MATLAB's Canny; the derivative's halves each have a sum of one."""
    smoothing = gaussian_window(2 * math.ceil(4 * sigma) + 1, sigma)
    derivative = -np.gradient(smoothing)
    return smoothing, derivative / derivative[derivative > 0].sum()


def _thresholds(magnitude: jax.Array, not_edges: float) -> tuple[jax.Array, jax.Array]:
    """Low and high threshold: the upper end of the quantile's bin, of 64, and 0.4 of it."""
    *batch, height, width, channels = magnitude.shape
    ranked = jnp.sort(magnitude.reshape(*batch, 1, height * width, channels), axis=-2)
    rank = math.floor(not_edges * height * width)
    quantile = ranked[..., rank : rank + 1, :]
    high = (jnp.floor(63 * quantile + 0.5) + 1) / 64
    return 0.4 * high, high


def _is_local_maximum(
    horizontal: jax.Array, vertical: jax.Array, magnitude: jax.Array
) -> jax.Array:
    """Whether the magnitude is no less than both ways along the gradient; False on the border."""
    flat = jnp.abs(horizontal) >= jnp.abs(vertical)
    larger = jnp.where(flat, horizontal, vertical)
    share = jnp.abs(safe_divide(jnp.where(flat, vertical, horizontal), larger))
    down_right = horizontal * vertical > 0

    def ahead(sign: int) -> jax.Array:
        straight = jnp.where(flat, _neighbor(magnitude, 0, sign), _neighbor(magnitude, sign, 0))
        falling = _neighbor(magnitude, sign, sign)
        rising = jnp.where(
            flat, _neighbor(magnitude, -sign, sign), _neighbor(magnitude, sign, -sign)
        )
        return straight * (1 - share) + jnp.where(down_right, falling, rising) * share

    interior = np.zeros((*magnitude.shape[-3:-1], 1), bool)
    interior[1:-1, 1:-1] = True
    return (magnitude >= ahead(1)) & (magnitude >= ahead(-1)) & interior


def _neighbor(images: jax.Array, down: int, right: int) -> jax.Array:
    """The pixel so many steps away, minus infinity beyond the border."""
    height, width = images.shape[-3:-1]
    widths = [(0, 0)] * (images.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
    padded = jnp.pad(images, widths, constant_values=-jnp.inf)
    return padded[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width, :]


def _connected(weak: jax.Array, strong: jax.Array) -> jax.Array:
    """The pixels of `weak` that a path in it, in eight directions, connects with `strong`."""
    height, width = weak.shape[-3:-1]

    def grow(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reached, _ = state
        padded = pad(reached, 3, 3, "zero")
        rows = [padded[..., i : i + height, :, :] for i in range(3)]
        column = rows[0] | rows[1] | rows[2]
        around = [column[..., i : i + width, :] for i in range(3)]
        grown = (around[0] | around[1] | around[2]) & weak
        return grown, jnp.any(grown != reached)

    return jax.lax.while_loop(lambda state: state[1], grow, (strong, jnp.any(strong)))[0]


def _monotone_width(monotone: jax.Array) -> jax.Array:
    """Two and the lengths of the runs of steps that start one beyond each pixel's neighbours."""
    count = monotone.shape[-2]
    places = jnp.arange(count)[:, None]
    axis = monotone.ndim - 2
    ends = jax.lax.cummin(jnp.where(monotone, count, places), axis=axis, reverse=True)
    starts = jax.lax.cummax(jnp.where(monotone, -1, places), axis=axis)
    widths = [(0, 0)] * (monotone.ndim - 2)
    # Pixel n looks to the right from step n + 1 and to the left from step n - 2.
    right = jnp.pad((ends - places)[..., 1:, :], [*widths, (0, 2), (0, 0)])
    left = jnp.pad((places - starts)[..., :-1, :], [*widths, (2, 0), (0, 0)])
    return 2 + jnp.minimum(right, 100) + jnp.minimum(left, 100)
