"""The group maximum differentiation competition: images on which two metrics disagree most.

K. Ma, Q. Wu, Z. Wang, Z. Duanmu, H. Yong, H. Li and L. Zhang, "Group MAD competition: a new
methodology to compare objective image quality models", CVPR 2016. Among images that one metric, the
defender, rates alike, the other, the attacker, picks those that it rates best and worst. Whoever
looks at the pair sees which of the two is wrong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Contest:
    """A pair that the defender rates alike and the attacker most differently.

    Attributes:
        level: Of quality by the defender, from 0 (worst) to `levels` - 1.
        better: Position of the image that the attacker rates higher.
        worse: Position of the one that it rates lower.
        defender_gap: Difference of the two in the defender's ranking, as a share of all images.
        attacker_gap: The same in the attacker's, at least 0: how strong the attack is.
    """

    level: int
    better: int
    worse: int
    defender_gap: float
    attacker_gap: float


def gmad_contests(
    defender: ArrayLike, attacker: ArrayLike, *, levels: int = 5, share: float = 0.02
) -> list[Contest]:
    """The strongest attack on a metric at several levels of quality.

    Only ranks count, so that the metrics need not be on one scale. Run it with the roles changed
    too.

    Args:
        defender: Scores of all images `[N]`, more is better.
        attacker: Scores of another metric `[N]`, more is better.
        levels: Levels of quality, spread evenly over the defender's ranking.
        share: Of the images, how many count as rated alike at a level: those nearest to its middle
            in the defender's ranking, at least two.

    Returns:
        A contest a level, the worst level first.

    Raises:
        ValueError: Shapes differ, NaN, fewer than two images a level, or a share not in (0, 1].

    >>> found = gmad_contests([1, 2, 3, 4, 5, 6], [1, 6, 2, 3, 5, 4], levels=2, share=0.5)
    >>> [(contest.better, contest.worse) for contest in found]
    [(1, 0), (4, 3)]
    """
    from scipy import stats

    defending, attacking = np.asarray(defender, np.float64), np.asarray(attacker, np.float64)
    if defending.ndim != 1 or defending.shape != attacking.shape:
        raise ValueError(
            f"scores are {list(defending.shape)} and {list(attacking.shape)}: both must be [N]."
        )
    if np.isnan(defending).any() or np.isnan(attacking).any():
        raise ValueError("some scores are NaN: leave these images out.")
    if levels < 1 or len(defending) < 2 * levels or not 0 < share <= 1:
        raise ValueError(
            f"{len(defending)} images, {levels} levels and a share of {share} cannot be: give two "
            "images a level or more, and a share in (0, 1]."
        )
    ranks = (stats.rankdata(np.stack([defending, attacking]), axis=1) - 0.5) / len(defending)
    size = max(2, round(share * len(defending)))
    contests = []
    for level in range(levels):
        middle = (level + 0.5) / levels
        alike = np.argsort(np.abs(ranks[0] - middle), kind="stable")[:size]
        better, worse = alike[ranks[1, alike].argmax()], alike[ranks[1, alike].argmin()]
        gaps = ranks[:, better] - ranks[:, worse]
        contests.append(Contest(level, int(better), int(worse), *(float(gap) for gap in gaps)))
    return contests
