"""P-values corrected for having made many tests."""

import numpy as np
from numpy.typing import ArrayLike


def holm(p_values: ArrayLike) -> np.ndarray:
    """P-values such that rejecting those below a level errs at all with at most that probability.

    Args:
        p_values: Of a family of tests `[T]`, dependent or not.

    Returns:
        Corrected p-values `[T]` (Holm, "A simple sequentially rejective multiple test procedure",
        Scandinavian Journal of Statistics 6, 1979).

    Raises:
        ValueError: Not `[T]`, or not within [0, 1].

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(corrected, 1)


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """P-values such that of those below a level at most that share are expected to be errors.

    Args:
        p_values: Of a family of independent or positively dependent tests `[T]`.

    Returns:
        Corrected p-values `[T]` (Benjamini and Hochberg, "Controlling the false discovery rate",
        Journal of the Royal Statistical Society B 57, 1995).

    Raises:
        ValueError: Not `[T]`, or not within [0, 1].

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy import stats

    return np.asarray(stats.false_discovery_control(_checked(p_values), method="bh"))


def _checked(p_values: ArrayLike) -> np.ndarray:
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must be [T], each from 0 to 1.")
    return p
