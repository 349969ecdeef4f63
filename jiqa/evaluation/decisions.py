"""How well a metric decides about pairs: which differ at all, and which of two is better.

L. Krasula, K. Fliegel, P. Le Callet and M. Klima, "On the accuracy of objective image and video
quality models: New methodology for performance evaluation", QoMEX 2016. Observers' opinions of two
images differ significantly or not. A metric's difference is then judged as a classifier: its
absolute value should tell different pairs from similar ones, its sign the better image. Nothing is
fitted, and the uncertainty of the opinions is allowed for.

Standard errors are over images, not over pairs as the authors' code has them: a pair shares its
images with thousands of others, and pairs taken for independent make every difference significant.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.dependent_correlations import ZTest, z_test
from jiqa.evaluation.samples import UndefinedStatisticError, paired, several


@dataclass(frozen=True)
class Pairs:
    """Pairs of images with what observers say of them.

    Attributes:
        first: Positions of the first image `[P]`.
        second: Positions of the second `[P]`.
        outcome: 1 where the first is significantly better, -1 where it is worse, 0 where the two
            are similar `[P]`.
    """

    first: np.ndarray
    second: np.ndarray
    outcome: np.ndarray


def judge_pairs(
    opinions: ArrayLike,
    standard_error: ArrayLike,
    *,
    confidence: float = 0.95,
    most: int = 1_000_000,
    seed: int = 0,
) -> Pairs:
    """Which of all pairs of images differ significantly in opinion.

    Args:
        opinions: MOS `[N]`; negate DMOS, so that more is better.
        standard_error: Of each opinion `[N]`: the standard deviation of an image's ratings over the
            root of their number.
        confidence: A pair differs if a normal variable is below |z| with this probability, as in
            the authors' code: 0.95 is |z| above 1.645.
        most: Where there are more pairs (of more than 1414 images), as many are drawn at random,
            with replacement. What that adds to the errors of `decide` is negligible.
        seed: For drawing them.

    Returns:
        Each pair once, in one order.

    Raises:
        ValueError: Shapes differ, values are not finite, or an error is negative.

    >>> judge_pairs([1.0, 1.1, 3.0, 5.0, 5.0], [0.1] * 5).outcome.tolist()
    [0, -1, -1, -1, -1, -1, -1, -1, -1, 0]
    """
    from scipy import special

    rated, error = paired(opinions, standard_error, least=2, constant=True)
    if (error < 0).any():
        raise ValueError("a standard error is negative.")
    number = len(rated)
    if number * (number - 1) // 2 <= most:
        first, second = np.triu_indices(number, 1)
    else:
        rng = np.random.default_rng(seed)
        first = rng.integers(0, number, most)
        second = (first + rng.integers(1, number, most)) % number
    difference = rated[first] - rated[second]
    least = special.ndtri(confidence) * np.hypot(error[first], error[second])
    outcome = np.where(np.abs(difference) >= least, np.sign(difference), 0)
    return Pairs(first, second, outcome.astype(np.int8))


@dataclass(frozen=True)
class Decisions:
    """How well M metrics decide about pairs of N images.

    Attributes:
        different_similar: Area under the ROC curve of telling different from similar pairs `[M]`;
            0.5 is chance.
        better_worse: Area under the ROC curve of telling the better image of different pairs `[M]`.
        correct: C0, the share of different pairs whose better image scores higher `[M]`.
        threshold: The absolute difference that 95 % of similar pairs stay below `[M]`.
        influence: By how much the first three change with the weight of an image `[3, M, N]`.
    """

    different_similar: np.ndarray
    better_worse: np.ndarray
    correct: np.ndarray
    threshold: np.ndarray
    influence: np.ndarray

    def standard_errors(self, clusters: ArrayLike | None = None) -> np.ndarray:
        """Of the areas and C0 `[3, M]`, images (or clusters of them) being drawn at random."""
        return np.sqrt((_summed(self.influence, clusters) ** 2).sum(-1))

    def compare(
        self, first: int, second: int, clusters: ArrayLike | None = None
    ) -> tuple[ZTest, ZTest, ZTest]:
        """Tests of two metrics' areas and C0, positive where the first is better."""
        values = np.stack([self.different_similar, self.better_worse, self.correct])
        difference = values[:, first] - values[:, second]
        influence = _summed(self.influence[:, first] - self.influence[:, second], clusters)
        errors = np.sqrt((influence**2).sum(-1))
        one, two, three = (z_test(*pair) for pair in zip(difference, errors, strict=True))
        return one, two, three


def decide(scores: ArrayLike, pairs: Pairs) -> Decisions:
    """How well metrics decide about pairs.

    Args:
        scores: `[M, N]`, or `[N]` of one metric; more is better, infinite scores are allowed.
        pairs: Of the N images, from `judge_pairs`.

    Returns:
        Areas, C0 and thresholds of each metric. As in the authors' code every different pair counts
        in both orders for better/worse, and equal scores are no correct decision for C0.

    Raises:
        ValueError: Shapes differ, or NaN.
        UndefinedStatisticError: No pair differs, or none is similar.

    >>> pairs = judge_pairs([1.0, 1.1, 3.0, 5.0, 5.2], [0.2] * 5)
    >>> found = decide([1.0, 2.0, 3.0, 5.0, 4.0], pairs)
    >>> found.different_similar.tolist(), found.better_worse.tolist(), found.correct.tolist()
    ([0.875], [1.0], [1.0])
    """
    number = max(pairs.first.max(), pairs.second.max()) + 1
    rows = np.atleast_2d(np.asarray(scores, np.float64))
    rows = several(rows, np.zeros(rows.shape[1]), least=2, infinite=True, constant=True)
    if rows.shape[1] < number:
        raise ValueError(f"scores are of {rows.shape[1]} images, the pairs of {number}.")
    differs = pairs.outcome != 0
    if differs.all() or not differs.any():
        raise UndefinedStatisticError(
            f"{differs.sum()} of {len(differs)} pairs differ: there must be some that do and some "
            "that do not."
        )
    found = [_decide(row, pairs, differs) for row in rows]
    values, thresholds, influence = zip(*found, strict=True)
    different_similar, better_worse, correct = np.array(values).T
    return Decisions(
        different_similar, better_worse, correct, np.array(thresholds), np.stack(influence, 1)
    )


