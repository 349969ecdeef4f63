"""Just noticeable differences (JND) as ISO 20462 defines them, and the scale of its quality ruler.

A JND is the difference at which 75 of 100 votes prefer the better (part 1). Its scale is the arc
sine of the proportion, which is nearly normal and unlike it ends: a proportion of 1 is 3 JND. The
standard quality scale (SQS, part 3) counts JND from an image of which nothing can be told.
"""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

RULER_RANGE = (0.01, 0.26)


def jnd_from_proportion(proportion: ArrayLike) -> np.ndarray:
    """Difference at which a proportion of votes prefers the better, `12 / pi asin(sqrt(p)) - 3`.

    Args:
        proportion: From 0 to 1, of any shape.

    Returns:
        In JND, from -3 to 3. Beyond 1.5 it is imprecise, and part 2 of the standard wants pairs
        nearer than that.

    Raises:
        ValueError: A proportion outside 0 to 1.

    >>> print(jnd_from_proportion([0.25, 0.5, 0.75, 1]).round(6) + 0)
    [-1.  0.  1.  3.]
    """
    share = np.asarray(proportion, float)
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError("a proportion is from 0 to 1.")
    return 12 / np.pi * np.arcsin(np.sqrt(share)) - 3


def proportion_from_jnd(jnd: ArrayLike) -> np.ndarray:
    """Proportion of votes that prefer the better of two, `sin^2(pi (jnd + 3) / 12)`.

    Args:
        jnd: From -3 to 3, of any shape.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: A difference beyond 3, of which the scale knows nothing.

    >>> print(proportion_from_jnd([0, 1]).round(6))
    [0.5  0.75]
    """
    difference = np.asarray(jnd, float)
    if not (np.abs(difference) <= 3).all():
        raise ValueError("the scale of ISO 20462 ends at 3 JND, where all votes agree.")
    return np.sin(np.pi * (difference + 3) / 12) ** 2


def ruler_quality(blur: ArrayLike) -> np.ndarray:
    """Quality of an image of the ruler, in JND of the standard quality scale.

    The ruler's images are blurred as by a lens that only diffraction limits: at f cycles a degree
    its modulation transfer is `2 / pi (acos(k f) - k f sqrt(1 - (k f)^2))`.

    Args:
        blur: k, in degrees a cycle, from 0.01 (sharp) to 0.26, of any shape.

    Returns:
        From about 32, sharp, to 0, at which little can be told of the image.

    Raises:
        ValueError: A blur out of range, in which the standard's formula does not hold.

    >>> print(ruler_quality([0.01, 0.05, 0.26]).round(1) + 0)
    [32.1 19.   0. ]
    """
    k = np.asarray(blur, float)
    low, high = RULER_RANGE
    if not ((k >= low) & (k <= high)).all():
        raise ValueError(f"blur goes from {low} to {high}, where the ruler's scale is defined.")
    numerator = 17249 + 203792 * k - 114950 * k**2 - 3571075 * k**3
    return numerator / (578 - 1304 * k + 357372 * k**2)


def ruler_modulation(frequency: ArrayLike, blur: ArrayLike) -> np.ndarray:
    """Modulation transfer of a ruler image, by which it is made or an image's blur is matched.

    Args:
        frequency: In cycles a degree, at least 0.
        blur: k, in degrees a cycle; broadcasts with the frequency.

    Returns:
        From 1 at frequency 0 to 0 at `1 / k` and beyond.

    >>> ruler_modulation([0.0, 20.0], 0.05).tolist()
    [1.0, 0.0]
    """
    x = np.clip(np.asarray(frequency, float) * np.asarray(blur, float), 0, 1)
    return 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x**2))


def pairs_of_triplets(triplets: ArrayLike, scores: ArrayLike, *, stimuli: int) -> np.ndarray:
    """The pairwise wins that scores of triplets imply (ISO 20462-2).

    The triplet method shows three stimuli at once, each of which gets one of five categories. Any
    two of a triplet are so compared, by half as many presentations as single pairs need.

    Args:
        triplets: `[presentations, 3]`, indices of the stimuli.
        scores: `[presentations, 3]`, their categories; higher is better.
        stimuli: How many there are.

    Returns:
        `[stimuli, stimuli]` wins for `jiqa.subjective.pairwise.scale_pairs`; equal categories are
        half a win for each.

    Raises:
        ValueError: Arrays of another shape, or indices that are no stimuli or twice in a triplet.

    >>> pairs_of_triplets([[0, 1, 2]], [[5, 3, 3]], stimuli=3).tolist()
    [[0.0, 1.0, 1.0], [0.0, 0.0, 0.5], [0.0, 0.5, 0.0]]
    """
    index, category = np.asarray(triplets), np.asarray(scores, float)
    if index.ndim != 2 or index.shape[1] != 3 or category.shape != index.shape:
        raise ValueError(
            f"triplets have shape {index.shape} and scores {category.shape}; give two of "
            "[presentations, 3]."
        )
    if index.min() < 0 or index.max() >= stimuli:
        raise ValueError(f"triplets name stimuli {index.min()} to {index.max()} of {stimuli}.")
    wins = np.zeros((stimuli, stimuli))
    for one, two in combinations(range(3), 2):
        if (index[:, one] == index[:, two]).any():
            raise ValueError("a triplet shows a stimulus twice.")
        share = (np.sign(category[:, one] - category[:, two]) + 1) / 2
        np.add.at(wins, (index[:, one], index[:, two]), share)
        np.add.at(wins, (index[:, two], index[:, one]), 1 - share)
    return wins
