"""Sums in twice the working precision, where there is no wider type: float32 on GPUs and TPUs.

A double word is the unevaluated sum of two floats, the second less than a rounding error of the
first: 48 significant bits in float32. Its arithmetic is that of Dekker, "A floating-point technique
for extending the available precision", 1971, and Joldes, Muller and Popescu, "Tight and rigorous
error bounds for basic building blocks of double-word arithmetic", 2017. Numbers are split by their
bits and every product is exact, so a compiler that fuses a product with a sum changes nothing.

What must be summed over many samples or devices is cut into slices of a few bits: integers, whose
products and sums have no rounding error whatever their order (Ozaki, Ogita, Oishi and Rump,
"Error-free transformations of matrix multiplication", 2012). Matrix units that round their factors
to bfloat16 keep eight bits, which is what slices of `gram` have.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jiqa.kernels.forms import vary_alike

SLICE_BITS = 8  # of the factors in `gram`
SLICES = 7
CHUNK = 128  # rows: 128 x 7 pairs of slices x 2^14, their largest product, are below 2^24
MOST_DEVICES = 2**13  # in `psum`
SUMMANDS = 2**12  # that `total` adds up at a time


class DoubleWord(NamedTuple):
    """The number `high + low`.

    Attributes:
        high: The number rounded to the dtype.
        low: What the rounding lost.
    """

    high: jax.Array
    low: jax.Array

    @classmethod
    def of(cls, x: jax.Array) -> "DoubleWord":
        """The double word of a float."""
        return cls(x, jnp.zeros_like(x))


def two_sum(x: jax.Array, y: jax.Array) -> DoubleWord:
    """The exact sum of two floats.

    >>> float(two_sum(jnp.float32(1), jnp.float32(1e-9)).low)
    9.999999717180685e-10
    """
    high = x + y
    other = high - x
    return DoubleWord(high, (x - (high - other)) + (y - other))


def two_product(x: jax.Array, y: jax.Array) -> DoubleWord:
    """The product of two floats, to the precision of a double word.

    >>> x = jnp.float32(1 + 2**-12)
    >>> float(two_product(x, x).low)  # (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24
    5.960464477539063e-08
    """
    x_head, y_head = _head(x), _head(y)
    x_tail, y_tail = x - x_head, y - y_head
    middle = two_sum(x_head * y_tail, x_tail * y_head)
    high = two_sum(x_head * y_head, middle.high)
    return two_sum(high.high, high.low + (middle.low + x_tail * y_tail))


def add(x: DoubleWord, y: DoubleWord) -> DoubleWord:
    """The sum of two double words.

    >>> third = two_sum(jnp.float32(1 / 3), jnp.float32(-1 / 3 * 2**-25))
    >>> print(to_float64(add(third, third)).round(12))
    0.666666666667
    """
    high, low = two_sum(x.high, y.high), two_sum(x.low, y.low)
    first = two_sum(high.high, high.low + low.high)
    return two_sum(first.high, first.low + low.low)


def negate(x: DoubleWord) -> DoubleWord:
    """The double word with the other sign."""
    return DoubleWord(-x.high, -x.low)


def multiply(x: DoubleWord, y: DoubleWord) -> DoubleWord:
    """The product of two double words; their shapes broadcast.

    >>> tenth = DoubleWord(jnp.float32(0.1), jnp.float32(0.1 - np.float64(np.float32(0.1))))
    >>> print(to_float64(multiply(tenth, tenth)).round(14))
    0.01
    """
    high = two_product(x.high, y.high)
    return two_sum(high.high, high.low + (x.high * y.low + x.low * y.high))


def divide(x: DoubleWord, y: DoubleWord) -> DoubleWord:
    """The quotient of two double words; their shapes broadcast.

    >>> one, three = DoubleWord.of(jnp.float32(1)), DoubleWord.of(jnp.float32(3))
    >>> print(to_float64(divide(one, three)).round(14))
    0.33333333333333
    """
    first = x.high / y.high
    rest = add(x, negate(multiply(y, DoubleWord.of(first))))
    second = rest.high / y.high
    rest = add(rest, negate(multiply(y, DoubleWord.of(second))))
    quotient = two_sum(first, second)
    return two_sum(quotient.high, quotient.low + rest.high / y.high)


def constant(value: float, dtype: DTypeLike) -> DoubleWord:
    """The double word of a Python number, as exact as the dtype allows.

    >>> print(to_float64(constant(2**40 + 1, jnp.float32)))
    1099511627777.0
    """
    high = np.asarray(value, dtype)
    return DoubleWord(jnp.asarray(high), jnp.asarray(value - high.item(), dtype))


def from_integer(x: jax.Array, dtype: DTypeLike) -> DoubleWord:
    """The double word of an int32, exactly.

    >>> print(to_float64(from_integer(jnp.int32(2**31 - 1), jnp.float32)))
    2147483647.0
    """
    low = x % 2**12
    return two_sum((x - low).astype(dtype), low.astype(dtype))


def to_float64(x: DoubleWord) -> np.ndarray:
    """The number as NumPy's float64, on the host."""
    return np.asarray(x.high, np.float64) + np.asarray(x.low, np.float64)


