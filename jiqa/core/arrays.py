"""Checks of image arrays, their range and dtype, and arithmetic that is safe to differentiate.

Every metric passes its images through `check_images` and `to_float` (the decorator of
`jiqa.core.registry` does it), so that a wrong shape or range is an error with a remedy and never a
plausible number. Square roots, divisions, powers and logarithms that can meet a zero live here, so
that gradients are finite on black, constant and identical images.
"""

import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jiqa.kernels.precision import compute_dtype

INTEGER_RANGES = {"uint8": 255.0, "uint16": 65535.0}
AnyArray = jax.Array | np.ndarray

# (arctan(z) / z - 1) / z^2 by z^2 from 0 to tan(pi / 8)^2: at Chebyshev's points, good to 1e-9.
ARC_TANGENT = (-0.0645192816, 0.107437315, -0.142639556, 0.199995405, -0.333333318)

FLOAT_TYPES = ("float32", "float64", "bfloat16", "float16")


def safe_sqrt(x: jax.Array) -> jax.Array:
    """Square root whose value and gradient are zero where `x <= 0`.

    Args:
        x: Array of any shape.

    Returns:
        `sqrt(x)`; NaN stays NaN.

    >>> float(jax.grad(safe_sqrt)(0.0))
    0.0
    """
    zero = x <= 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def safe_divide(numerator: jax.Array, denominator: jax.Array, fill: ArrayLike = 0.0) -> jax.Array:
    """Quotient that is `fill`, with zero gradient, where the denominator is zero.

    Args:
        numerator: Array of any shape.
        denominator: Array that broadcasts with it.
        fill: The value of `x / 0`.

    Returns:
        `numerator / denominator`, broadcast.

    >>> float(safe_divide(3.0, 0.0, fill=1.0))
    1.0
    """
    zero = denominator == 0
    return jnp.where(zero, fill, numerator / jnp.where(zero, 1, denominator))


def map_difference(
    function: Callable[[jax.Array], jax.Array], x: jax.Array, y: jax.Array
) -> jax.Array:
    """`function(x - y)`, pixel by pixel, whose gradient computes the difference anew.

    A sum that has to keep the difference for its gradient takes XLA for CPUs eight times as long.

    >>> print(map_difference(jnp.abs, jnp.array([1.0, 2.0]), jnp.array([3.0, 1.0])))
    [2. 1.]
    """
    return jax.checkpoint(lambda x, y: function(x - y))(x, y)


def to_unit(x: jax.Array) -> jax.Array:
    """Vectors along the last axis, divided by their length; zeros stay zeros.

    >>> print(to_unit(jnp.array([3.0, 4.0])))
    [0.6 0.8]
    """
    return safe_divide(x, safe_sqrt(jnp.sum(x * x, -1, keepdims=True)))


def similarity(x: jax.Array, y: jax.Array, constant: ArrayLike) -> jax.Array:
    """How alike two features are, `(2 x y + c) / (x^2 + y^2 + c)`.

    Args:
        x: Array of any shape.
        y: Array that broadcasts with it.
        constant: c, positive, in squared units of the features.

    Returns:
        At most 1, exactly 1 where x equals y.

    >>> float(similarity(0.3, 0.3, 1e-4))
    1.0
    """
    return 1 - (x - y) ** 2 / (x**2 + y**2 + constant)


def safe_power(base: jax.Array, exponent: ArrayLike) -> jax.Array:
    """Power of the positive part of `base`, with zero gradient where `base <= 0`.

    Args:
        base: Array of any shape.
        exponent: A positive number, or an array of them.

    Returns:
        `max(base, 0) ** exponent`; NaN stays NaN.

    >>> float(jax.grad(lambda x: safe_power(x, 0.3))(0.0))
    0.0
    """
    # Not `**`, which CPUs compute one number at a time; subnormal numbers have no logarithm there.
    zero = base < jnp.finfo(jnp.result_type(base, float)).tiny
    return jnp.where(zero, 0, jnp.exp(exponent * jnp.log(jnp.where(zero, 1, base))))


def signed_power(base: jax.Array, exponent: float) -> jax.Array:
    """The real part of a power whose base may be negative, as in FSIMc and VSI.

    Args:
        base: Array of any shape.
        exponent: A positive number.

    Returns:
        `|base| ** exponent`, times `cos(pi * exponent)` where the base is negative; at 0 value and
        gradient are zero.

    >>> float(signed_power(-4.0, 0.5).round(6) + 0)
    0.0
    """
    turned = jnp.where(base < 0, math.cos(math.pi * exponent), 1.0)
    return safe_power(jnp.abs(base), exponent) * turned


