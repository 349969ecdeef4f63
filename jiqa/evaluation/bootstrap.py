"""Confidence intervals and comparisons by resampling, for any dependence between items.

A resample of N items is a count of how often each was drawn, and each statistic here is a function
of counts `[N, B]`, a column a resample: nothing is copied or sorted again. In one compiled program
all metrics see the same resamples, so that differences between metrics can be tested too. Leaving
one item out is a count as well, which gives the jackknife that BCa intervals need.

Images made from one reference are not independent. With `clusters` whole references are drawn.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.evaluation.dependent_correlations import z_test
from jiqa.evaluation.samples import UndefinedStatisticError, several

Statistic = Literal["plcc", "srocc", "krocc", "rmse"]
Method = Literal["bca", "percentile", "fisher"]
# Counts computed at a time: few enough for the processor's cache, enough to keep it busy.
COUNTS_AT_A_TIME = 2**21
# Rows of the N by N comparisons of Kendall's coefficient that are held at a time.
ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Bootstrap:
    """A statistic of M metrics with its sampling distribution.

    Attributes:
        value: The statistic of all items `[M]`.
        low: Lower ends of the intervals `[M]`.
        high: Upper ends `[M]`.
        samples: The statistic of each resample `[M, B]`, column by column of the same items. NaN
            where it is undefined because all drawn items are alike; intervals leave these out.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    samples: np.ndarray

    @property
    def standard_error(self) -> np.ndarray:
        """Standard deviation over the resamples `[M]`."""
        return np.nanstd(self.samples, axis=1, ddof=1)

    def p_values(self) -> np.ndarray:
        """Two-sided p-values `[M, M]` of the hypothesis that two metrics are equal.

        Of the difference over its standard deviation over the resamples, taken as standard normal.
        """
        p = np.ones((len(self.value), len(self.value)))
        for first, second in combinations(range(len(self.value)), 2):
            error = np.nanstd(self.samples[first] - self.samples[second], ddof=1)
            test = z_test(self.value[first] - self.value[second], float(error))
            p[first, second] = p[second, first] = test.p_value
        return p


