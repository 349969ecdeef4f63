"""Several data sets of scores on one scale, through the stimuli that they have in common.

Each data set has a scale of its own: other observers, other instructions, another range of
quality. `merge_linear` maps them by straight lines and `merge_monotone` by rising curves, onto the
scale of a reference set. `merging_features` needs no common stimuli but metrics that predict all
scores, and `merging_pairs` votes that compare stimuli of different sets. Every merge says how
consistent the sets were.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.agreement import correlations
from jiqa.subjective.ratings import listed

FEWEST_COMMON = 3


class Consistency(NamedTuple):
    """How two data sets agree on their common stimuli, once they are on one scale.

    Attributes:
        first: Index of one set.
        second: Index of the other.
        stimuli: How many they have in common.
        pearson: Linear correlation.
        spearman: Correlation of ranks.
        disorder: Share of pairs of stimuli that the sets order oppositely, 0.5 by chance.
        rmse: Root mean square difference, on the reference's scale.
        expected_rmse: What it would be by the scores' standard errors alone; NaN without them.
    """

    first: int
    second: int
    stimuli: int
    pearson: float
    spearman: float
    disorder: float
    rmse: float
    expected_rmse: float


class Merged(NamedTuple):
    """Data sets on one scale.

    Attributes:
        score: `[stimuli]`, the mean over sets, weighted by the sets' errors where these are known.
        error: `[stimuli]`, its standard error, with that of the alignment; NaN if errors are not
            known.
        aligned: `[stimuli, sets]`, each set's scores on the common scale.
        aligned_error: `[stimuli, sets]`, their standard errors, without that of the alignment.
        slope: `[sets]`, of the lines that align them; NaN for curves.
        shift: `[sets]`, `aligned = slope * score + shift`; NaN for curves.
        alignment_error: `[sets]`, by how much aligned scores differ from those of the others beyond
            what standard errors explain; 0 for the reference.
        consistency: Of every two sets with stimuli in common.
    """

    score: np.ndarray
    error: np.ndarray
    aligned: np.ndarray
    aligned_error: np.ndarray
    slope: np.ndarray
    shift: np.ndarray
    alignment_error: np.ndarray
    consistency: tuple[Consistency, ...]


def merge_linear(
    scores: ArrayLike, *, errors: ArrayLike | None = None, reference: int = 0
) -> Merged:
    """Aligns data sets by straight lines that match mean and deviation on common stimuli.

    The lines treat both sets alike (reduced major axis), where a regression of one on the other
    would squeeze its scale. Where more than two sets overlap, the lines are the best compromise of
    all overlaps in least squares.

    Args:
        scores: `[stimuli, sets]`; NaN where a set has not a stimulus; higher is better in all.
        errors: `[stimuli, sets]`, their standard errors, whose share of the deviations is then
            left out.
        reference: Index of the set whose scale is kept.

    Returns:
        The sets on the reference's scale.

    Raises:
        ValueError: Arrays of another shape; sets that no chain of three common stimuli links with
            the reference; sets whose scores fall where another's rise, or do not vary beyond their
            errors.

    >>> merged = merge_linear([[1, 10], [2, 30], [3, 50], [np.nan, 70]])
    >>> print(merged.score.round(6))
    [1. 2. 3. 4.]
    """
    values, noise = check_sets(scores, errors, reference)
    sets = values.shape[1]
    overlaps = _overlaps(values, noise)
    _check_linked(overlaps, sets, reference)
    slope = np.exp(_solve_differences(overlaps, sets, reference))
    shifts = []
    for overlap in overlaps:
        pair = list(overlap.sets)
        means = (slope[pair] * values[overlap.common][:, pair]).mean(0)
        shifts.append(overlap._replace(difference=means[0] - means[1]))
    shift = _solve_differences(shifts, sets, reference)
    return combine(
        slope * values + shift, slope * noise, slope=slope, shift=shift, reference=reference
    )


def merge_monotone(
    scores: ArrayLike, *, errors: ArrayLike | None = None, reference: int = 0
) -> Merged:
    """Aligns data sets by rising curves through the stimuli they have in common with the reference.

    Each curve is the rising step function nearest to the common scores in least squares, smoothed
    by a cubic that rises too (PCHIP) through its steps' middles; beyond the outermost it goes on as
    the line of `merge_linear`.

    Args:
        scores: As in `merge_linear`.
        errors: As in `merge_linear`; errors are mapped by the curve's slope.
        reference: Index of the set whose scale is kept.

    Returns:
        The sets on the reference's scale.

    Raises:
        ValueError: As in `merge_linear`, for each set and the reference; a set whose common scores
            do not rise with the reference's.

    >>> merged = merge_monotone([[1, 1], [2, 4], [3, 9], [4, 16], [np.nan, 9]])
    >>> merged.score.tolist()
    [1.0, 2.0, 3.0, 4.0, 3.0]
    """
    from scipy.interpolate import PchipInterpolator
    from scipy.optimize import isotonic_regression

    values, noise = check_sets(scores, errors, reference)
    aligned, aligned_noise = values.copy(), noise.copy()
    for index in range(values.shape[1]):
        if index == reference:
            continue
        line = merge_linear(
            values[:, [reference, index]],
            errors=None if errors is None else noise[:, [reference, index]],
        ).slope[1]
        common = np.flatnonzero(~np.isnan(values[:, index] + values[:, reference]))
        order = common[np.argsort(values[common, index], kind="stable")]
        x, rising = values[order, index], isotonic_regression(values[order, reference]).x
        # Stimuli of one step, and those of equal scores, become one point of the curve.
        steps = np.unique(rising)
        knots = np.array([x[rising == step].mean() for step in steps])
        if len(steps) < 2:
            raise ValueError(f"the scores of set {index} do not rise with those of {reference}.")
        curve = PchipInterpolator(knots, steps)
        inside = np.clip(values[:, index], knots[0], knots[-1])
        beyond = values[:, index] - inside
        aligned[:, index] = curve(inside) + line * beyond
        aligned_noise[:, index] *= np.where(beyond == 0, curve(inside, 1), line)
    unknown = np.full(values.shape[1], np.nan)
    return combine(aligned, aligned_noise, slope=unknown, shift=unknown, reference=reference)


def check_sets(
    scores: ArrayLike, errors: ArrayLike | None, reference: int
) -> tuple[np.ndarray, np.ndarray]:
    """Checks scores and standard errors of data sets.

    Args:
        scores: `[stimuli, sets]`; NaN where a set does not have a stimulus.
        errors: Of the same shape, or None.
        reference: Index of a set.

    Returns:
        Both in double precision; errors that are not given are NaN.

    Raises:
        ValueError: Arrays of another shape, infinite values, negative errors, an error missing for
            a score, one set, or an unknown reference.
    """
    values = np.asarray(scores, float)
    noise = np.full(values.shape, np.nan) if errors is None else np.asarray(errors, float)
    if values.ndim != 2 or noise.shape != values.shape or values.shape[1] < 2:
        raise ValueError(
            f"scores have shape {values.shape} and errors {noise.shape}; give [stimuli, sets] of "
            "two sets or more."
        )
    if np.isinf(values).any() or np.isinf(noise).any() or (noise < 0).any():
        raise ValueError("scores and errors are finite, and errors not negative.")
    if errors is not None and np.isnan(noise[~np.isnan(values)]).any():
        raise ValueError("some scores have no error; give all of them, or none.")
    if not 0 <= reference < values.shape[1]:
        raise ValueError(f"reference={reference} is none of the {values.shape[1]} sets.")
    return values, noise


def combine(
    aligned: np.ndarray,
    noise: np.ndarray,
    *,
    slope: np.ndarray,
    shift: np.ndarray,
    reference: int | None,
) -> Merged:
    """The mean of aligned sets, with what their differences tell of the alignment.

    Args:
        aligned: `[stimuli, sets]`, on one scale.
        noise: `[stimuli, sets]`, their standard errors, NaN if not known.
        slope: `[sets]`, for the result.
        shift: `[sets]`, for the result.
        reference: Index of the set that defines the scale; None if no set does.

    Returns:
        The merged sets.
    """
    alignment = np.array(
        [
            0.0 if index == reference else _excess(aligned, noise, index)
            for index in range(aligned.shape[1])
        ]
    )
    given = ~np.isnan(aligned)
    # One weight a set: errors of single scores are estimates, and zero where all votes agree.
    own = np.array([(noise[given[:, k], k] ** 2).mean() for k in range(len(alignment))])
    spread = own + alignment**2
    weight = given * (1 / spread if (spread > 0).all() else np.ones(len(spread)))
    total = weight.sum(1)
    with np.errstate(invalid="ignore"):
        share = weight / total[:, None]
    score = np.where(given, share * aligned, 0).sum(1)
    error = np.sqrt(np.where(given, share**2 * (noise**2 + alignment**2), 0).sum(1))
    return Merged(
        np.where(total > 0, score, np.nan),
        np.where(total > 0, error, np.nan),
        aligned,
        noise,
        slope,
        shift,
        alignment,
        tuple(
            compare_sets(aligned[:, one], aligned[:, two], noise[:, one], noise[:, two], one, two)
            for one, two in combinations(range(aligned.shape[1]), 2)
            if (given[:, one] & given[:, two]).sum() >= FEWEST_COMMON
        ),
    )


def compare_sets(
    first: np.ndarray,
    second: np.ndarray,
    first_error: np.ndarray,
    second_error: np.ndarray,
    first_index: int,
    second_index: int,
) -> Consistency:
    """How two aligned series agree.

    Args:
        first: `[stimuli]`.
        second: `[stimuli]`.
        first_error: `[stimuli]`, standard errors, NaN if not known.
        second_error: `[stimuli]`.
        first_index: Of the set, for the result.
        second_index: The same.

    Returns:
        The comparison on common stimuli, of which there are three or more.
    """
    common = ~np.isnan(first + second)
    a, b = first[common], second[common]
    one, two = np.triu_indices(len(a), 1)
    signs = np.sign(a[one] - a[two]) * np.sign(b[one] - b[two])
    expected = np.sqrt(np.mean(first_error[common] ** 2 + second_error[common] ** 2))
    return Consistency(
        first_index,
        second_index,
        len(a),
        *correlations(a, b),
        float(np.mean(np.where(signs == 0, 0.5, signs < 0))),
        float(np.sqrt(np.mean((a - b) ** 2))),
        float(expected),
    )


class _Overlap(NamedTuple):
    """Two sets, their common stimuli, and by how much a value of the second exceeds the first's."""

    sets: tuple[int, int]
    common: np.ndarray
    difference: float


