"""How far an observer of a crowd can be trusted: measures, and rules that give reasons.

Nobody watches the observers of a crowd. Who clicks always the same has votes of low entropy, the
votes of who clicks anything do not follow those of the others, and golden items and repetitions
tell both from an unusual taste (Hossfeld et al. 2014, "Best Practices for QoE Crowdtesting";
Ghadiyaram and Bovik 2016; Hosu et al. 2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.ratings import as_votes, listed
from jiqa.subjective.screening import Screening, correlate_with_mean


@dataclass(frozen=True)
class ReliabilityRules:
    """From where on an observer is rejected; None switches a rule off.

    A rule is passed over for observers of whom it knows nothing, such as those without repetitions.

    Attributes:
        votes: Fewest votes of an observer.
        entropy: Lowest entropy of the votes, in bits.
        correlation: Lowest correlation with the means of the others; 0.25 is that of CrowdMOS.
        surprise: Highest excess of surprise over the median observer's, in bits a vote. It is off
            unless given, as votes of a large bias surprise too.
        golden: Lowest share of golden items that are right.
        repeats: Highest difference (root mean square) between repetitions, in scores.
        run: Longest run of equal votes, in votes.
        seconds: Shortest median response time.
    """

    votes: int | None = None
    entropy: float | None = 0.5
    correlation: float | None = 0.25
    surprise: float | None = None
    golden: float | None = 0.7
    repeats: float | None = None
    run: int | None = None
    seconds: float | None = None


def vote_entropy(scores: ArrayLike) -> np.ndarray:
    """Entropy of the scores that an observer used.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.

    Returns:
        `[observers]`, in bits: 0 for one score throughout, `log2(n)` for n scores equally often;
        NaN for an observer without votes.

    Raises:
        ValueError: Scores of another shape, infinite or without any vote.

    >>> vote_entropy([[3, 1], [3, 2], [3, 3], [3, 4]]).tolist()
    [0.0, 2.0]
    """
    votes = as_votes(scores)
    levels = np.unique(votes[~np.isnan(votes)])
    counts = np.stack([(votes == level).sum((0, 2)) for level in levels])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / counts.sum(0)
        terms = np.where(share > 0, -share * np.log2(share), 0)
    return np.where(counts.sum(0) > 0, terms.sum(0), np.nan)


def vote_surprise(scores: ArrayLike) -> np.ndarray:
    """How badly the votes of the others on the same stimuli predict an observer's.

    The prediction is the others' distribution on the stimulus mixed with their distribution on all
    stimuli, as one vote more. Who clicks anything surprises as much as the scale has bits and more.

    Args:
        scores: Votes on a scale of categories, as in `vote_entropy`.

    Returns:
        `[observers]`, mean of `-log2` of the probability of the votes, in bits; NaN for an observer
        without votes.

    Raises:
        ValueError: Scores of another shape; one observer; more than 20 different scores, which are
            no categories.

    >>> votes = np.tile([[1.0], [5.0]], (6, 4))
    >>> votes[:, 3] = votes[::-1, 3]
    >>> print(vote_surprise(votes).round(1))
    [0.7 0.7 0.7 3. ]
    """
    votes = as_votes(scores)
    levels = np.unique(votes[~np.isnan(votes)])
    if len(levels) > 20:
        raise ValueError(
            f"the votes have {len(levels)} different values; surprise needs a scale "
            "of at most 20 categories."
        )
    if votes.shape[1] < 2:
        raise ValueError("one observer has no others to be compared with.")
    used = np.stack([(votes == level).sum(2) for level in levels], axis=-1)  # [stimuli, observers]
    on_stimulus = used.sum(1, keepdims=True) - used
    overall = used.sum((0, 1)) - used.sum(0)
    prior = (overall + 1) / (overall + 1).sum(-1, keepdims=True)
    predicted = (on_stimulus + prior) / (on_stimulus.sum(-1, keepdims=True) + 1)
    count = used.sum((0, 2))
    with np.errstate(invalid="ignore"):
        return -(used * np.log2(predicted)).sum((0, 2)) / np.where(count > 0, count, np.nan)


def golden_share(scores: ArrayLike, expected: ArrayLike, *, tolerance: float = 1.0) -> np.ndarray:
    """Share of an observer's votes on golden items that are near enough to what is expected.

    Args:
        scores: As in `vote_entropy`.
        expected: `[stimuli]`, the score known of each golden item, NaN for all other stimuli.
        tolerance: Largest difference that is right, in scores.

    Returns:
        `[observers]`, from 0 to 1; NaN for an observer who saw no golden item.

    Raises:
        ValueError: Scores of another shape, another number of expected scores, or no golden item.

    >>> golden_share([[5, 1], [1, 2], [3, 3]], [5, 1, np.nan]).tolist()
    [1.0, 0.5]
    """
    votes, expected = as_votes(scores), np.asarray(expected, float)
    if expected.shape != votes.shape[:1]:
        raise ValueError(f"{expected.size} expected scores are given for {len(votes)} stimuli.")
    if np.isnan(expected).all():
        raise ValueError("no stimulus is a golden item: all expected scores are NaN.")
    difference = np.abs(votes - expected[:, None, None])
    judged = ~np.isnan(difference)
    with np.errstate(invalid="ignore"):
        return (judged & (difference <= tolerance)).sum((0, 2)) / judged.sum((0, 2))


def repeat_difference(scores: ArrayLike) -> np.ndarray:
    """How much an observer's repeated votes on one stimulus differ.

    Args:
        scores: `[stimuli, observers, repetitions]`.

    Returns:
        `[observers]`, root mean square difference of two votes on one stimulus, in scores; NaN for
        an observer without repetitions.

    Raises:
        ValueError: Scores of another shape, infinite or without any vote.

    >>> repeat_difference([[[1, 3], [2, np.nan]], [[4, 4], [3, np.nan]]]).round(3).tolist()
    [1.414, nan]
    """
    votes = as_votes(scores)
    given = ~np.isnan(votes)
    count = given.sum(2)
    mean = np.where(given, votes, 0).sum(2) / np.maximum(count, 1)
    squares = np.where(given, (votes - mean[..., None]) ** 2, 0).sum((0, 2))
    freedom = np.maximum(count - 1, 0).sum(0)
    return np.sqrt(2 * squares / np.where(freedom > 0, freedom, np.nan))


def longest_run(votes: ArrayLike) -> int:
    """The longest run of equal votes, in the order in which one observer gave them.

    Args:
        votes: `[votes]`.

    Returns:
        Its length.

    >>> longest_run([3, 3, 3, 2, 3])
    3
    """
    found = np.asarray(votes)
    changes = np.flatnonzero(found[1:] != found[:-1]) + 1
    return int(np.diff(np.concatenate([[0], changes, [len(found)]])).max(initial=0))


def measure_reliability(
    scores: ArrayLike,
    *,
    expected: ArrayLike | None = None,
    tolerance: float = 1.0,
    fewest_votes: int = 5,
) -> dict[str, np.ndarray]:
    """All measures that the votes allow.

    Args:
        scores: As in `vote_entropy`.
        expected: Scores of golden items, as in `golden_share`, if there are any.
        tolerance: As in `golden_share`.
        fewest_votes: From how many votes of an observer on entropy, correlation and surprise tell
            something; they are NaN for fewer.

    Returns:
        `votes`, `entropy`, `correlation`, `surprise` (on scales of categories), `golden` (with
        golden items) and `repeats` (with repetitions), each `[observers]`.

    Raises:
        ValueError: As in the functions that they are from.

    >>> sorted(measure_reliability([[1, 2], [3, 4], [5, 5]]))
    ['correlation', 'entropy', 'surprise', 'votes']
    """
    votes = as_votes(scores)
    found = {
        "votes": (~np.isnan(votes)).sum((0, 2)).astype(float),
        "entropy": vote_entropy(votes),
        "correlation": correlate_with_mean(votes, leave_out=True),
    }
    if votes.shape[1] > 1 and len(np.unique(votes[~np.isnan(votes)])) <= 20:
        found["surprise"] = vote_surprise(votes)
    for name in set(found) - {"votes"}:
        found[name] = np.where(found["votes"] < fewest_votes, np.nan, found[name])
    if expected is not None:
        found["golden"] = golden_share(votes, expected, tolerance=tolerance)
    if votes.shape[2] > 1:
        found["repeats"] = repeat_difference(votes)
    return found


def judge_reliability(
    measures: Mapping[str, np.ndarray], rules: ReliabilityRules = ReliabilityRules()
) -> Screening:
    """Who is rejected by the rules, with all reasons.

    Args:
        measures: From `measure_reliability`; and `run`, from `longest_run`, and `seconds`, each
            `[observers]`, if they are known.
        rules: The limits.

    Returns:
        The screening; its statistics are the measures.

    Raises:
        ValueError: A measure that no rule knows, or none at all.

    >>> judge_reliability({"entropy": np.array([0.1, 1.8])}).reasons
    ('entropy 0.1 is below 0.5', '')
    """
    names = tuple(vars(rules))
    if not measures or set(measures) - set(names):
        raise ValueError(f"the measures are {listed(measures)}; they have to be of {names}.")
    highest = {"surprise", "repeats", "run"}
    observers = len(next(iter(measures.values())))
    reasons: list[list[str]] = [[] for _ in range(observers)]
    for name, values in measures.items():
        limit = getattr(rules, name)
        if limit is None:
            continue
        judged = np.asarray(values, float)
        if name == "surprise":
            judged = judged - np.nanmedian(judged)
        sign, beyond = (-1, "above") if name in highest else (1, "below")
        for index in np.flatnonzero(sign * judged < sign * limit):
            excess = " more than the median's" if name == "surprise" else ""
            reasons[index].append(f"{name} {judged[index]:.3g}{excess} is {beyond} {limit:g}")
    texts = tuple("; ".join(some) for some in reasons)
    return Screening(np.array([bool(text) for text in texts]), texts, measures)
