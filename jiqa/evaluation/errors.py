"""How far predictions lie from opinions, on the opinions' scale.

A prediction is a score mapped to that scale, such as `fit_curve(scores, opinions)(scores)`.
"""

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.samples import paired


def rmse(predictions: ArrayLike, opinions: ArrayLike, *, parameters: int = 0) -> float:
    """Root of the mean squared error.

    Args:
        predictions: `[N]`, in units of the opinions.
        opinions: MOS or DMOS `[N]`.
        parameters: What is taken from N in the mean: 0 in most papers; the number of parameters of
            the fitted mapping in the reports of the Video Quality Experts Group.

    Returns:
        At least 0, in units of the opinions.

    Raises:
        ValueError: Shapes differ or values are not finite.
        UndefinedStatisticError: Not more items than parameters.

    >>> rmse([1, 2, 3, 4], [2, 1, 4, 3])
    1.0
    """
    residuals = np.subtract(*paired(predictions, opinions, least=parameters + 1, constant=True))
    return float(np.sqrt((residuals**2).sum() / (len(residuals) - parameters)))


def mae(predictions: ArrayLike, opinions: ArrayLike) -> float:
    """Mean absolute error.

    Args:
        predictions: `[N]`, in units of the opinions.
        opinions: MOS or DMOS `[N]`.

    Returns:
        At least 0, in units of the opinions.

    Raises:
        ValueError: Shapes differ or values are not finite.

    >>> mae([1, 2, 3, 4], [2, 1, 4, 7])
    1.5
    """
    return float(np.abs(np.subtract(*paired(predictions, opinions, least=1, constant=True))).mean())


def outlier_ratio(
    predictions: ArrayLike,
    opinions: ArrayLike,
    *,
    std: ArrayLike | None = None,
    standard_error: ArrayLike | None = None,
) -> float:
    """Share of items that are predicted worse than observers agree.

    There are two conventions. Beyond twice the standard deviation of an item's ratings (Sheikh,
    Sabir and Bovik 2006 and most papers): give `std`. Outside the 95 % interval of the mean rating,
    1.96 standard errors (Video Quality Experts Group, 2003): give `standard_error`, which is the
    standard deviation over the root of the number of ratings.

    Args:
        predictions: `[N]`, in units of the opinions.
        opinions: MOS or DMOS `[N]`.
        std: Standard deviation of each item's ratings `[N]`.
        standard_error: Standard error of each item's opinion `[N]`.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: Shapes differ, values are not finite or negative, or not exactly one of `std`
            and `standard_error` is given.

    >>> outlier_ratio([1, 2, 3, 4], [1, 2, 3, 9], std=[1, 1, 1, 1])
    0.25
    """
    given = [spread for spread in (std, standard_error) if spread is not None]
    if len(given) != 1:
        raise ValueError("give either std or standard_error: they are two conventions.")
    residuals = np.subtract(*paired(predictions, opinions, least=1, constant=True))
    spread, _ = paired(given[0], opinions, least=1, constant=True)
    if (spread < 0).any():
        raise ValueError("a standard deviation is negative.")
    widths = 2.0 if std is not None else 1.96
    return float((np.abs(residuals) > widths * spread).mean())
