"""Natural-scene statistics: locally normalised coefficients and the distributions fitted to them.

Luminances of natural images, less their local mean and divided by their local deviation, follow a
generalised Gaussian whose shape and spread change with distortion; products of neighbours follow an
asymmetric one. Fits match moments and reduce over given axes, so any number of images or patches is
fitted at once.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from jiqa.core.arrays import pass_through, safe_divide, safe_sqrt
from jiqa.core.filters import Border, check_window_fits, correlate_separable, gaussian_window

Axes = int | tuple[int, ...]

NEWTON_STEPS = 5  # and one more for the gradient: from the start by moments, to the last digits


class GeneralizedGaussian(NamedTuple):
    """Zero-mean density proportional to `exp(-(|x| / beta) ** alpha)`.

    Attributes:
        shape: alpha; 1 is Laplacian, 2 is Gaussian.
        deviation: sigma, the standard deviation.

    >>> print(np.round(GeneralizedGaussian(jnp.array(2.0), jnp.array(1.0)).scale ** 2, 4))
    2.0
    """

    shape: jax.Array
    deviation: jax.Array

    @property
    def scale(self) -> jax.Array:
        """Beta, `sigma * sqrt(gamma(1 / alpha) / gamma(3 / alpha))`."""
        return self.deviation * _scale_of_unit_deviation(self.shape)


class AsymmetricGeneralizedGaussian(NamedTuple):
    """Density with mode zero and `exp(-(|x| / beta) ** nu)` with its own beta on either side.

    Attributes:
        shape: nu (alpha in the BRISQUE code).
        left_deviation: sigma_l, root mean square of the negative side.
        right_deviation: sigma_r, root mean square of the positive side.

    >>> fit = AsymmetricGeneralizedGaussian(jnp.array(2.0), jnp.array(1.0), jnp.array(1.0))
    >>> float(fit.mean)
    0.0
    """

    shape: jax.Array
    left_deviation: jax.Array
    right_deviation: jax.Array

    @property
    def left_scale(self) -> jax.Array:
        """beta_l, the scale of the negative side."""
        return self.left_deviation * _scale_of_unit_deviation(self.shape)

    @property
    def right_scale(self) -> jax.Array:
        """beta_r, the scale of the positive side."""
        return self.right_deviation * _scale_of_unit_deviation(self.shape)

    @property
    def mean_scale(self) -> jax.Array:
        """The mean of both scales, which NIQE takes of what is about symmetric."""
        return (self.left_scale + self.right_scale) / 2

    @property
    def is_two_sided(self) -> jax.Array:
        """Whether there were values on both sides."""
        return jnp.minimum(self.left_deviation, self.right_deviation) > 0

    @property
    def mean(self) -> jax.Array:
        """Eta, `(beta_r - beta_l) * gamma(2 / nu) / gamma(1 / nu)`."""
        ratio = jnp.exp(gammaln(2 / self.shape) - gammaln(1 / self.shape))
        return (self.right_scale - self.left_scale) * ratio


def local_mean_and_deviation(
    images: jax.Array,
    *,
    window_size: int = 7,
    sigma: float = 7 / 6,
    border: Border = "replicate",
) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation under a Gaussian window around each pixel.

    Args:
        images: `[..., H, W, C]`.
        window_size: Taps of the window along either axis.
        sigma: Standard deviation of the window in pixels.
        border: As in `jiqa.core.filters.correlate_separable`.

    Returns:
        Two arrays `[..., H, W, C]` (smaller for border "valid") in the units of the images.

    Raises:
        ValueError: Unknown border, or "valid" and an image smaller than the window.

    >>> mean, deviation = local_mean_and_deviation(jnp.zeros((5, 5, 1)))
    >>> float(mean.max()), float(deviation.max())
    (0.0, 0.0)
    """
    window = gaussian_window(window_size, sigma)
    mean = correlate_separable(images, window, border=border)
    mean_of_square = correlate_separable(images**2, window, border=border)
    return mean, safe_sqrt(jnp.abs(mean_of_square - mean**2))