@jax.custom_jvp
def arctan2(y: jax.Array, x: jax.Array) -> jax.Array:
    """The angle of the point (x, y), as `jax.numpy.arctan2` and in single precision far faster.

    CPUs compute that one number at a time. Here the angle from the nearest of the eight half axes
    and diagonals, below 22.5 degrees, is a polynomial.

    Args:
        y: Array of any shape.
        x: Of the same shape.

    Returns:
        Angles in [-pi, pi], 0 for (0, 0), within 4e-7 in single precision.

    >>> float(arctan2(jnp.float32(1), jnp.float32(-1)) / jnp.pi)
    0.75
    """
    if jnp.result_type(y, x) != jnp.float32:
        return jnp.arctan2(y, x)
    long, short = jnp.maximum(jnp.abs(x), jnp.abs(y)), jnp.minimum(jnp.abs(x), jnp.abs(y))
    slope = safe_divide(short, long)
    diagonal = slope > math.tan(math.pi / 8)
    slope = jnp.where(diagonal, (slope - 1) / (slope + 1), slope)
    square = slope**2
    angle = slope + slope * square * jnp.polyval(jnp.array(ARC_TANGENT, jnp.float32), square)
    angle = jnp.where(diagonal, math.pi / 4, 0) + angle
    angle = jnp.where(jnp.abs(y) > jnp.abs(x), math.pi / 2 - angle, angle)
    angle = jnp.where(x < 0, math.pi - angle, angle)
    return jnp.where(y < 0, -angle, angle)


@arctan2.defjvp
def _arctan2_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (y, x), (dy, dx) = primals, tangents
    return arctan2(y, x), safe_divide(x * dy - y * dx, x**2 + y**2)


@jax.custom_jvp
def pass_through(value: jax.Array, smooth: jax.Array) -> jax.Array:
    """The value, with the gradient of what it was rounded from.

    Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons
    for conditional computation", 2013 (the straight-through estimator).

    Args:
        value: Array of any shape; no gradient flows through it.
        smooth: The same shape and dtype; it has the gradient.

    Returns:
        `value`.

    >>> float(jax.grad(lambda x: pass_through(jnp.round(3 * x), 3 * x))(0.4))
    3.0
    """
    del smooth
    return value


@pass_through.defjvp
def _pass_through_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    return pass_through(*primals), tangents[1]


def safe_log(x: jax.Array) -> jax.Array:
    """Natural logarithm of `x` clipped from below to the smallest normal number of its dtype.

    Args:
        x: Floating array of any shape.

    Returns:
        `log(x)`, finite and with zero gradient where `x <= 0`; NaN stays NaN.

    >>> bool(jnp.isfinite(safe_log(jnp.float32(0))))
    True
    """
    x = jnp.asarray(x)
    return jnp.log(jnp.maximum(x, jnp.finfo(x.dtype).tiny))


def is_concrete(array: ArrayLike) -> bool:
    """Whether the values of `array` can be looked at now: not traced, and all on this host.

    >>> is_concrete(np.zeros(3))
    True
    """
    if isinstance(array, jax.core.Tracer):
        return False
    return not isinstance(array, jax.Array) or array.is_fully_addressable


def check_images(metric: str, images: Mapping[str, AnyArray]) -> None:
    """Checks that arrays are images `[..., H, W, C]` of one shape and dtype.

    Args:
        metric: Name of the caller, for the message.
        images: The arrays by the names of their arguments.

    Raises:
        TypeError: Not an array, or a dtype that is neither float, uint8 nor uint16, or two dtypes.
        ValueError: Fewer than three axes, a last axis that is not 1 or 3, no pixels, two shapes.

    >>> check_images("ssim", {"reference": np.zeros((3, 8, 8))})
    Traceback (most recent call last):
    ValueError: ssim: `reference` has shape (3, 8, 8); the last axis must hold 1 or 3 channels. It \
looks like channels first: use jnp.moveaxis(reference, -3, -1).
    """
    for name, image in images.items():
        if not (hasattr(image, "shape") and hasattr(image, "dtype")):
            raise TypeError(
                f"{metric}: `{name}` is a {type(image).__name__}; give a NumPy or JAX array."
            )
        _check_shape(f"{metric}: `{name}` has shape {tuple(image.shape)}", name, image.shape)
        dtype = str(image.dtype)
        if dtype not in INTEGER_RANGES and dtype not in FLOAT_TYPES:
            raise TypeError(
                f"{metric}: `{name}` has dtype {dtype}; images are floating arrays in "
                "[0, data_range], or uint8 or uint16."
            )
    _check_alike(metric, images, "shape", ValueError, "give images of one size; crop or resize.")
    _check_alike(metric, images, "dtype", TypeError, "convert one to the dtype and range of other.")