@dataclass(frozen=True)
class Frequencies:
    """What becomes of pairs whose metric difference counts only beyond a threshold (ITU-T J.149).

    Attributes:
        correct: Share of pairs decided as observers do.
        false_tie: Share that observers tell apart and the metric does not.
        false_differentiation: Share that the metric tells apart and observers do not.
        false_ranking: Share that both tell apart, in opposite order.
    """

    correct: float
    false_tie: float
    false_differentiation: float
    false_ranking: float


def decision_frequencies(scores: ArrayLike, pairs: Pairs, threshold: float) -> Frequencies:
    """Classification accuracy and the three kinds of error, at a threshold.

    ITU-T J.149, "Method for specifying accuracy and cross-calibration of video quality metrics",
    2004.

    Args:
        scores: `[N]`, more is better; infinite scores are allowed.
        pairs: Of the N images, from `judge_pairs`.
        threshold: Absolute differences up to it count as a tie.

    Returns:
        Four shares that sum to 1.

    Raises:
        ValueError: Shapes differ, NaN, or a negative threshold.

    >>> pairs = judge_pairs([1.0, 1.1, 3.0, 5.0, 5.2], [0.2] * 5)
    >>> decision_frequencies([1.0, 2.0, 3.0, 5.0, 4.0], pairs, 1.5)
    Frequencies(correct=0.8, false_tie=0.2, false_differentiation=0.0, false_ranking=0.0)
    """
    row, _ = paired(scores, np.zeros(np.shape(scores)), least=2, infinite=True, constant=True)
    if threshold < 0:
        raise ValueError(f"the threshold is {threshold}; it must be at least 0.")
    difference = _differences(row, pairs)
    decision = np.where(np.abs(difference) > threshold, np.sign(difference), 0)
    wrong = decision != pairs.outcome
    return Frequencies(
        correct=float((~wrong).mean()),
        false_tie=float((wrong & (decision == 0)).mean()),
        false_differentiation=float((wrong & (pairs.outcome == 0)).mean()),
        false_ranking=float((decision * pairs.outcome < 0).mean()),
    )


def _differences(row: np.ndarray, pairs: Pairs) -> np.ndarray:
    """First score less second; two infinite ones do not differ."""
    first, second = row[pairs.first], row[pairs.second]
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0.0, first - second)


def _decide(
    row: np.ndarray, pairs: Pairs, differs: np.ndarray
) -> tuple[tuple[float, float, float], float, np.ndarray]:
    """Areas and C0 of one metric, its threshold, and the influence of each image `[3, N]`."""
    difference = _differences(row, pairs)
    size = np.abs(difference)
    different, similar = np.flatnonzero(differs), np.flatnonzero(~differs)
    area, above, below = _area(size[different], size[similar])

    better = difference[different] * pairs.outcome[different]
    # By symmetry a different pair weighs as much in its other order.
    order_area, order_above, _ = _area(better, -better)
    correct = (better > 0).astype(float)

    def spread(places: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """What pairs contribute, given to both of their images."""
        first = np.bincount(pairs.first[places], weights, len(row))
        second = np.bincount(pairs.second[places], weights, len(row))
        return (first + second) / len(places)

    influence = [
        spread(different, above - area) + spread(similar, below - area),
        2 * spread(different, order_above - order_area),
        spread(different, correct - correct.mean()),
    ]
    threshold = float(np.quantile(size[similar], 0.95, method="inverted_cdf"))
    return (area, order_area, float(correct.mean())), threshold, np.stack(influence)


def _area(positives: np.ndarray, negatives: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The area under the ROC curve, and each value's part in it; ties count half.

    Returns:
        The area; of each positive, the share of negatives below it `[P]`; of each negative, the
        share of positives above it `[Q]`.
    """
    values = np.concatenate([positives, negatives])
    order = np.argsort(values)
    ranked = values[order]
    negative = order >= len(positives)
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    negatives_before = np.concatenate([[0], np.cumsum(negative)])
    ends = np.append(starts[1:], len(values))
    below = (negatives_before[starts] + negatives_before[ends]) / 2
    above = len(positives) - ((starts + ends) / 2 - below)
    parts = np.empty(len(values))
    parts[order] = np.where(negative, above[group] / len(positives), below[group] / len(negatives))
    shares = parts[: len(positives)], parts[len(positives) :]
    return float(shares[0].mean()), *shares


def _summed(influence: np.ndarray, clusters: ArrayLike | None) -> np.ndarray:
    """The influence of whole clusters."""
    if clusters is None:
        return influence
    _, members = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(members.max() + 1))
    return np.add.reduceat(influence[..., order], starts, axis=-1)