def mscn(
    images: jax.Array,
    *,
    window_size: int = 7,
    sigma: float = 7 / 6,
    constant: float = 1.0,
    border: Border = "replicate",
) -> jax.Array:
    """Mean-subtracted, contrast-normalised coefficients: (image - mean) / (deviation + constant).

    The defaults are those of NIQE (Mittal, Soundararajan and Bovik, 2013); BRISQUE (Mittal, Moorthy
    and Bovik, 2012, equations 1 to 3) has the same window and border "zero".

    Where a pixel equals its local mean but for rounding, as in flat areas, the coefficient is
    exactly 0. The authors' code gives rounding noise there, whose signs a fit counts: values that
    depend on the order of a sum, and so on the machine.

    Args:
        images: `[..., H, W, C]`, on 0 to 255 for the default constant.
        window_size: As in `local_mean_and_deviation`.
        sigma: As in `local_mean_and_deviation`.
        constant: Added to the deviation, in the units of the images; positive.
        border: Any but "valid", which would not keep the size of the images.

    Returns:
        `[..., H, W, C]`, without unit.

    Raises:
        ValueError: Unknown border, or "valid".

    >>> print(jnp.abs(mscn(jnp.full((9, 9, 1), 64.1))).max())
    0.0
    """
    if border == "valid":
        raise ValueError("border='valid' shrinks the local mean; use one that keeps the size.")
    mean, deviation = local_mean_and_deviation(
        images, window_size=window_size, sigma=sigma, border=border
    )
    centered = images - mean
    rounding = 4 * float(jnp.finfo(images.dtype).eps) * jnp.abs(mean)
    noise = jnp.where(jnp.abs(centered) <= rounding, centered, 0)
    return (centered - jax.lax.stop_gradient(noise)) / (deviation + constant)


def neighbor_products(coefficients: jax.Array, axes: tuple[int, int] = (-3, -2)) -> list[jax.Array]:
    """Products with the neighbours to the left, above, above left and below left.

    The statistics of BRISQUE and NIQE, in the order of their authors' code; what leaves an edge
    comes in at the opposite one.

    Args:
        coefficients: As `mscn` returns them, any shape.
        axes: The axes of rows and columns.

    Returns:
        Four arrays of the same shape.

    >>> [product.ravel().tolist() for product in neighbor_products(jnp.array([[[1.0], [2.0]]]))]
    [[2.0, 2.0], [1.0, 4.0], [2.0, 2.0], [2.0, 2.0]]
    """
    shifts = ((0, 1), (1, 0), (1, 1), (-1, 1))
    return [coefficients * jnp.roll(coefficients, shift, axes) for shift in shifts]


def fit_ggd(values: jax.Array, *, axis: Axes = -1, nearest: bool = True) -> GeneralizedGaussian:
    """Fits a zero-mean generalised Gaussian by its first absolute and second moment.

    Sharifi and Leon-Garcia, "Estimation of shape parameter for generalized Gaussian distributions
    in subband decompositions of video", IEEE TCSVT 5(1), 1995: the shape solves
    `gamma(1/a) gamma(3/a) / gamma(2/a)**2 = E[x**2] / E[|x|]**2`.

    Args:
        values: Samples, any shape.
        axis: Axes that hold the samples of one fit.
        nearest: True takes the shape from the grid 0.2, 0.201, ..., 10 whose ratio is nearest, as
            the code of BRISQUE does; its gradient is that of False, which interpolates the grid
            linearly and so is continuous.

    Returns:
        `GeneralizedGaussian` of arrays without `axis`. All-zero values give shape 0.2 and
        deviation 0, other values of constant magnitude shape 10.

    >>> fit = fit_ggd(jnp.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    >>> print(np.round(np.asarray(fit.shape), 3), np.round(fit.deviation**2, 3))
    5.033 2.0
    """
    shapes, ratios = _shape_table()
    ratio, deviation = _moment_ratio(values, axis)
    return GeneralizedGaussian(_solve_shape(-1 / ratio, -1 / ratios, shapes, nearest), deviation)


