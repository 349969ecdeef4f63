"""Scores of several metrics beside opinions of the same images, all turned so that more is better.

What a metric lacks, or cannot be used, is left out for all metrics alike and noted: metrics are
compared on the same images or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jiqa.evaluation.correlation import srocc
from jiqa.evaluation.data_sets import find_opinion
from jiqa.evaluation.samples import LEAST_ITEMS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Polarity:
    """Which scores of a metric are good.

    Attributes:
        higher_is_better: None where the score nearest to `identical` is best.
        identical: The score of equal images, where it matters.
        source: "registry", "given", or "data": from the sign of its correlation with opinion.
    """

    higher_is_better: bool | None
    identical: float | None = None
    source: str = "given"


@dataclass(frozen=True)
class Rated:
    """Scores and opinions of the same N images.

    Attributes:
        name: The data set.
        opinion: "mos" or "dmos".
        frame: The table, a row an image.
        polarities: By metric, of which there are M.
        opinions: MOS or DMOS as they are `[N]`.
        quality: Opinions, more being better `[N]`.
        scores: As they are, or their distance from the best one where the nearest to it is best
            `[M, N]`.
        turned: Scores, more being better `[M, N]`.
        finite: Images of which all scores are finite `[N]`.
        notes: What was left out, and what else a reader must know.
    """

    name: str
    opinion: str
    frame: "pd.DataFrame"
    polarities: Mapping[str, Polarity]
    opinions: np.ndarray
    quality: np.ndarray
    scores: np.ndarray
    turned: np.ndarray
    finite: np.ndarray
    notes: tuple[str, ...]

    def column(self, name: str) -> np.ndarray | None:
        """A column of the table, or None."""
        return self.frame[name].to_numpy() if name in self.frame else None

    @property
    def content(self) -> np.ndarray | None:
        """The original that each image is of, where that is known; letters' case is no matter."""
        labels = self.column("content" if "content" in self.frame else "reference")
        return None if labels is None else np.char.lower(labels.astype(str))

    @property
    def standard_error(self) -> np.ndarray | None:
        """Of each opinion, where it is known."""
        std, ratings = self.column("std"), self.column("ratings")
        if (given := self.column("standard_error")) is not None:
            return given
        return None if std is None or ratings is None else std / np.sqrt(ratings)


def rate(
    name: str,
    frame: "pd.DataFrame",
    metrics: Sequence[str],
    *,
    higher: Sequence[str] = (),
    lower: Sequence[str] = (),
) -> Rated:
    """Checks a table of scores and opinions, and turns the scores.

    Args:
        name: The data set.
        frame: A row an image: mos or dmos, a column a metric, and what `jiqa.evaluation.data_sets`
            lists.
        metrics: The columns that are metrics.
        higher: Metrics of which more is better, whatever the registry says.
        lower: Metrics of which more is worse.

    Returns:
        Images that have all scores, and metrics that tell any images apart.

    Raises:
        ValueError: No opinions, fewer than 5 images, a metric in both lists, or none left.
    """
    opinion = find_opinion(name, {str(column): None for column in frame})
    whole = frame[[opinion, *metrics]].notna().all(axis=1)
    notes = []
    if lacking := int((~whole).sum()):
        by_metric = frame[list(metrics)].isna().sum()
        blamed = ", ".join(f"{metric} {number}" for metric, number in by_metric.items() if number)
        notes.append(
            f"{lacking} of {len(frame)} images lack a score or an opinion ({blamed or opinion}): "
            "they are left out for all metrics."
        )
    frame = frame[whole].reset_index(drop=True)
    if len(frame) < LEAST_ITEMS:
        raise ValueError(
            f"{name} has {len(frame)} images with all scores; at least {LEAST_ITEMS} are needed. "
            + " ".join(notes)
        )
    constant = [metric for metric in metrics if frame[metric].nunique() == 1]
    if constant:
        notes.append(f"{', '.join(constant)}: one score for all images, left out.")
    metrics = [metric for metric in metrics if metric not in constant]
    if not metrics or frame[opinion].nunique() == 1:
        raise ValueError(f"{name}: all scores, or all opinions, are equal.")
    opinions = frame[opinion].to_numpy(np.float64)
    quality = opinions if opinion == "mos" else -opinions
    given = {metric: frame[metric].to_numpy(np.float64) for metric in metrics}
    polarities = {
        metric: find_polarity(metric, scores, quality, higher=higher, lower=lower)
        for metric, scores in given.items()
    }
    pairs = [(given[metric], polarities[metric]) for metric in metrics]
    scores = np.stack([_distances(*pair) for pair in pairs])
    signs = [1 if polarity.higher_is_better else -1 for polarity in polarities.values()]
    turned = np.array(signs)[:, None] * scores
    finite = np.isfinite(scores).all(axis=0)
    notes += _polarity_notes(polarities, turned, quality)
    if not finite.all():
        infinite = [m for m, row in zip(metrics, scores, strict=True) if not np.isfinite(row).all()]
        notes.append(
            f"{', '.join(infinite)}: infinite for {(~finite).sum()} of {len(finite)} images. Rank "
            "statistics use them; PLCC, RMSE and tests of residuals leave them out for all metrics."
        )
    return Rated(
        name, opinion, frame, polarities, opinions, quality, scores, turned, finite, tuple(notes)
    )


def find_polarity(
    metric: str,
    scores: np.ndarray,
    quality: np.ndarray,
    *,
    higher: Sequence[str] = (),
    lower: Sequence[str] = (),
) -> Polarity:
    """Which scores of a metric are good: as given, as registered, or as the data say.

    Args:
        metric: Its name, with options or not; letters' case does not matter.
        scores: `[N]`.
        quality: Opinions, more being better `[N]`.
        higher: Metrics of which more is better.
        lower: Metrics of which more is worse.

    Returns:
        The polarity, with where it is from.

    Raises:
        ValueError: The metric is in both lists.

    >>> find_polarity("GMSD", np.arange(5), np.arange(5))
    Polarity(higher_is_better=False, identical=0.0, source='registry')
    """
    from jiqa.scoring import parse_metric

    if metric in higher and metric in lower:
        raise ValueError(f"{metric} cannot be better both higher and lower.")
    if metric in higher or metric in lower:
        return Polarity(metric in higher)
    for name in (metric, metric.lower()):
        try:
            found = parse_metric(name)
        except ValueError:
            continue
        return Polarity(found.higher_is_better, found.identical, "registry")
    return Polarity(srocc(scores, quality) >= 0, source="data")


def _distances(scores: np.ndarray, polarity: Polarity) -> np.ndarray:
    """Scores of which either more or less is better."""
    if polarity.higher_is_better is None:
        return np.abs(scores - (polarity.identical or 0.0))
    return scores


def _polarity_notes(
    polarities: Mapping[str, Polarity], turned: np.ndarray, quality: np.ndarray
) -> list[str]:
    """Whose polarity is guessed, and who contradicts the one declared."""
    guessed = [metric for metric, polarity in polarities.items() if polarity.source == "data"]
    against = [
        metric for metric, row in zip(polarities, turned, strict=True) if srocc(row, quality) < 0
    ]
    notes = []
    if guessed:
        notes.append(f"{', '.join(guessed)}: polarity taken from the sign of the correlation.")
    if against:
        notes.append(f"{', '.join(against)}: opinion contradicts the declared polarity.")
    return notes
