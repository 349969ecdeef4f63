"""Whether groups of observers vote differently: of other countries, displays, or acuities.

Bias and inconsistency of each observer come from `recovery`; here they are compared between groups.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class GroupComparison(NamedTuple):
    """How groups differ in a trait.

    Attributes:
        groups: Their names, sorted.
        observers: `[groups]`, how many each has.
        mean: `[groups]`, of the trait.
        error: `[groups]`, its standard error; NaN for a group of one.
        explained: Share of the trait's variance that lies between groups, from 0 to 1; NaN where
            there is no variance.
        p_value: Of the rank test of Kruskal and Wallis: how likely groups alike would differ as
            much; NaN where there is no variance.
    """

    groups: tuple[str, ...]
    observers: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    explained: float
    p_value: float


def compare_groups(trait: ArrayLike, groups: Sequence[str]) -> GroupComparison:
    """Compares a trait of observers between groups.

    Args:
        trait: `[observers]`, such as their biases; NaN where it is not known.
        groups: `[observers]`, the group of each; "" is unknown.

    Returns:
        The comparison, of observers whose trait and group are known.

    Raises:
        ValueError: Another number of groups than observers, or fewer than two groups.

    >>> found = compare_groups([0.5, 0.4, 0.6, -0.4, -0.6, -0.5], ["NO"] * 3 + ["SE"] * 3)
    >>> round(found.explained, 2), round(found.p_value, 3)
    (0.97, 0.05)
    """
    from scipy import stats

    values, names = np.asarray(trait, float), np.asarray(groups, str)
    if values.ndim != 1 or values.shape != names.shape:
        raise ValueError(f"{names.size} groups are given for {values.size} observers.")
    known = ~np.isnan(values) & (names != "")
    values, names = values[known], names[known]
    found, of_observer = np.unique(names, return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"a comparison needs two groups of known observers, not {len(found)}.")
    parts = [values[of_observer == index] for index in range(len(found))]
    count = np.array([len(part) for part in parts])
    mean = np.array([part.mean() for part in parts])
    error = np.array(
        [part.std(ddof=1) / np.sqrt(len(part)) if len(part) > 1 else np.nan for part in parts]
    )
    varies = np.ptp(values) > 0
    between = (count * (mean - values.mean()) ** 2).sum()
    explained = float(between / ((values - values.mean()) ** 2).sum()) if varies else np.nan
    p_value = float(stats.kruskal(*parts).pvalue) if varies else np.nan
    return GroupComparison(
        tuple(str(name) for name in found), count, mean, error, explained, p_value
    )