def fit_aggd(
    values: jax.Array, *, axis: Axes = -1, nearest: bool = True
) -> AsymmetricGeneralizedGaussian:
    """Fits an asymmetric generalised Gaussian by its one-sided second moments.

    Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis",
    ICIP 2009, as in BRISQUE (Mittal, Moorthy and Bovik, 2012, equations 9 to 14): the shape solves
    `gamma(2/a)**2 / (gamma(1/a) gamma(3/a)) = R`, with the moments' ratio `R` corrected for the
    asymmetry.

    Args:
        values: Samples, any shape; zeros belong to neither side.
        axis: As in `fit_ggd`.
        nearest: As in `fit_ggd`.

    Returns:
        `AsymmetricGeneralizedGaussian` of arrays without `axis`. A side without values has
        deviation 0, where the authors' code gives NaN; all-zero values give shape 0.2.

    >>> fit = fit_aggd(jnp.array([-1.0, -1.0, 2.0, 4.0]))
    >>> print(fit.left_deviation, np.round(fit.right_deviation ** 2, 3))
    1.0 10.0
    """
    shapes, ratios = _shape_table()
    ratio, _ = _moment_ratio(values, axis)
    left = _root_mean_square_where(values < 0, values, axis)
    right = _root_mean_square_where(values > 0, values, axis)
    # (l^3 + r^3)(l + r) / (l^2 + r^2)^2 of shares that sum to one, so that tiny values do not
    # underflow; the papers write it with l / r.
    left_share = safe_divide(left, left + right, fill=0.5)
    right_share = 1 - left_share
    asymmetry = (left_share**3 + right_share**3) / (left_share**2 + right_share**2) ** 2
    shape = _solve_shape(ratio * asymmetry, ratios, shapes, nearest)
    return AsymmetricGeneralizedGaussian(shape, left, right)


class Weibull(NamedTuple):
    """Density of positive numbers proportional to `x**(k - 1) exp(-(x / scale)**k)`.

    Attributes:
        scale: In the units of the numbers.
        shape: k; 1 is exponential, 2 is Rayleigh.
    """

    scale: jax.Array
    shape: jax.Array


def fit_weibull(values: jax.Array, *, axis: Axes = -1, largest_shape: float = 1e4) -> Weibull:
    """Fits a Weibull distribution by maximum likelihood, as MATLAB's `wblfit`.

    The shape solves `sum(x^k log x) / sum(x^k) - 1 / k = mean(log x)`, a monotone equation, by
    Newton's steps from the moments of the logarithm (Menon, 1963).

    Args:
        values: Positive samples, any shape.
        axis: Axes that hold the samples of one fit.
        largest_shape: What equal samples have, of which the likelihood has no maximum.

    Returns:
        `Weibull` of arrays without `axis`.

    >>> fit = fit_weibull(jax.random.exponential(jax.random.key(0), (10_000,)))
    >>> print(fit.scale.round(1), fit.shape.round(1))
    1.0 1.0
    """
    logs = jnp.log(values)
    deviation = jnp.sqrt(jax.lax.stop_gradient(logs.var(axis, keepdims=True)))
    varies = deviation > math.pi / math.sqrt(6) / largest_shape
    top = jax.lax.stop_gradient(logs.max(axis, keepdims=True))
    logs = jnp.where(varies, logs - top, 0)  # at most zero, so that no power is too large
    mean = logs.mean(axis, keepdims=True)

    def step(shape: jax.Array) -> jax.Array:
        powers = jnp.exp(shape * logs)
        total = powers.sum(axis, keepdims=True)
        first = (powers * logs).sum(axis, keepdims=True) / total
        second = (powers * logs**2).sum(axis, keepdims=True) / total
        excess = first - 1 / shape - mean
        slope = second - first**2 + 1 / shape**2
        return shape - excess / jax.lax.stop_gradient(slope)

    start = jnp.where(varies, math.pi / math.sqrt(6) / deviation, 1)
    shape = jax.lax.fori_loop(0, NEWTON_STEPS, lambda _, k: jnp.maximum(step(k), k / 2), start)
    # The equation's own gradient is that of one more step.
    shape = step(jax.lax.stop_gradient(shape))
    power_mean = jnp.exp(shape * logs).mean(axis, keepdims=True)
    scale = jnp.exp(top + jnp.log(power_mean) / shape)
    shape = jnp.where(varies, shape, largest_shape)
    return Weibull(jnp.squeeze(scale, axis), jnp.squeeze(shape, axis))


def _moment_ratio(values: jax.Array, axis: Axes) -> tuple[jax.Array, jax.Array]:
    """`E[|x|]**2 / E[x**2]`, on zeros the first of the table, and `sqrt(E[x**2])`."""
    deviation = safe_sqrt(jnp.mean(values**2, axis))
    smallest = math.sqrt(_shape_table()[1][0])
    return safe_divide(jnp.mean(jnp.abs(values), axis), deviation, smallest) ** 2, deviation