def total(x: jax.Array | DoubleWord, axis: int = -1) -> DoubleWord:
    """The sum along an axis, to the precision of a double word; it can be differentiated.

    Args:
        x: Floats, or double words of them.
        axis: The axis to sum over.

    Returns:
        The sums, without that axis; what is below 2^-48 of the largest summand is lost.

    >>> x = jnp.full(10_000, 0.1, jnp.float32)
    >>> print(to_float64(total(x)).round(9), np.float64(np.float32(0.1)) * 1e4)
    1000.000014901 1000.0000149011612
    """
    word = x if isinstance(x, DoubleWord) else DoubleWord.of(x)
    return _total(DoubleWord(*(jnp.moveaxis(part, axis, 0) for part in word)))


@jax.custom_jvp
def _total(x: DoubleWord) -> DoubleWord:
    """The sum over the first axis."""
    length, *others = x.high.shape
    if length > SUMMANDS:
        missing = [(0, -length % SUMMANDS)] + [(0, 0)] * len(others)
        parts = (jnp.pad(part, missing).reshape(-1, SUMMANDS, *others) for part in x)
        return _total(total(DoubleWord(*parts), 1))
    largest = partial(jnp.max, axis=0, initial=jnp.finfo(x.high.dtype).minexp)
    return _sum_exactly(x, SUMMANDS, largest, partial(jnp.sum, axis=0))


@_total.defjvp
def _total_jvp(x: tuple[DoubleWord], tangent: tuple[DoubleWord]) -> tuple[DoubleWord, DoubleWord]:
    return _total(*x), DoubleWord(*(jnp.sum(part, 0) for part in tangent[0]))


def psum(x: DoubleWord, axis_name: str | tuple[str, ...]) -> DoubleWord:
    """The sum over a mapped axis, to the precision of a double word whatever the order.

    Args:
        x: One summand a device, at most 8192 of them.
        axis_name: A name of `shard_map`, `pmap` or `vmap`.

    Returns:
        The sum, on all devices.

    >>> x = DoubleWord.of(jnp.float32([1, 1e-9]))
    >>> sums = jax.jit(jax.vmap(lambda word: psum(word, "i"), axis_name="i"))(x)
    >>> print(to_float64(sums)[0])
    1.000000001
    """
    largest, add_up = (partial(f, axis_name=axis_name) for f in (jax.lax.pmax, jax.lax.psum))
    return _sum_exactly(x, MOST_DEVICES, largest, add_up)


def _sum_exactly(
    x: DoubleWord,
    most: int,
    largest: Callable[[jax.Array], jax.Array],
    add_up: Callable[[jax.Array], jax.Array],
) -> DoubleWord:
    """The sum of at most `most` numbers: of integers without rounding errors, slice by slice."""
    precision = jnp.finfo(x.high.dtype).nmant + 1
    bits = precision - (most - 1).bit_length()
    exponent = largest(_exponent(x.high))
    slices = _slices(x, exponent, bits, math.ceil(2 * precision / bits))
    return _join([add_up(part) for part in slices], exponent, bits)


@jax.custom_jvp
@jax.jit
def gram(x: DoubleWord) -> tuple[DoubleWord, DoubleWord]:
    """Sums of rows and of their outer products.

    In float32 both have the 48 bits of a double word: on CPUs they are summed in float64, and
    elsewhere exactly but for what is below 2^-54 of the largest number of a column. In float64
    they have float64's own precision.

    Args:
        x: `[n, D]`.

    Returns:
        `sum(x)` `[D]` and `x^T x` `[D, D]`.

    >>> sums, products = gram(DoubleWord.of(jnp.float32([[3, 4], [1, 2]])))
    >>> print(sums.high, products.high.ravel())
    [4. 6.] [10. 14. 14. 20.]
    """
    if x.high.dtype == jnp.float64:
        products = jnp.matmul(x.high.T, x.high, precision="highest")
        return total(x.high, 0), DoubleWord.of(products)
    return jax.lax.platform_dependent(x, cpu=_gram_in_float64, default=_gram_of_slices)


@jax.custom_batching.sequential_vmap
def _gram_in_float64(x: DoubleWord) -> tuple[DoubleWord, DoubleWord]:
    """On a CPU, which has float64 whether or not JAX shows it: ten times as fast as slices."""
    with jax.enable_x64(True):
        rows = x.high.astype(jnp.float64) + x.low.astype(jnp.float64)
        products = jax.lax.dot_general(rows, rows, (((0,), (0,)), ((), ())))
        return _split_float64(jnp.sum(rows, 0)), _split_float64(products)


