"""Mean and covariance of features in a stream, to the precision of float64 on any device.

A state holds the number of images, the mean, and the sum of outer products of deviations from it
(the co-moments of Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
computing sample variances", 1982) as double words. The mean has three words, because deviations
from it may be much smaller than it is. So neither a large mean, nor a small variance, nor a million
images cost digits where the device has float32 only, and states of the parts of a data set, merged
in any order, agree to about twelve digits.

>>> features = np.random.default_rng(0).normal(1e4, 1e-2, (300, 4)).astype(np.float32)
>>> state = init(4)
>>> for batch in np.split(features, 3):
...     state = update(state, batch)
>>> exact = np.cov(features.astype(np.float64), rowvar=False)
>>> print(abs(compute(state).covariance - exact).max() < 1e-12 * exact.max())
True
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from jiqa.core import double_word as dw
from jiqa.core.double_word import DoubleWord
from jiqa.distribution import processes
from jiqa.distribution.checks import check_features
from jiqa.distribution.statistics import Statistics


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments:
    """The moments of the images seen so far: a pytree of arrays.

    Attributes:
        count: Number of images, int32, so at most 2^31 - 1.
        center: `[D]`, the mean, rounded.
        offset: `[D]`, what is missing to the mean.
        products: `[D, D]`, the sum of `(x - mean) (x - mean)^T` over the images' features x.
    """

    count: jax.Array
    center: jax.Array
    offset: DoubleWord
    products: DoubleWord


def init(dimensions: int, dtype: DTypeLike = float) -> Moments:
    """The state before the first image.

    Args:
        dimensions: D, the length of a feature vector.
        dtype: Of what is computed; float32 unless x64 is enabled.

    Returns:
        The state.

    >>> int(init(64).count)
    0
    """
    mean = jnp.zeros(dimensions, dtype)
    products = jnp.zeros((dimensions, dimensions), dtype)
    return Moments(jnp.int32(0), mean, DoubleWord.of(mean), DoubleWord.of(products))


def update(state: Moments, features: ArrayLike, mask: ArrayLike | None = None) -> Moments:
    """The state after a batch of images.

    Args:
        state: The state before.
        features: `[N, D]`, not of a wider dtype than the state's.
        mask: Booleans `[N]`, the rows that count; others, which fill up a batch, may hold
            anything.

    Returns:
        The state after.

    Raises:
        TypeError: The features are no floats, or float64 where the state is float32.
        ValueError: Not `[N, D]`, another D, a mask that is not `[N]`, NaN or infinite values.

    >>> state = update(init(2), jnp.array([[1.0, 2.0], [3.0, 2.0]]))
    >>> print(compute(state).mean)
    [2. 2.]
    """
    name = "moments.update"
    features = jnp.asarray(features)
    mask = jnp.ones(features.shape[:1], bool) if mask is None else jnp.asarray(mask)
    if mask.dtype != bool or mask.shape != features.shape[:1]:
        raise ValueError(
            f"{name}: `mask` is {mask.dtype} {mask.shape}; give booleans {features.shape[:1]}."
        )
    counted = jnp.where(mask.reshape(-1, *[1] * (features.ndim - 1)), features, 0)
    checked = check_features(name, "features", counted, least=0)
    mean = state.center
    if checked.shape[1] != len(mean):
        raise ValueError(
            f"{name}: `features` has {checked.shape[1]} dimensions but the state has {len(mean)}; "
            "use one feature function for all batches."
        )
    if checked.dtype.itemsize > mean.dtype.itemsize:
        raise TypeError(
            f"{name}: `features` is {checked.dtype} but the state is {mean.dtype}; begin with "
            f"init({len(mean)}, jnp.{checked.dtype})."
        )
    return _update(state, checked.astype(mean.dtype), mask)


@jax.jit
def merge(first: Moments, second: Moments) -> Moments:
    """The moments of two sets of images together.

    Args:
        first: The moments of one set.
        second: The moments of the other.

    Returns:
        The moments of all images.

    >>> parts = [update(init(1), jnp.full((1, 1), value)) for value in (1.0, 2.0)]
    >>> print(compute(merge(*parts)).covariance)
    [[0.5]]
    """
    dtype = first.center.dtype
    count = first.count + second.count
    # Nothing has no mean; with that of the other set the distance between them is exactly 0.
    center, offset = jax.tree.map(
        lambda own, other: jnp.where(first.count == 0, other, own),
        (first.center, first.offset),
        (second.center, second.offset),
    )
    apart = dw.add(_distance(second.center, second.offset, center), dw.negate(offset))
    share = dw.divide(_number(second.count, dtype), _number(jnp.maximum(count, 1), dtype))
    between = _outer(apart, dw.multiply(share, _number(first.count, dtype)))
    products = dw.add(dw.add(first.products, second.products), between)
    return Moments(count, *_mean(center, dw.add(offset, dw.multiply(apart, share))), products)


def merge_across(state: Moments, axis_name: str | tuple[str, ...]) -> Moments:
    """The moments of the images of all devices, inside `shard_map`.

    Args:
        state: The moments of one device's images.
        axis_name: The mapped axis, or several.

    Returns:
        The moments of all images, on every device.

    >>> states = jax.vmap(lambda x: update(init(1), x))(jnp.arange(4.0).reshape(2, 2, 1))
    >>> merged = jax.vmap(lambda state: merge_across(state, "i"), axis_name="i")(states)
    >>> print(merged.count, merged.center[0])
    [4 4] [1.5]
    """
    dtype = state.center.dtype
    count = jax.lax.psum(state.count, axis_name)
    own, all_ = (_number(n, dtype) for n in (state.count, jnp.maximum(count, 1)))
    # About a centre near all means, which is exactly the same everywhere, moments only add up.
    largest = jax.lax.pmax(jnp.where(state.count > 0, state.center, -jnp.inf), axis_name)
    center = jnp.where(count > 0, largest, 0)
    offset = _distance(state.center, state.offset, center)
    shift = dw.divide(dw.psum(dw.multiply(offset, own), axis_name), all_)
    products = dw.psum(dw.add(state.products, _outer(offset, own)), axis_name)
    products = dw.add(products, dw.negate(_outer(shift, all_)))
    return Moments(count, *_mean(center, shift), products)


def merge_processes(state: Moments) -> Moments:
    """The moments of the images of all processes of a `jax.distributed` program.

    Args:
        state: The moments of this process's images; every process has to call the function.

    Returns:
        The moments of all images, on every process.

    >>> int(merge_processes(init(1)).count)
    0
    """
    return processes.merge_processes(state, merge)


def compute(state: Moments) -> Statistics:
    """Mean and covariance in NumPy's float64, on the host.

    Args:
        state: The moments of at least two images.

    Returns:
        The statistics, whose covariance is divided by `count - 1`.

    Raises:
        ValueError: Fewer than two images.

    >>> compute(init(3))
    Traceback (most recent call last):
    ValueError: moments.compute: a covariance needs at least 2 images, not 0.
    """
    count = int(state.count)
    if count < 2:
        raise ValueError(f"moments.compute: a covariance needs at least 2 images, not {count}.")
    covariance = dw.to_float64(state.products) / (count - 1)
    mean = np.asarray(state.center, np.float64) + dw.to_float64(state.offset)
    return Statistics(mean, (covariance + covariance.T) / 2, count)


@jax.jit
def _update(state: Moments, features: jax.Array, mask: jax.Array) -> Moments:
    """Merges the moments of one batch, computed about a centre near its mean."""
    dtype = features.dtype
    count = jnp.sum(mask, dtype=jnp.int32)
    number = _number(jnp.maximum(count, 1), dtype)
    center = jnp.sum(features * mask[:, None], 0) / number.high
    deviations = dw.two_sum(jnp.where(mask[:, None], features, center), -center)
    sums, products = dw.gram(deviations)
    shift = dw.divide(sums, number)
    products = dw.add(products, dw.negate(_outer(shift, number)))
    return merge(state, Moments(count, *_mean(center, shift), products))


def _mean(center: jax.Array, offset: DoubleWord) -> tuple[jax.Array, DoubleWord]:
    """The same sum in words that do not overlap."""
    rounded = dw.two_sum(center, offset.high)
    return rounded.high, dw.two_sum(rounded.low, offset.low)


def _distance(center: jax.Array, offset: DoubleWord, other_center: jax.Array) -> DoubleWord:
    """A mean less another centre."""
    return dw.add(dw.two_sum(center, -other_center), offset)


def _number(count: jax.Array, dtype: DTypeLike) -> DoubleWord:
    return dw.from_integer(count, dtype)


def _outer(vector: DoubleWord, weight: DoubleWord) -> DoubleWord:
    """The outer product of a vector with itself, times a scalar."""
    row, column = (DoubleWord(*(jnp.expand_dims(part, axis) for part in vector)) for axis in (0, 1))
    return dw.multiply(dw.multiply(row, column), weight)
