"""Votes of observers on stimuli: the array that all of this package takes, and its names.

Scores are an array `[stimuli, observers]`, or `[stimuli, observers, repetitions]` where observers
voted more than once on a stimulus. A vote that was not given is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5


class Votes(NamedTuple):
    """The votes that were given, one after the other.

    Attributes:
        score: `[votes]`.
        stimulus: `[votes]`, index of the stimulus voted on.
        observer: `[votes]`, index of who voted.
        shape: How many stimuli and observers there are.
    """

    score: np.ndarray
    stimulus: np.ndarray
    observer: np.ndarray
    shape: tuple[int, int]

    def sum_by_stimulus(self, values: np.ndarray) -> np.ndarray:
        """Sums `[stimuli]` of a value a vote."""
        return np.bincount(self.stimulus, values, self.shape[0])

    def sum_by_observer(self, values: np.ndarray) -> np.ndarray:
        """Sums `[observers]` of a value a vote."""
        return np.bincount(self.observer, values, self.shape[1])


@dataclass(frozen=True, eq=False)
class Ratings:
    """Scores with the names of who rated what.

    Attributes:
        scores: `[stimuli, observers, repetitions]`, NaN where there is no vote.
        stimuli: Names of the stimuli.
        observers: Names of the observers.
        contents: What each stimulus shows, or None if that is not known.
        references: `[stimuli]`, index of each stimulus' hidden reference, -1 where it has none.
        expected: `[stimuli]`, scores of golden items, whose quality is known, NaN for all others.
        best_score: The score of an image without distortion, or None.

    >>> ratings = Ratings(np.array([[[1.0], [2.0]]]), ("image",), ("Ann", "Ben"))
    >>> ratings.without([0]).observers
    ('Ben',)
    """

    scores: np.ndarray
    stimuli: tuple[str, ...]
    observers: tuple[str, ...]
    contents: tuple[str, ...] | None = None
    references: np.ndarray | None = None
    expected: np.ndarray | None = None
    best_score: float | None = None

    def without(self, rejected: Sequence[int] | np.ndarray) -> "Ratings":
        """The ratings of all but some observers.

        Args:
            rejected: Indices of observers, or `[observers]` booleans.

        Returns:
            What is left.

        Raises:
            ValueError: Nobody is left.
        """
        kept = np.delete(np.arange(len(self.observers)), np.asarray(rejected))
        if not kept.size:
            raise ValueError(f"all {len(self.observers)} observers are rejected; nobody is left.")
        names = tuple(self.observers[index] for index in kept)
        return replace(self, scores=self.scores[:, kept], observers=names)


def ratings_from_table(votes: "pd.DataFrame") -> Ratings:
    """The array of a table of votes.

    Args:
        votes: A row a vote, with the columns `observer`, `stimulus` and `score` (NaN for a vote not
            given). Votes of one observer on one stimulus are repetitions in the order of the rows.
            Optional columns, the same for all votes on a stimulus: `content`, what it shows;
            `reference`, the name of the stimulus that is its hidden reference, empty for none;
            `expected`, the score of a golden item, empty for all others.

    Returns:
        The ratings; stimuli and observers in the order in which they come first.

    Raises:
        ValueError: A column is missing, a score is not a finite number, a stimulus has two
            contents, references or expected scores, a reference is no stimulus.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"observer": ["A", "B", "B"], "stimulus": "x", "score": [1, 2, 3]})
    >>> ratings_from_table(table).scores.tolist()
    [[[1.0, nan], [2.0, 3.0]]]
    """
    import pandas as pd

    if missing := {"observer", "stimulus", "score"} - set(votes.columns):
        raise ValueError(
            f"the table of votes has no column {listed(sorted(missing))}; it has "
            f"{listed(map(str, votes.columns))}."
        )
    if votes.empty:
        raise ValueError("the table of votes is empty.")
    score = _numbers(votes["score"])
    stimulus, stimuli = pd.factorize(votes["stimulus"].astype("str"))
    observer, observers = pd.factorize(votes["observer"].astype("str"))
    repetition = votes.groupby([stimulus, observer], sort=False).cumcount().to_numpy()
    scores = np.full((len(stimuli), len(observers), repetition.max() + 1), np.nan)
    scores[stimulus, observer, repetition] = score
    names = tuple(stimuli)
    return Ratings(
        as_votes(scores),
        names,
        tuple(observers),
        _fact_of_each(votes, "content", stimulus, names),
        _reference_of_each(_fact_of_each(votes, "reference", stimulus, names), names),
        _expected_of_each(_fact_of_each(votes, "expected", stimulus, names)),
    )


def as_votes(scores: ArrayLike) -> np.ndarray:
    """Checks an array of scores and gives it its three axes.

    Args:
        scores: `[stimuli, observers]` or `[stimuli, observers, repetitions]`; NaN is no vote.

    Returns:
        `[stimuli, observers, repetitions]` in double precision.

    Raises:
        ValueError: Another number of axes, an infinite score, or no vote at all.

    >>> as_votes([[1, 2, 3]]).shape
    (1, 3, 1)
    """
    found = np.asarray(scores, float)
    if found.ndim not in (2, 3):
        raise ValueError(
            f"scores have shape {found.shape}; give [stimuli, observers] or [stimuli, observers, "
            "repetitions], with NaN for votes that were not given."
        )
    if np.isinf(found).any():
        raise ValueError("scores hold infinite values; votes are finite, or NaN if not given.")
    if np.isnan(found).all():
        raise ValueError(f"scores of shape {found.shape} hold no vote.")
    return found.reshape(*found.shape[:2], -1)


def list_votes(scores: ArrayLike) -> Votes:
    """The votes of an array one after the other.

    Args:
        scores: As in `as_votes`.

    Returns:
        The votes, stimulus by stimulus.

    Raises:
        ValueError: As in `as_votes`, or a stimulus or an observer has no vote.

    >>> list_votes([[3, np.nan], [1, 2]]).score.tolist()
    [3.0, 1.0, 2.0]
    """
    array = as_votes(scores)
    stimulus, observer, repetition = np.nonzero(~np.isnan(array))
    for axis, (what, found) in enumerate((("stimuli", stimulus), ("observers", observer))):
        if (empty := np.setdiff1d(np.arange(array.shape[axis]), found)).size:
            raise ValueError(f"{what} {listed(empty)} have no vote; leave them out.")
    return Votes(array[stimulus, observer, repetition], stimulus, observer, array.shape[:2])


def check_connected(votes: Votes) -> None:
    """Checks that all stimuli can be compared through observers who voted on several.

    Args:
        votes: The votes.

    Raises:
        ValueError: They fall into parts without a common observer, whose scores would have no
            common zero.

    >>> check_connected(list_votes([[1, np.nan], [np.nan, 2]]))
    Traceback (most recent call last):
    ValueError: the stimuli fall into 2 parts that no observer links, such as stimuli 0 and 1; ...
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    stimuli, observers = votes.shape
    nodes, edges = stimuli + observers, (votes.stimulus, stimuli + votes.observer)
    graph = coo_array((np.ones(len(votes.score)), edges), (nodes, nodes))
    parts, part = connected_components(graph, directed=False)
    if parts > 1:
        other = int(np.argmax(part[:stimuli] != part[0]))
        raise ValueError(
            f"the stimuli fall into {parts} parts that no observer links, such as stimuli 0 and "
            f"{other}; recover each part by itself."
        )