def _overlaps(values: np.ndarray, noise: np.ndarray) -> list[_Overlap]:
    """Sets in pairs, with the logarithm of the ratio of their slopes."""
    found = []
    for one, two in combinations(range(values.shape[1]), 2):
        common = np.flatnonzero(~np.isnan(values[:, one] + values[:, two]))
        if len(common) < FEWEST_COMMON:
            continue
        pair = values[common][:, [one, two]]
        errors = np.nan_to_num(noise[common][:, [one, two]])
        variance = pair.var(0, ddof=1) - (errors**2).mean(0)
        for index, left in zip((one, two), variance, strict=True):
            if not left > 0:
                raise ValueError(
                    f"the common scores of set {index} do not vary beyond their errors."
                )
        if np.cov(pair.T)[0, 1] <= 0:
            raise ValueError(
                f"scores of set {two} fall where those of set {one} rise; if lower is better in "
                "one of them, change its sign."
            )
        found.append(_Overlap((one, two), common, float(np.log(variance[0] / variance[1]) / 2)))
    return found


def _check_linked(overlaps: list[_Overlap], sets: int, reference: int) -> None:
    linked = {reference}
    for _ in range(sets):
        for overlap in overlaps:
            if linked & set(overlap.sets):
                linked |= set(overlap.sets)
    if apart := sorted(set(range(sets)) - linked):
        raise ValueError(
            f"sets {listed(apart)} have no chain of {FEWEST_COMMON} common stimuli to the "
            "reference; merge them by features or by pairwise votes."
        )


