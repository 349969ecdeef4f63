"""Opinions of several metrics as one, to learn from where people were not asked."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from jiqa.core.registry import find
from jiqa.datasets.pipelines import decoding

Item = dict[str, Any]


class PseudoOpinion:
    """The mean rank of images by several metrics, 0 the worst and 1 the best.

    Ranks, because metrics have scales of all shapes; the mean, because their errors differ. Ranks
    are those within the set that it is made from, and between its images they are interpolated.
    Where a metric says of several images the same, they share the mean of their ranks.

    >>> def image(value):
    ...     return {"extra": {"metrics": {"psnr": value}}}
    >>> opinion = PseudoOpinion([image(20.0), image(30.0), image(50.0)], ["psnr"])
    >>> opinion(image(30.0)), opinion(image(40.0)), opinion(image(99.0))
    (0.5, 0.75, 1.0)
    """

    def __init__(self, items: Sequence[Item], metrics: Sequence[str]) -> None:
        """Learns the ranks.

        Args:
            items: Of a generated set, for training.
            metrics: Names among those whose scores the set has.

        Raises:
            ValueError: The set has no scores of a metric.
        """
        self.metrics = tuple(metrics)
        scores = np.array([self._scores(item) for item in decoding(items, ())])
        self._curves = [_rank_curve(of_metric) for of_metric in scores.T]

    def __call__(self, item: Item) -> float:
        """The opinion of an image of a generated set."""
        curves = zip(self._scores(item), self._curves, strict=True)
        return float(np.mean([np.interp(score, *curve) for score, curve in curves]))

    def rate(self, items: Sequence[Item]) -> "Rated":
        """The items with this opinion as their score."""
        return Rated(items, self)

    def _scores(self, item: Item) -> list[float]:
        """By each metric, signed so that more is better."""
        found = item["extra"].get("metrics", {})
        if missing := [name for name in self.metrics if name not in found]:
            raise ValueError(
                f"the set has no scores of {', '.join(missing)}; it has {', '.join(found)}."
            )
        return [
            found[name] if find(name).higher_is_better else -found[name] for name in self.metrics
        ]


class Rated(Sequence[Item]):
    """Items in memory, decoded once, with an opinion as their score."""

    def __init__(self, items: Sequence[Item], opinion: PseudoOpinion) -> None:
        """Reads all items; originals of one content are kept once."""
        originals: dict[str, np.ndarray] = {}
        self._items = []
        for place in range(len(items)):
            item = items[place]
            reference = originals.setdefault(item["content"], item["reference"])
            score = {"score": opinion(item), "higher_is_better": True}
            self._items.append({**item, "reference": reference, **score})

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        """An item, or a list of several."""
        return self._items[place]


def _rank_curve(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct scores in order, and their mean ranks from 0 to 1."""
    from scipy.stats import rankdata

    ranks = (rankdata(scores) - 1) / (len(scores) - 1)
    distinct, first = np.unique(scores, return_index=True)
    return distinct, ranks[first]