def _root_mean_square_where(chosen: jax.Array, values: jax.Array, axis: Axes) -> jax.Array:
    total = jnp.sum(jnp.where(chosen, values**2, 0), axis)
    return safe_sqrt(safe_divide(total, jnp.sum(chosen, axis).astype(values.dtype)))


def _scale_of_unit_deviation(shape: jax.Array) -> jax.Array:
    return jnp.exp((gammaln(1 / shape) - gammaln(3 / shape)) / 2)


@functools.cache
def _shape_table() -> tuple[np.ndarray, np.ndarray]:
    """The authors' grid of shapes and `E[|x|]**2 / E[x**2]` of each, both increasing."""
    shapes = np.linspace(0.2, 10, 9801)
    gamma = np.vectorize(math.gamma)
    return shapes, gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))


def _solve_shape(
    ratio: jax.Array, ratios: np.ndarray, shapes: np.ndarray, nearest: bool
) -> jax.Array:
    """The shape whose tabulated ratio is `ratio`; beyond the table its first or last shape."""
    smooth = jnp.interp(ratio, jnp.asarray(ratios, ratio.dtype), jnp.asarray(shapes, ratio.dtype))
    if not nearest:
        return smooth
    midpoints = jnp.asarray((ratios[:-1] + ratios[1:]) / 2, ratio.dtype)
    found = jnp.asarray(shapes, ratio.dtype)[jnp.searchsorted(midpoints, ratio)]
    return pass_through(found, smooth)


def scene_statistics(levels: jax.Array, *, nearest: bool = True) -> jax.Array:
    """Statistics of natural scenes of Mittal, Moorthy and Bovik (BRISQUE, 2012), at one scale.

    Args:
        levels: `[..., H, W, C]`, on 0 to 255.
        nearest: As in `fit_ggd` and `fit_aggd`.

    Returns:
        `[..., C, 18]`: shape and variance of the normalised coefficients, then shape, mean and both
        variances of their products with neighbours.

    >>> scene_statistics(jnp.zeros((9, 9, 3))).shape
    (3, 18)
    """
    coefficients = mscn(levels, border="zero")
    own = fit_ggd(coefficients, axis=(-3, -2), nearest=nearest)
    features = [own.shape, own.deviation**2]
    for product in neighbor_products(coefficients):
        fit = fit_aggd(product, axis=(-3, -2), nearest=nearest)
        features += [fit.shape, fit.mean, fit.left_deviation**2, fit.right_deviation**2]
    return jnp.stack(features, -1)


