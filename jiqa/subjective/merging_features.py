"""Several data sets of scores on one scale, through metrics that predict the scores of all.

The iterated nested least squares of Voran (NTIA TM-03-397, 2002), used for pictures by Pinson and
Wolf (2003): in turn, the scores of each set are mapped by a straight line to what the metrics
predict, and the metrics' weights are fitted to all sets' mapped scores. No stimulus needs to be in
two sets. What the metrics get wrong about a whole set ends up in its line.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.merging import Consistency, Merged, check_sets, combine, compare_sets

TOLERANCE = 1e-10
MOST_ITERATIONS = 20_000


class FeatureMerge(NamedTuple):
    """Data sets on the scale of the reference.

    Attributes:
        merged: Scores and lines; the alignment errors are those of each set's line.
        prediction: `[stimuli]`, what the metrics predict.
        weights: `[features + 1]`, of the metrics, the last of a constant.
        consistency: Of each set with the prediction, whose index is -1: how good the lines can be.
        iterations: How many it took.
    """

    merged: Merged
    prediction: np.ndarray
    weights: np.ndarray
    consistency: tuple[Consistency, ...]
    iterations: int


def merge_by_features(
    scores: ArrayLike,
    features: ArrayLike,
    *,
    errors: ArrayLike | None = None,
    reference: int = 0,
) -> FeatureMerge:
    """Aligns data sets by straight lines to what metrics predict.

    Args:
        scores: `[stimuli, sets]`; NaN where a set has not a stimulus; higher is better in all.
        features: `[stimuli, features]`, scores of metrics, best made linear to opinion.
        errors: `[stimuli, sets]`, standard errors of the scores.
        reference: Index of the set whose scale is kept.

    Returns:
        The sets on the reference's scale.

    Raises:
        ValueError: Arrays of another shape; fewer scores in a set than features and two more;
            features that are not finite or depend on each other; a set whose scores fall where the
            prediction rises; no convergence.

    >>> quality = np.linspace(0, 1, 10)
    >>> scores = np.full((10, 2), np.nan)
    >>> scores[:5, 0], scores[5:, 1] = 1 + 4 * quality[:5], 100 * quality[5:]
    >>> print(merge_by_features(scores, quality[:, None]).merged.slope.round(3))
    [1.   0.04]
    """
    values, noise = check_sets(scores, errors, reference)
    columns = np.asarray(features, float)
    if columns.ndim != 2 or len(columns) != len(values) or not np.isfinite(columns).all():
        raise ValueError(
            f"features have shape {columns.shape}; give finite ones [stimuli, features] for "
            f"{len(values)} stimuli."
        )
    given = ~np.isnan(values)
    if (few := given.sum(0) < columns.shape[1] + 2).any():
        raise ValueError(
            f"set {int(np.argmax(few))} has {given.sum(0)[few][0]} scores, too few to fit "
            f"{columns.shape[1]} features."
        )
    design = np.column_stack([columns, np.ones(len(columns))])
    stimulus, set_index = np.nonzero(given)
    rows = design[stimulus]
    scale = np.abs(rows).max(0)
    if np.linalg.matrix_rank(rows / np.where(scale > 0, scale, 1)) < design.shape[1]:
        raise ValueError("the features depend on each other, or one is constant; leave it out.")
    slope, shift, weights, iterations = _iterate(values, set_index, stimulus, rows, reference)
    prediction = design @ weights
    aligned, aligned_noise = slope * values + shift, np.abs(slope) * noise
    consistency = tuple(
        compare_sets(
            aligned[:, index], prediction, aligned_noise[:, index], 0 * prediction, index, -1
        )
        for index in range(values.shape[1])
    )
    lines = np.array([_line_error(values[:, k], prediction) for k in range(values.shape[1])])
    merged = combine(
        aligned, aligned_noise, slope=slope, shift=shift, reference=reference
    )._replace(alignment_error=np.where(np.arange(len(lines)) == reference, 0, lines))
    return FeatureMerge(merged, prediction, weights, consistency, iterations)


def _iterate(
    values: np.ndarray,
    set_index: np.ndarray,
    stimulus: np.ndarray,
    rows: np.ndarray,
    reference: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Lines `[sets]`, weights and the number of iterations."""
    sets = values.shape[1]
    given = values[stimulus, set_index]
    solve = np.linalg.pinv(rows)
    home = set_index == reference
    spread = given[home].std() or 1.0
    slope, shift = np.empty(sets), np.empty(sets)
    for index in range(sets):  # to begin with, all sets have one mean and deviation
        own = given[set_index == index]
        slope[index] = spread / (own.std() or 1.0)
        shift[index] = given[home].mean() - slope[index] * own.mean()
    slope[reference], shift[reference] = 1.0, 0.0
    for iteration in range(1, MOST_ITERATIONS + 1):
        before = slope[set_index] * given + shift[set_index]
        prediction = rows @ (solve @ before)
        for index in set(range(sets)) - {reference}:
            own = set_index == index
            rise, start = np.polyfit(prediction[own], given[own], 1)
            if rise <= 0:
                raise ValueError(
                    f"scores of set {index} fall where the features' prediction rises; if lower is "
                    "better in it, change its sign."
                )
            slope[index], shift[index] = 1 / rise, -start / rise
        after = slope[set_index] * given + shift[set_index]
        if np.abs(after - before).max() < TOLERANCE * spread:
            return slope, shift, solve @ after, iteration
    raise ValueError(f"the lines still change after {MOST_ITERATIONS} iterations.")


def _line_error(values: np.ndarray, prediction: np.ndarray) -> float:
    """Mean standard error of a set's line, in units of the prediction."""
    own = ~np.isnan(values)
    x, y = prediction[own], values[own]
    (rise, start), number = np.polyfit(x, y, 1), own.sum()
    variance = ((y - rise * x - start) ** 2).sum() / (number - 2)
    # At x the line's variance is `variance (1 / n + (x - mean)^2 / sum)`, on average 2 / n of it.
    return float(np.sqrt(2 * variance / number) / rise)