def _solve_differences(overlaps: list[_Overlap], sets: int, reference: int) -> np.ndarray:
    """Values `[sets]` whose differences are nearest to those of the overlaps.

    A difference counts by its number of stimuli; the reference's value is zero.
    """
    rows = np.zeros((len(overlaps), sets))
    for row, overlap in zip(rows, overlaps, strict=True):
        row[list(overlap.sets)] = -1, 1
    weight = np.sqrt([len(overlap.common) for overlap in overlaps])
    target = weight * [overlap.difference for overlap in overlaps]
    free = np.delete(np.arange(sets), reference)
    values = np.zeros(sets)
    values[free] = np.linalg.lstsq(weight[:, None] * rows[:, free], target)[0]
    return values


def _excess(aligned: np.ndarray, noise: np.ndarray, index: int) -> float:
    """How much a set differs from the mean of the others beyond their standard errors."""
    others = np.delete(np.arange(aligned.shape[1]), index)
    given = ~np.isnan(aligned[:, others])
    count = given.sum(1)
    common = (count > 0) & ~np.isnan(aligned[:, index])
    if not common.any():
        return 0.0
    number = count[common]
    mean = np.where(given, aligned[:, others], 0).sum(1)[common] / number
    squares = np.where(given, np.nan_to_num(noise[:, others]) ** 2, 0).sum(1)[common] / number**2
    expected = np.nan_to_num(noise[common, index]) ** 2 + squares
    return float(np.sqrt(max(np.mean((aligned[common, index] - mean) ** 2 - expected), 0)))
