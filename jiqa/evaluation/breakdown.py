"""A statistic within parts of a data set: by distortion, by content, by range of quality."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.correlation import srocc
from jiqa.evaluation.samples import UndefinedStatisticError


class Breakdown(NamedTuple):
    """A statistic of M metrics in G groups.

    Attributes:
        groups: Labels, sorted `[G]`.
        sizes: How many items each has `[G]`.
        values: `[M, G]`, NaN where the statistic is undefined: fewer than 5 items, or equal ones.
    """

    groups: np.ndarray
    sizes: np.ndarray
    values: np.ndarray


def by_group(
    scores: ArrayLike,
    opinions: ArrayLike,
    groups: ArrayLike,
    statistic: Callable[[np.ndarray, np.ndarray], float] = srocc,
) -> Breakdown:
    """A statistic of agreement in each group by itself.

    Args:
        scores: `[M, N]`, or `[N]` of one metric.
        opinions: MOS or DMOS `[N]`.
        groups: A label an item `[N]`.
        statistic: A function of scores and opinions, such as `plcc`.

    Returns:
        The statistic of each metric and group.

    Raises:
        ValueError: Shapes differ, or values that the statistic does not take.

    >>> found = by_group([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], ["a"] * 5 + ["b"])
    >>> found.sizes.tolist(), found.values.round(6).tolist()
    ([5, 1], [[1.0, nan]])
    """
    rows, rated = np.atleast_2d(np.asarray(scores, np.float64)), np.asarray(opinions, np.float64)
    labels = np.asarray(groups)
    if rows.shape[1:] != rated.shape or labels.shape != rated.shape:
        raise ValueError(
            f"scores are {list(rows.shape)}, opinions {list(rated.shape)} and groups "
            f"{list(labels.shape)}: they must be [M, N], [N] and [N]."
        )
    names, members, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    values = np.full((len(rows), len(names)), np.nan)
    for group in range(len(names)):
        inside = members == group
        for metric, row in enumerate(rows):
            try:
                values[metric, group] = statistic(row[inside], rated[inside])
            except UndefinedStatisticError:
                continue
    return Breakdown(names, sizes, values)


def quality_ranges(opinions: ArrayLike, number: int = 4) -> np.ndarray:
    """Which range of opinion each item falls in, the ranges holding equally many items.

    Correlation within a range is lower than over all, because the range is restricted: compare
    metrics within it, not ranges of different data sets.

    Args:
        opinions: MOS or DMOS `[N]`.
        number: Of ranges.

    Returns:
        From 0, the lowest opinions, to `number` - 1 `[N]`. Equal opinions are in one range.

    Raises:
        ValueError: Not `[N]`, not finite, or fewer items than ranges.

    >>> quality_ranges([5, 1, 3, 4, 2, 6], 3).tolist()
    [2, 0, 1, 1, 0, 2]
    """
    values = np.asarray(opinions, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or not 1 <= number <= len(values):
        raise ValueError(f"opinions must be [N], finite, and at least {number}.")
    edges = np.quantile(values, np.arange(1, number) / number)
    return np.searchsorted(edges, values, "left")
