"""Scores beside opinions: the checks that every statistic begins with."""

import numpy as np
from numpy.typing import ArrayLike

LEAST_ITEMS = 5


class UndefinedStatisticError(ValueError):
    """The data are sound but too few or too uniform for the statistic that was asked for."""


def paired(
    scores: ArrayLike,
    opinions: ArrayLike,
    *,
    least: int = LEAST_ITEMS,
    infinite: bool = False,
    constant: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and opinions of the same items as float64, checked.

    Args:
        scores: A metric's scores `[N]`.
        opinions: The items' MOS or DMOS `[N]`.
        least: Fewest items of which the statistic is defined.
        infinite: Whether scores may be infinite, as PSNR is for equal images.
        constant: Whether all scores, or all opinions, may be equal.

    Returns:
        Scores and opinions `[N]`.

    Raises:
        ValueError: Other shapes, NaN, or infinity where it is not allowed.
        UndefinedStatisticError: Fewer items than `least`, or all equal.

    >>> paired([1, 2, 3], [3, 2, 1])
    Traceback (most recent call last):
    jiqa.evaluation.samples.UndefinedStatisticError: 3 items are too few, at least 5 are needed.
    """
    first, second = np.asarray(scores, np.float64), np.asarray(opinions, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            f"scores are {list(first.shape)} and opinions {list(second.shape)}: both must be [N], "
            "one value an item."
        )
    for name, values, bounded in (("scores", first, not infinite), ("opinions", second, True)):
        bad = ~np.isfinite(values) if bounded else np.isnan(values)
        if bad.any():
            raise ValueError(
                f"{name} are not finite at {bad.sum()} of {len(bad)} items, first at item "
                f"{bad.argmax()}: leave these items out, for all metrics alike."
            )
    if len(first) < least:
        raise UndefinedStatisticError(
            f"{len(first)} items are too few, at least {least} are needed."
        )
    for name, values in (("scores", first), ("opinions", second)):
        if not constant and (values == values[0]).all():
            raise UndefinedStatisticError(
                f"all {len(values)} {name} are {values[0]:g}: they order nothing."
            )
    return first, second


def several(
    scores: ArrayLike,
    opinions: ArrayLike,
    *,
    least: int = LEAST_ITEMS,
    infinite: bool = False,
    constant: bool = False,
) -> np.ndarray:
    """Scores of several metrics `[M, N]`, or of one `[N]`, each checked as by `paired`.

    Args:
        scores: `[M, N]` or `[N]`.
        opinions: `[N]`.
        least: See `paired`.
        infinite: See there.
        constant: See there.

    Returns:
        Scores `[M, N]` in float64.

    Raises:
        ValueError: As `paired`.

    >>> several([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).shape
    (1, 5)
    """
    rows = np.atleast_2d(np.asarray(scores, np.float64))
    checked = [
        paired(row, opinions, least=least, infinite=infinite, constant=constant) for row in rows
    ]
    return np.stack([row for row, _ in checked])