def solve_positive_definite(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solves small symmetric, positive definite systems by elimination in order, which is stable.

    In place of `jnp.linalg.solve`, because the LAPACK calls of jaxlib 0.10 can wait for ever in a
    program of many small systems on several CPU devices.

    Args:
        matrix: `[..., n, n]`.
        right: `[..., n, m]`.

    Returns:
        `[..., n, m]`.

    >>> print(solve_positive_definite(jnp.diag(jnp.array([2.0, 4.0])), jnp.ones((2, 1)))[:, 0])
    [0.5  0.25]
    """
    size = matrix.shape[-1]

    def eliminate(rows: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
        pivot = jnp.take(rows, step, axis=-2)
        pivot = pivot / jnp.take(pivot, step, axis=-1)[..., None]
        factors = jnp.take(rows, step, axis=-1)[..., None]
        own = (jnp.arange(size) == step)[:, None]
        return jnp.where(own, pivot[..., None, :], rows - factors * pivot[..., None, :]), None

    rows = jnp.concatenate([matrix, right], -1)
    return jax.lax.scan(eliminate, rows, jnp.arange(size))[0][..., size:]


def median_of_nonnegative(values: jax.Array) -> jax.Array:
    """The median of numbers that are at least zero, found bit by bit instead of by sorting.

    As bits, such floats are in the order of whole numbers; each bit of the median takes one count.
    On a CPU that is ten times faster than XLA's sort.

    Args:
        values: `[..., N]` of float32 or float64, at least zero.

    Returns:
        `[...]`, the mean of the middle two where N is even. Its gradient goes to the values equal
        to it, in equal parts.

    >>> median_of_nonnegative(jnp.array([3.0, 0.0, 1.0, 8.0])).item()
    2.0
    """
    count = values.shape[-1]
    return (_select(values, (count - 1) // 2) + _select(values, count // 2)) / 2


def _select(values: jax.Array, place: int) -> jax.Array:
    """The number that is at this place when they are sorted."""
    width = 8 * values.dtype.itemsize
    unsigned = jnp.dtype(f"uint{width}")
    numbers = jax.lax.bitcast_convert_type(jax.lax.stop_gradient(values), unsigned)

    def set_bit(step: jax.Array, found: jax.Array) -> jax.Array:
        more = found | jnp.left_shift(jnp.ones((), unsigned), (width - 2 - step).astype(unsigned))
        below = jnp.sum(numbers < more[..., None], -1, dtype=jnp.int32)
        return jnp.where(below <= place, more, found)

    found = jax.lax.fori_loop(0, width - 1, set_bit, jnp.zeros_like(numbers[..., 0]))
    equal = numbers == found[..., None]
    change = jnp.where(equal, values - jax.lax.stop_gradient(values), 0).sum(-1)
    return jax.lax.bitcast_convert_type(found, values.dtype) + change / equal.sum(-1)


class WindowMoments(NamedTuple):
    """Means and sums of squared deviations of two images in windows of `number` pixels."""

    number: int
    mean_x: jax.Array
    mean_y: jax.Array
    squares_x: jax.Array
    squares_y: jax.Array
    products: jax.Array


def window_moments(reference: jax.Array, distorted: jax.Array, size: int) -> WindowMoments:
    """Moments in every `size` x `size` window, by merging smaller windows pairwise.

    Two neighbouring windows of n and m pixels with means a and b and sums of squared deviations S
    and T merge to `S + T + (a - b)^2 n m / (n + m)` (Chan, Golub and LeVeque, 1979): no
    cancellation, and six steps for an 8 x 8 window.

    Args:
        reference: `[..., H, W, C]`, floating.
        distorted: The same shape.
        size: Side of the window.

    Returns:
        Moments of shape `[..., H - size + 1, W - size + 1, C]`.

    Raises:
        ValueError: The image is smaller than the window.

    >>> moments = window_moments(jnp.ones((9, 9, 1)), jnp.zeros((9, 9, 1)), 8)
    >>> moments.number, float(moments.squares_x.sum())
    (64, 0.0)
    """
    check_window_fits(reference.shape, size, size)
    nothing = jnp.zeros_like(reference)
    moments = WindowMoments(1, reference, distorted, nothing, nothing, nothing)
    for axis in (reference.ndim - 2, reference.ndim - 3):
        moments = _grow(moments, size, axis)
    return moments


def _grow(single: WindowMoments, size: int, axis: int) -> WindowMoments:
    """Windows of `size` along an axis: doubled, and extended by one, as the bits of `size` say."""
    grown, length = single, 1
    for bit in bin(size)[3:]:
        grown, length = _merge(grown, grown, length, axis), 2 * length
        if bit == "1":
            grown, length = _merge(grown, single, length, axis), length + 1
    return grown


def _merge(first: WindowMoments, second: WindowMoments, offset: int, axis: int) -> WindowMoments:
    """Merges each window of `first` with the one of `second` that starts `offset` later."""
    length = second.mean_x.shape[axis] - offset

    def cut(moment: jax.Array, start: int) -> jax.Array:
        return jax.lax.slice_in_dim(moment, start, start + length, axis=axis)

    n, m = first.number, second.number
    share = n * m / (n + m)
    x1, y1, xx1, yy1, xy1 = (cut(moment, 0) for moment in first[1:])
    x2, y2, xx2, yy2, xy2 = (cut(moment, offset) for moment in second[1:])
    return WindowMoments(
        number=n + m,
        mean_x=(n * x1 + m * x2) / (n + m),
        mean_y=(n * y1 + m * y2) / (n + m),
        squares_x=xx1 + xx2 + share * (x1 - x2) ** 2,
        squares_y=yy1 + yy2 + share * (y1 - y2) ** 2,
        products=xy1 + xy2 + share * (x1 - x2) * (y1 - y2),
    )