def _check_shape(found: str, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 3:
        remedy = f" Add the channel axis: {name}[..., None]." if len(shape) == 2 else ""
        raise ValueError(f"{found}; images are [..., height, width, channels].{remedy}")
    if shape[-1] not in (1, 3):
        remedy = "Convert to grey or RGB."
        if shape[-3] in (1, 3):
            remedy = f"It looks like channels first: use jnp.moveaxis({name}, -3, -1)."
        raise ValueError(f"{found}; the last axis must hold 1 or 3 channels. {remedy}")
    if 0 in shape[-3:]:
        raise ValueError(f"{found}; an image has at least one pixel.")


def _check_alike(
    metric: str, images: Mapping[str, AnyArray], fact: str, error: type[Exception], remedy: str
) -> None:
    facts = {name: getattr(image, fact) for name, image in images.items()}
    if len(set(facts.values())) > 1:
        found = " and ".join(f"`{name}` {value}" for name, value in facts.items())
        raise error(f"{metric}: {fact}s differ, {found}; {remedy}")


def resolve_data_range(metric: str, dtype: jnp.dtype, data_range: float | None) -> float:
    """The range `[0, data_range]` of images of a dtype.

    Args:
        metric: Name of the caller, for the message.
        dtype: The images' dtype.
        data_range: What the user gave; None means 1 for floats and the dtype's maximum for
            unsigned integers.

    Returns:
        The range as a float.

    Raises:
        ValueError: The range is not positive and finite, or contradicts an integer dtype.

    >>> resolve_data_range("psnr", np.dtype("uint8"), None)
    255.0
    """
    own = INTEGER_RANGES.get(str(dtype))
    if data_range is None:
        return own or 1.0
    if not (np.isfinite(data_range) and data_range > 0):
        raise ValueError(f"{metric}: data_range={data_range} must be a positive, finite number.")
    if own is not None and float(data_range) != own:
        raise ValueError(
            f"{metric}: data_range={data_range} contradicts dtype {dtype}, whose range is "
            f"[0, {own:g}]; leave data_range out, or pass a floating array."
        )
    return float(data_range)


def check_values(metric: str, name: str, image: AnyArray, data_range: float) -> None:
    """Checks concrete floating values: finite, and not far outside `[0, data_range]`.

    Under tracing values are unknown and nothing is checked.

    Args:
        metric: Name of the caller, for the message.
        name: Name of the argument.
        image: The array.
        data_range: Its resolved range.

    Raises:
        ValueError: A NaN or infinity; a value more than half the range outside the range; or
            fractions within [0, 1] where `data_range` is 255 or more.

    >>> check_values("ssim", "reference", np.full((8, 8, 1), 200.0), 1.0)
    Traceback (most recent call last):
    ValueError: ssim: `reference` has values from 200 to 200 but data_range=1; for values up to \
255 pass data_range=255, or divide by 255.
    """
    if str(image.dtype) in INTEGER_RANGES or not is_concrete(image):
        return
    with jax.ensure_compile_time_eval():  # a constant inside a function that is being traced
        lowest, highest = (float(value) for value in _extremes(image))
        check_scale = data_range >= 255 and highest <= 1
        fractions = check_scale and bool(jnp.any(jnp.asarray(image) % 1 != 0))
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError(f"{metric}: `{name}` holds NaN or infinite values; images are finite.")
    found = f"{metric}: `{name}` has values from {lowest:g} to {highest:g} but "
    found += f"data_range={data_range:g}; "
    if highest > 1.5 * data_range:
        likely = next((top for top in (1, 255, 65535) if highest <= 1.5 * top), round(highest))
        raise ValueError(
            f"{found}for values up to {likely} pass data_range={likely}, or divide by {likely}."
        )
    if lowest < -0.5 * data_range:
        raise ValueError(f"{found}images start at 0: map [-1, 1] to [0, 1] by (x + 1) / 2.")
    if fractions:
        raise ValueError(f"{found}for values up to 1 leave data_range out.")


@jax.jit
def _extremes(image: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.min(image), jnp.max(image)


def to_float(image: AnyArray) -> jax.Array:
    """The image in the precision in which metrics compute: float64 stays, all else is float32.

    Integers keep their scale (0 to 255 or 65535), so that nothing is rounded.

    >>> to_float(np.zeros((2, 2, 1), np.uint8)).dtype.name
    'float32'
    """
    image = jnp.asarray(image)
    return image.astype(compute_dtype(image.dtype))


def check_weights(metric: str, weights: AnyArray, shape: tuple[int, ...]) -> jax.Array:
    """Checks pooling weights `[..., H, W]` against images `[..., H, W, C]`.

    Args:
        metric: Name of the caller, for the message.
        weights: Non-negative numbers or booleans; leading axes broadcast with the images'.
        shape: The images' shape.

    Returns:
        The weights as floats.

    Raises:
        ValueError: The height or width is not the images', the leading axes do not broadcast, or
            a concrete weight is negative or not finite.

    >>> check_weights("ssim", np.ones((4, 4)), (2, 8, 8, 3))
    Traceback (most recent call last):
    ValueError: ssim: `weights` has shape (4, 4); give [..., 8, 8] for images of shape (2, 8, 8, 3).
    """
    weights = jnp.asarray(weights)
    height, width = shape[-3:-1]
    try:
        fits = np.broadcast_shapes(weights.shape, shape[:-1]) == tuple(shape[:-1])
    except ValueError:
        fits = False
    if not fits or weights.shape[-2:] != (height, width):
        raise ValueError(
            f"{metric}: `weights` has shape {weights.shape}; give [..., {height}, {width}] for "
            f"images of shape {tuple(shape)}."
        )
    if is_concrete(weights):
        with jax.ensure_compile_time_eval():
            allowed = bool(jnp.all((weights >= 0) & jnp.isfinite(weights)))
        if not allowed:
            raise ValueError(f"{metric}: `weights` holds negative or non-finite numbers.")
    return to_float(weights)
