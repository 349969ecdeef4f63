"""Three tests of a metric on images without opinions, after the Waterloo Exploration Database.

K. Ma, Z. Duanmu, Q. Wu, Z. Wang, H. Yong, H. Li and L. Zhang, "Waterloo Exploration Database: New
challenges for image quality assessment models", IEEE TIP 26(2), 2017. Scores are those of a metric
of which more is better; negate those of any other.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.samples import UndefinedStatisticError


class Separation(NamedTuple):
    """How well a threshold on the score tells pristine from distorted images.

    Attributes:
        accuracy: Mean of the shares of either kind that are told rightly.
        threshold: Images above it are taken for pristine.
    """

    accuracy: float
    threshold: float


def d_test(pristine: ArrayLike, distorted: ArrayLike) -> Separation:
    """The pristine/distorted image discriminability test.

    Args:
        pristine: Scores of pristine images `[P]`, more is better.
        distorted: Scores of distorted images `[D]`.

    Returns:
        The best accuracy of all thresholds, from 0.5 to 1, and the lowest threshold that has it.

    Raises:
        ValueError: Not one-dimensional, empty, or NaN.

    >>> d_test([3, 4, 5], [1, 2, 3.5, 2])
    Separation(accuracy=0.875, threshold=2.0)
    """
    good, bad = _scores("pristine", pristine), _scores("distorted", distorted)
    thresholds = np.unique(np.concatenate([[-np.inf], good, bad]))
    above = 1 - np.searchsorted(np.sort(good), thresholds, "right") / len(good)
    below = np.searchsorted(np.sort(bad), thresholds, "right") / len(bad)
    accuracy = (above + below) / 2
    best = int(accuracy.argmax())
    return Separation(float(accuracy[best]), float(thresholds[best]))


class Ranking(NamedTuple):
    """Mean correlation of scores with the level of distortion, over all lists.

    Attributes:
        srocc: Mean of Spearman's coefficient, 1 if all scores fall from level to level.
        krocc: Mean of Kendall's tau-b.
        lists: How many lists there are.
    """

    srocc: float
    krocc: float
    lists: int


def l_test(scores: ArrayLike, levels: ArrayLike, lists: ArrayLike) -> Ranking:
    """The listwise ranking consistency test.

    Args:
        scores: Of distorted images `[N]`, more is better.
        levels: Of distortion `[N]`, more is worse.
        lists: A label an image `[N]`: images of one label are one original under one distortion.

    Returns:
        Mean coefficients, from -1 to 1. A list whose scores are all equal counts as 0.

    Raises:
        ValueError: Shapes differ, or NaN.
        UndefinedStatisticError: A list has only one level.

    >>> l_test([5, 4, 2, 9, 7, 8], [1, 2, 3, 1, 2, 3], ["a", "a", "a", "b", "b", "b"])
    Ranking(srocc=0.75, krocc=0.666..., lists=2)
    """
    from scipy import stats

    scored, level, labels = _scores("scores", scores), _scores("levels", levels), np.asarray(lists)
    if not scored.shape == level.shape == labels.shape:
        raise ValueError(
            f"scores are {list(scored.shape)}, levels {list(level.shape)} and lists "
            f"{list(labels.shape)}: each must be [N]."
        )
    names, members = np.unique(labels, return_inverse=True)
    found = np.zeros((len(names), 2))
    for place, name in enumerate(names):
        inside = members == place
        pair = scored[inside], -level[inside]
        if np.ptp(pair[1]) == 0:
            raise UndefinedStatisticError(f"the list {name} has a single level.")
        if (pair[0] != pair[0][0]).any():
            found[place] = stats.spearmanr(*pair).statistic, stats.kendalltau(*pair).statistic
    return Ranking(float(found[:, 0].mean()), float(found[:, 1].mean()), len(names))


def p_test(better: ArrayLike, worse: ArrayLike) -> float:
    """The pairwise preference consistency test: how often the better image scores higher.

    Args:
        better: Scores of the better image of each pair `[P]`, more is better.
        worse: Scores of the worse image `[P]`.

    Returns:
        Share of pairs in which `better` is strictly higher, from 0 to 1.

    Raises:
        ValueError: Shapes differ, empty, or NaN.

    >>> p_test([3, 2, 5, 1], [1, 2, 4, 0])
    0.75
    """
    first, second = _scores("better", better), _scores("worse", worse)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} better images but {len(second)} worse ones.")
    return float((first > second).mean())


def discriminable_pairs(scores: ArrayLike, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images whose order is beyond doubt, as the P-test takes them.

    Several trusted metrics, mapped to one scale of quality, must all agree by more than a
    threshold. The paper takes metrics mapped to opinions from 0 to 100.

    Args:
        scores: `[K, N]` of K metrics on one scale, more is better. Memory grows with N^2.
        threshold: Least difference of each metric, at least 0.

    Returns:
        Positions of the better and of the worse image of each pair `[P]`.

    Raises:
        ValueError: Not `[K, N]`, NaN, or a negative threshold.

    >>> better, worse = discriminable_pairs([[10, 50, 90], [20, 40, 99]], 25)
    >>> better.tolist(), worse.tolist()
    ([2, 2], [0, 1])
    """
    rows = np.asarray(scores, np.float64)
    if rows.ndim != 2 or np.isnan(rows).any() or threshold < 0:
        raise ValueError("scores must be [K, N] without NaN, and the threshold at least 0.")
    agreed = np.ones((rows.shape[1], rows.shape[1]), bool)
    for row in rows:
        agreed &= row[:, None] > row + threshold
    better, worse = np.nonzero(agreed)
    return better, worse


def _scores(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array) or np.isnan(array).any():
        raise ValueError(f"{name} must be one-dimensional, not empty and without NaN.")
    return array
