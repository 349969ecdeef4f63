"""What a recipe is given: the parts of a prepared set and their common scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jiqa.datasets.builders import Prepared, count_items
from jiqa.datasets.pipelines import Scale, list_types
from jiqa.datasets.records import SPLITS
from jiqa.training.pseudo_opinion import PseudoOpinion

Item = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Rated images in three parts that share no content.

    Attributes:
        train: Items to learn from, as `jiqa.datasets.builders.Prepared` has them.
        validation: Items by which the best parameters are chosen.
        test: Items that training never sees.
        scale: Of the scores of the part for training: 0 the worst, 1 the best.
        types: The distortions of the part for training, in the order of their numbers.
    """

    train: Sequence[Item]
    validation: Sequence[Item]
    test: Sequence[Item]
    scale: Scale
    types: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path | str) -> "Data":
        """The parts "train", "validation" and "test" of a prepared set; the latter may be missing.

        Raises:
            FileNotFoundError: There is no such set.
            ValueError: It lacks the part for training, or all its scores are the same.
        """
        there = count_items(Path(folder))
        parts = [Prepared(folder, name) if name in there else () for name in SPLITS[1:]]
        return cls.of(Prepared(folder, SPLITS[0]), *parts)

    @classmethod
    def of(
        cls,
        train: Sequence[Item],
        validation: Sequence[Item] = (),
        test: Sequence[Item] = (),
    ) -> "Data":
        """Parts from anywhere, with the scale and the types of the first.

        Raises:
            ValueError: All scores are the same.
        """
        return cls(train, validation, test, Scale.of(train), tuple(list_types(train)))

    def rated_by(self, metrics: Sequence[str]) -> "Data":
        """The same images, in memory, with an opinion of metrics as their score.

        Args:
            metrics: See `jiqa.training.pseudo_opinion.PseudoOpinion`.

        Raises:
            ValueError: The set has no scores of a metric.
        """
        opinion = PseudoOpinion(self.train, metrics)
        return Data.of(*(opinion.rate(part) for part in (self.train, self.validation, self.test)))

    def epochs_to_steps(self, epochs: float, batch_size: int) -> int:
        """Steps in which the part for training is seen so often, at least one."""
        return max(1, round(epochs * len(self.train) / batch_size))