def listed(items: object) -> str:
    """The first few of many, as text.

    >>> listed(range(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    texts = [str(item) for item in items]  # type: ignore[attr-defined]
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def _numbers(column: "pd.Series") -> np.ndarray:
    """A column as finite numbers, NaN where it is empty."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
    unread = np.isinf(numbers) | (np.isnan(numbers) & column.notna().to_numpy())
    if unread.any():
        row = int(np.argmax(unread))
        raise ValueError(
            f"the {column.name} {str(column.iloc[row])!r} in row {row + 1} is not a finite number; "
            "leave what was not given empty."
        )
    return numbers


def _fact_of_each(
    votes: "pd.DataFrame", column: str, stimulus: np.ndarray, names: tuple[str, ...]
) -> tuple[str, ...] | None:
    """The fact that a column tells of each stimulus; None without the column."""
    if column not in votes.columns:
        return None
    facts = votes[column].astype("str").where(votes[column].notna(), "").groupby(stimulus)
    contradicted = np.flatnonzero(facts.nunique().to_numpy() > 1)
    if contradicted.size:
        raise ValueError(f"stimulus {names[contradicted[0]]} has more than one {column}.")
    return tuple(facts.first())


def _reference_of_each(
    references: tuple[str, ...] | None, names: tuple[str, ...]
) -> np.ndarray | None:
    if references is None:
        return None
    index = {name: position for position, name in enumerate(names)} | {"": -1}
    if unknown := sorted(set(references) - index.keys()):
        raise ValueError(f"reference {listed(unknown)} is none of the stimuli voted on.")
    return np.array([index[name] for name in references])


def _expected_of_each(expected: tuple[str, ...] | None) -> np.ndarray | None:
    if expected is None:
        return None
    import pandas as pd

    return _numbers(pd.Series([text or np.nan for text in expected], name="expected score"))