def bootstrap(
    scores: ArrayLike,
    opinions: ArrayLike,
    statistic: Statistic = "srocc",
    *,
    clusters: ArrayLike | None = None,
    resamples: int = 10_000,
    confidence: float = 0.95,
    method: Method = "bca",
    seed: int = 0,
) -> Bootstrap:
    """Confidence intervals of a statistic of agreement (Efron and Tibshirani 1993).

    Args:
        scores: Scores of M metrics `[M, N]`, or of one `[N]`. They may be infinite for rank
            correlations. For "rmse", or PLCC after a mapping, predictions: the curve is then taken
            as given.
        opinions: MOS or DMOS `[N]`.
        statistic: "plcc", "srocc", "krocc" (tau-b; the work grows with N^2) or "rmse".
        clusters: A label an item `[N]`, such as its reference image: what is drawn are clusters
            with all their items. Fewer than about 10 clusters give intervals that are too narrow.
        resamples: B.
        confidence: The share of such intervals that hold the true value.
        method: "bca" corrects for bias and skewness (Efron 1987), "percentile" does not. "fisher"
            takes from the resamples only the standard error of atanh(r), for which some hundred
            are enough; it is for correlations.
        seed: The same seed gives the same numbers.

    Returns:
        Values and intervals of each metric. The computation is in float32, and in float64 where
        JAX's double precision is enabled.

    Raises:
        ValueError: Shapes differ, values are not finite, or another statistic or method.
        UndefinedStatisticError: Too few items or clusters, or all scores or opinions are equal.

    >>> found = bootstrap(np.arange(20), np.arange(20) ** 2 % 17, resamples=1000)
    >>> bool(found.low[0] < found.value[0] < found.high[0])
    True
    """
    for name, given, allowed in (("statistic", statistic, Statistic), ("method", method, Method)):
        if given not in get_args(allowed):
            raise ValueError(f"{name} is {given!r}; give one of {', '.join(get_args(allowed))}.")
    if resamples < 2 or not 0 < confidence < 1:
        raise ValueError("there must be at least 2 resamples, and the confidence be in (0, 1).")
    if method == "fisher" and statistic == "rmse":
        raise ValueError('method "fisher" is for correlations; give another one for rmse.')
    rows = several(scores, opinions, infinite=statistic in RANKED)
    members, number = _members(clusters, rows.shape[1])
    data = _items(statistic, rows), _items(statistic, np.asarray(opinions, np.float64))
    width = int(np.clip(COUNTS_AT_A_TIME // rows.shape[1], 1, resamples))
    key = jax.random.key(seed)
    parts = [
        _of_resamples(statistic, *data, members, number, jax.random.fold_in(key, part), width)
        for part in range(-(-resamples // width))
    ]
    samples = np.concatenate(parts, axis=1)[:, :resamples]
    value = np.asarray(_of_counts(statistic, *data, jnp.ones((rows.shape[1], 1))))[:, 0]
    tails = np.tile([(1 - confidence) / 2, (1 + confidence) / 2], (len(rows), 1))
    if method == "fisher":
        low, high = _fisher_ends(value, samples, tails)
        return Bootstrap(value, low, high, samples)
    if method == "bca":
        parts = [
            _of_all_but_one(statistic, *data, members, first, width)
            for first in range(0, number, width)
        ]
        tails = _corrected(tails, value, samples, np.concatenate(parts, axis=1)[:, :number])
    ends = [np.nanquantile(row, tail) for row, tail in zip(samples, tails, strict=True)]
    low, high = np.array(ends).T
    return Bootstrap(value, low, high, samples)


class _Items(NamedTuple):
    """Values of N items and their order.

    `below` and `up_to` are how many are less than each, and how many at most as great: equal values
    have the same.
    """

    values: jax.Array
    order: jax.Array
    below: jax.Array
    up_to: jax.Array


def _items(statistic: str, values: np.ndarray) -> _Items:
    """Prepares values `[..., N]`; what is compared by rank alone is replaced by its rank."""
    rows = values.reshape(-1, values.shape[-1])
    order = np.argsort(rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, axis=1)
    below, up_to = (
        np.stack([np.searchsorted(*pair, side) for pair in zip(ranked, rows, strict=True)])
        for side in ("left", "right")
    )
    if statistic in RANKED:
        rows = below
    elif statistic == "plcc":
        rows = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    arrays = (array.reshape(values.shape) for array in (rows, order, below, up_to))
    first, *places = arrays
    return _Items(jnp.asarray(first, float), *(jnp.asarray(place) for place in places))


def _members(clusters: ArrayLike | None, items: int) -> tuple[jax.Array, int]:
    """Each item's cluster `[N]`, and how many there are; without clusters each item is one."""
    if clusters is None:
        return jnp.arange(items), items
    labels = np.asarray(clusters)
    if labels.shape != (items,):
        raise ValueError(f"clusters are {list(labels.shape)}; give one label an item, [{items}].")
    names, members = np.unique(labels, return_inverse=True)
    if len(names) < 3:
        raise UndefinedStatisticError(f"{len(names)} clusters are too few to draw from.")
    return jnp.asarray(members), len(names)


@functools.partial(jax.jit, static_argnames=("statistic", "number", "width"))
def _of_resamples(
    statistic: str,
    scores: _Items,
    opinions: _Items,
    members: jax.Array,
    number: int,
    key: jax.Array,
    width: int,
) -> jax.Array:
    """The statistic of `width` resamples of `number` clusters `[M, width]`."""
    # A remainder favours small numbers by 1 in 2^32 / N, and takes a third of the time of randint.
    drawn = jax.random.bits(key, (number, width), jnp.uint32) % jnp.uint32(number)
    times = jnp.zeros(drawn.shape).at[drawn, jnp.arange(width)].add(1)
    return _of_counts(statistic, scores, opinions, times[members])


@functools.partial(jax.jit, static_argnames=("statistic", "width"))
def _of_all_but_one(
    statistic: str, scores: _Items, opinions: _Items, members: jax.Array, first: int, width: int
) -> jax.Array:
    """The statistic without cluster `first`, then without the next, and so on `[M, width]`."""
    kept = members[:, None] != first + jnp.arange(width)
    return _of_counts(statistic, scores, opinions, kept.astype(float))


@functools.partial(jax.jit, static_argnames="statistic")
def _of_counts(statistic: str, scores: _Items, opinions: _Items, counts: jax.Array) -> jax.Array:
    """The statistic of each metric and each column of counts `[N, B]`: `[M, B]`."""
    return jax.lax.map(_STATISTICS[statistic](counts, opinions), scores)


def _plcc(counts: jax.Array, opinions: _Items) -> Callable[[_Items], jax.Array]:
    def centred(items: _Items) -> jax.Array:
        values = items.values[:, None]
        return values - (counts * values).sum(0) / counts.sum(0)

    y = centred(opinions)
    return lambda scores: _correlation(counts, centred(scores), y)


def _srocc(counts: jax.Array, opinions: _Items) -> Callable[[_Items], jax.Array]:
    def centred(items: _Items) -> jax.Array:
        below, up_to = _cumulated(counts, items)
        return (below + up_to) / counts.sum(0) - 1  # twice the rank less its mean, over N

    y = centred(opinions)
    return lambda scores: _correlation(counts, centred(scores), y)


def _krocc(counts: jax.Array, opinions: _Items) -> Callable[[_Items], jax.Array]:
    def untied(items: _Items) -> jax.Array:
        """Ordered pairs that differ, an item drawn twice not differing from itself."""
        below, up_to = _cumulated(counts, items)
        return counts.sum(0) ** 2 - (counts * (up_to - below)).sum(0)

    y_untied = untied(opinions)

    def compare(scores: _Items) -> jax.Array:
        def agreement(item: tuple[jax.Array, jax.Array]) -> jax.Array:
            """How many drawn items stand to one as by opinion, less how many do not `[B]`."""
            x, y = item
            return (jnp.sign(x - scores.values) * jnp.sign(y - opinions.values)) @ counts

        each = jax.lax.map(agreement, (scores.values, opinions.values), batch_size=ROWS_AT_A_TIME)
        agreeing = (counts * each).sum(0)
        return safe_divide(agreeing, safe_sqrt(untied(scores) * y_untied), jnp.nan)

    return compare


def _rmse(counts: jax.Array, opinions: _Items) -> Callable[[_Items], jax.Array]:
    def compare(scores: _Items) -> jax.Array:
        squared = (scores.values - opinions.values) ** 2
        return jnp.sqrt((counts * squared[:, None]).sum(0) / counts.sum(0))

    return compare


_STATISTICS = {"plcc": _plcc, "srocc": _srocc, "krocc": _krocc, "rmse": _rmse}
RANKED = ("srocc", "krocc")


def _correlation(counts: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Correlation of centred x and y `[N, B]` of unit size, NaN where one of them does not vary."""
    total = counts.sum(0)
    covariance = (counts * x * y).sum(0) / total
    variances = (counts * x**2).sum(0) / total, (counts * y**2).sum(0) / total
    least = (100 * jnp.finfo(x.dtype).eps) ** 2  # what rounding leaves of no variance
    varies = jnp.minimum(*variances) > least
    product = jnp.where(varies, variances[0] * variances[1], 1)
    return jnp.where(varies, covariance / jnp.sqrt(product), jnp.nan)


def _cumulated(counts: jax.Array, items: _Items) -> tuple[jax.Array, jax.Array]:
    """How many drawn items are less than each, and at most as great, `[N, B]` each."""
    zero = jnp.zeros_like(counts[0])

    def add(total: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        return total + row, total + row

    _, sums = jax.lax.scan(add, zero, counts[items.order])
    sums = jnp.concatenate([zero[None], sums])
    return sums[items.below], sums[items.up_to]


def _fisher_ends(value: np.ndarray, samples: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Lower and upper ends `[2, M]` that are symmetric on the scale of Fisher's z."""
    from scipy import special

    z = np.arctanh(np.clip(np.stack([*samples.T, value]), -1 + 1e-7, 1 - 1e-7))
    error = np.nanstd(z[:-1], axis=0, ddof=1)
    return np.tanh(z[-1] + special.ndtri(tails.T) * error)


def _corrected(
    tails: np.ndarray, value: np.ndarray, samples: np.ndarray, jackknife: np.ndarray
) -> np.ndarray:
    """The quantiles `[M, 2]` that BCa takes in place of the nominal tails."""
    from scipy import special

    below = (samples < value[:, None]).mean(1) + (samples == value[:, None]).mean(1) / 2
    bias = special.ndtri(below)[:, None]
    deviations = jackknife.mean(1, keepdims=True) - jackknife
    cubes, squares = (deviations**3).sum(1), (deviations**2).sum(1)
    skewness = np.where(squares > 0, cubes / (6 * np.maximum(squares, 1e-30) ** 1.5), 0)[:, None]
    shifted = bias + special.ndtri(tails)
    return np.where(
        np.isfinite(bias), special.ndtr(bias + shifted / (1 - skewness * shifted)), tails
    )