def _split_float64(x: jax.Array) -> DoubleWord:
    """A float64 as two float32."""
    high = x.astype(jnp.float32)
    return DoubleWord(high, (x - high.astype(jnp.float64)).astype(jnp.float32))


def _gram_of_slices(x: DoubleWord) -> tuple[DoubleWord, DoubleWord]:
    """In chunks of rows, each of which has exact sums."""
    rows, columns = x.high.shape
    chunks = max(1, math.ceil(rows / CHUNK))
    missing = chunks * CHUNK - rows if chunks > 1 else 0
    padded = [jnp.pad(part, ((0, missing), (0, 0))) for part in x]
    parts = DoubleWord(*(part.reshape(chunks, -1, columns) for part in padded))
    exponent = _exponent(jnp.max(jnp.abs(x.high), 0, initial=0))

    def step(
        sums: tuple[DoubleWord, DoubleWord], chunk: DoubleWord
    ) -> tuple[tuple[DoubleWord, DoubleWord], None]:
        row_sum, half = _chunk_gram(chunk, exponent)
        return (add(sums[0], row_sum), add(sums[1], half)), None

    shapes = (columns,), (columns, columns)
    _, *zeros = vary_alike(x.high, *(jnp.zeros(shape, x.high.dtype) for shape in shapes))
    start = DoubleWord.of(zeros[0]), DoubleWord.of(zeros[1])
    sums, half = jax.lax.scan(step, start, parts)[0]
    return sums, add(half, DoubleWord(half.high.T, half.low.T))


def _chunk_gram(x: DoubleWord, exponent: jax.Array) -> tuple[DoubleWord, DoubleWord]:
    """The sum and half of the products of at most CHUNK rows.

    A transposed copy is the other half. All are sums of halves of integers below 2^23, so exact.
    """
    slices = _slices(x, exponent, SLICE_BITS, SLICES)
    row_sum = _join([jnp.sum(part, 0) for part in slices], exponent, SLICE_BITS)
    # The products of slices i and j have the weight 2^-8 (i + j), and those of j and i are their
    # transpose: one of the two is enough, and half of that of i and i.
    halves = []
    for weight in range(SLICES):
        first = range(weight // 2 + 1)
        left = jnp.concatenate([slices[i] * (0.5 if 2 * i == weight else 1.0) for i in first])
        right = jnp.concatenate([slices[weight - i] for i in first])
        halves.append(jnp.matmul(left.T, right))
    # Join counts a first slice of 8 bits; a product has two of them.
    exponents = exponent[:, None] + exponent[None, :] - SLICE_BITS
    return row_sum, _join(halves, exponents, SLICE_BITS)


def _exponent(x: jax.Array) -> jax.Array:
    """The power of two just above |x|, plus one: slices then have a magnitude of 2^(bits-1)."""
    return jnp.where(x == 0, jnp.finfo(x.dtype).minexp, jnp.frexp(x)[1] + 1)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _slices(x: DoubleWord, exponent: jax.Array, bits: int, count: int) -> list[jax.Array]:
    """Integers s with `x = sum(s[k] 2^(exponent - bits (k + 1)))`, at most 2^(bits-1) large."""
    word = DoubleWord(*(jnp.ldexp(part, -exponent) for part in x))
    slices = []
    for _ in range(count):
        word = DoubleWord(*(part * 2.0**bits for part in word))
        slices.append(jnp.round(word.high))
        word = two_sum(word.high - slices[-1], word.low)
    return slices


@gram.defjvp
@_slices.defjvp
def _refuse_derivative(*_: Any) -> Any:
    raise TypeError(
        "exact sums and moments cannot be differentiated; for a loss use "
        "jiqa.distribution.FrechetLoss."
    )


def _join(slices: list[jax.Array], exponent: jax.Array, bits: int) -> DoubleWord:
    """The inverse of `_slices`, smallest first; slices may be any whole numbers."""
    word = DoubleWord.of(jnp.zeros_like(slices[0]))
    for part in reversed(slices):
        word = add(DoubleWord.of(part), DoubleWord(*(p * 2.0**-bits for p in word)))
    return DoubleWord(*(jnp.ldexp(part, exponent - bits) for part in word))


def _head(x: jax.Array) -> jax.Array:
    """The first half of the significant bits, so that a product of two such heads is exact."""
    mask: np.unsignedinteger = np.uint32(0xFFFFF000)
    if x.dtype.itemsize == 8:
        mask = np.uint64(0xFFFFFFFFF8000000)
    integer = jax.lax.bitcast_convert_type(x, mask.dtype)
    return jax.lax.bitcast_convert_type(integer & mask, x.dtype)
