"""Double words against exact rational arithmetic and float64."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from numpy.testing import assert_allclose, assert_array_equal

from jiqa.core import double_word as dw
from jiqa.core.double_word import DoubleWord

OPERATIONS = {
    "add": (dw.add, lambda x, y: x + y, lambda x, y: abs(x) + abs(y)),
    "multiply": (dw.multiply, lambda x, y: x * y, lambda x, y: abs(x * y)),
    "divide": (dw.divide, lambda x, y: x / y, lambda x, y: abs(x / y)),
}


def split(x):
    high = x.astype(np.float32)
    return DoubleWord(jnp.asarray(high), jnp.asarray((x - high).astype(np.float32)))


def exact(word):
    return [Fraction(float(high)) + Fraction(float(low)) for high, low in zip(*word, strict=True)]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_arithmetic_has_48_bits(name, compiled, rng):
    operation, true, size = OPERATIONS[name]
    spread = np.exp(4 * rng.normal(size=(2, 500)))
    x, y = (split(values) for values in rng.normal(size=(2, 500)) * spread)
    cancelling = jnp.arange(500) < 50  # in a sum
    y = DoubleWord(jnp.where(cancelling, -x.high, y.high), jnp.where(cancelling, 0, y.low))
    found = exact((jax.jit(operation) if compiled else operation)(x, y))
    for a, b, c in zip(exact(x), exact(y), found, strict=True):
        assert abs(c - true(a, b)) <= 8 * Fraction(2) ** -48 * size(a, b)


def test_what_two_floats_lose_is_kept(rng):
    x, y = rng.normal(size=(2, 200)).astype(np.float32) * np.float32([[1], [1e-5]])
    wide = x.astype(np.float64), y.astype(np.float64)
    assert_array_equal(dw.to_float64(dw.two_sum(x, y)), sum(wide))
    assert_allclose(dw.to_float64(dw.two_product(x, y)), wide[0] * wide[1], rtol=2.0**-47)


@pytest.mark.parametrize("length", [0, 1, 7, 4096, 9001])
def test_total_is_exact_whatever_the_order(length, rng):
    x = (rng.normal(size=(length, 3)) * 10.0 ** rng.integers(-3, 4, (length, 3))).astype(np.float32)
    expected = x.astype(np.longdouble).sum(0)
    size = np.abs(x).max(0, initial=1e-30)
    for values in (x, rng.permutation(x)):
        found = dw.total(jnp.asarray(values), 0)
        assert found.high.dtype == jnp.float32
        assert np.all(abs(dw.to_float64(found) - expected) <= max(1, length) * 2.0**-48 * size)


def test_total_can_be_differentiated_and_moments_cannot():
    gradient = jax.grad(lambda x: dw.total(x**2).high)(jnp.arange(3.0, dtype=jnp.float32))
    assert_array_equal(gradient, [0, 2, 4])
    with pytest.raises(TypeError, match=r"use jiqa\.distribution\.FrechetLoss"):
        jax.grad(lambda x: dw.gram(DoubleWord.of(x))[1].high.sum())(jnp.ones((2, 2), jnp.float32))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_sum_over_devices_is_exact(dtype, rng):
    """Of numbers that cancel, 2^40 apart, over the eight devices."""
    values = rng.normal(size=(8, 40)) * 2.0 ** rng.integers(-20, 20, (8, 40))
    values[4:] = -values[:4] * (1 + 2.0**-22)
    high = values.astype(dtype)
    low = (values - high).astype(dtype)
    mesh = Mesh(np.array(jax.devices()[:8]), ("i",))
    add_up = jax.jit(
        jax.shard_map(
            lambda word: dw.psum(word, "i"),
            mesh=mesh,
            in_specs=PartitionSpec("i"),
            out_specs=PartitionSpec(),
        )
    )
    found = add_up(DoubleWord(jnp.asarray(high), jnp.asarray(low)))
    expected = high.astype(np.longdouble).sum(0) + low.astype(np.longdouble).sum(0)
    assert np.all(abs(dw.to_float64(found)[0] - expected) <= 2.0**-45 * abs(values).max(0))


GRAMS = {
    "of the platform": dw.gram,
    "of slices": jax.jit(dw._gram_of_slices),
    "of a batch": lambda word: jax.tree.map(
        lambda result: result[1],
        jax.vmap(dw.gram)(DoubleWord(*(jnp.stack([-part, part]) for part in word))),
    ),
}


@pytest.mark.parametrize("visible", [False, True], ids=["float32 alone", "float64 too"])
@pytest.mark.parametrize("rows", [1, 128, 300])
@pytest.mark.parametrize("name", GRAMS)
def test_products_of_columns_have_48_bits(name, rows, visible, rng):
    """Columns of other scales, a constant one, and one of zeros."""
    x = rng.normal(size=(rows, 6)) * 10.0 ** np.arange(-2, 4)
    x[:, 2], x[:, 3] = 0, 7
    word = split(x)
    wide = dw.to_float64(word).astype(np.longdouble)
    with jax.enable_x64(visible):
        sums, products = GRAMS[name](word)
    assert sums.high.dtype == products.low.dtype == jnp.float32
    size = abs(wide).max(0)
    assert np.all(abs(dw.to_float64(sums) - wide.sum(0)) <= rows * 2.0**-48 * size)
    error = abs(dw.to_float64(products) - wide.T @ wide)
    assert np.all(error <= 4 * rows * 2.0**-48 * np.outer(size, size))


def test_integers_and_numbers_are_exact():
    numbers = np.array([0, 1, 2**24 + 1, 2**31 - 1], np.int32)
    assert_array_equal(dw.to_float64(dw.from_integer(jnp.asarray(numbers), jnp.float32)), numbers)
    assert dw.to_float64(dw.constant(49_999 * 50_000, jnp.float32)) == 49_999 * 50_000


def test_nan_stays_nan():
    x = jnp.array([1.0, jnp.nan], jnp.float32)
    assert np.isnan(dw.to_float64(dw.total(x)))
    assert_allclose(dw.to_float64(dw.total(x[:1])), 1)
