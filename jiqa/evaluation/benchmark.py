"""What several metrics are worth on one data set: correlations, intervals, tests, breakdowns.

Scores are turned so that more is better before they are compared with opinions: a correlation of 1
is perfect agreement, and a negative one means that a metric fails, whatever its polarity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jiqa.evaluation.bootstrap import Bootstrap, Statistic, bootstrap
from jiqa.evaluation.breakdown import by_group, quality_ranges
from jiqa.evaluation.consistency import l_test
from jiqa.evaluation.correlation import krocc, plcc, srocc
from jiqa.evaluation.curves import PARAMETERS, Curve, Kind, fit_curve
from jiqa.evaluation.decisions import Decisions, decide, judge_pairs
from jiqa.evaluation.errors import mae, outlier_ratio, rmse
from jiqa.evaluation.pairwise import Correction, compare_all
from jiqa.evaluation.rated import Rated
from jiqa.evaluation.samples import UndefinedStatisticError

if TYPE_CHECKING:
    import pandas as pd

CURVES: tuple[Kind, ...] = ("logistic4", "logistic5", "cubic")
# With fewer contents to draw from, resampling them says too little.
LEAST_CONTENTS = 10
# Of Kendall's coefficient only the standard error is resampled: its work grows with N^2.
KROCC_RESAMPLES = 400
QUALITY_RANGES = 4


@dataclass(frozen=True)
class Protocol:
    """How metrics are compared.

    Attributes:
        mapping: The curve before PLCC, RMSE and tests of residuals.
        resample: What is drawn for intervals: "content" (all images of an original together),
            "image", or "auto": contents if there are at least 10.
        resamples: How many times.
        confidence: Of intervals.
        significance: Level of tests, after correction.
        correction: For the number of pairs tested.
        seed: Of the random numbers.
    """

    mapping: Kind = "logistic4"
    resample: Literal["auto", "content", "image"] = "auto"
    resamples: int = 10_000
    confidence: float = 0.95
    significance: float = 0.05
    correction: Correction = "holm"
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """What M metrics are worth on one data set.

    Attributes:
        rated: The scores and opinions.
        drawn: What intervals are over, such as "25 contents".
        curves: The fitted curve by metric.
        summary: A row a metric: correlations with intervals, errors, areas.
        comparisons: A row a pair of metrics and test; see `jiqa.evaluation.pairwise`.
        groups: A row a metric and group: SROCC by distortion, content and range of quality.
        notes: What a reader must know.
    """

    rated: Rated
    drawn: str
    curves: dict[str, Curve]
    summary: "pd.DataFrame"
    comparisons: "pd.DataFrame"
    groups: "pd.DataFrame"
    notes: list[str]


def evaluate(
    rated: Rated,
    protocol: Protocol | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Correlations, intervals, tests and breakdowns of metrics on a data set.

    Args:
        rated: From `jiqa.evaluation.rated.rate`.
        protocol: How; None means the defaults.
        progress: Called with the number of steps done and of all steps.

    Returns:
        The tables.

    Raises:
        ValueError: Too few images with finite scores for the curve.
    """
    protocol = protocol or Protocol()
    metrics = list(rated.polarities)
    clusters, drawn = _clusters(rated, protocol)
    steps = iter(range(1, len(metrics) + 6))

    def step() -> None:
        if progress:
            progress(next(steps), len(metrics) + 5)

    if rated.finite.sum() <= PARAMETERS[protocol.mapping]:
        raise ValueError(f"{rated.name} has too few images with finite scores to fit a curve.")
    linear = [_linear(rated, place, protocol, step) for place in range(len(metrics))]
    curves = {metric: curve for metric, (curve, _) in zip(metrics, linear, strict=True)}
    opinions = rated.opinions[rated.finite]
    predictions = np.stack(
        [curve(row[rated.finite]) for row, (curve, _) in zip(rated.scores, linear, strict=True)]
    )
    resampled = {}
    arguments: dict[Statistic, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {
        "srocc": (rated.turned, rated.quality, clusters),
        "krocc": (rated.turned, rated.quality, clusters),
        "plcc": (predictions, opinions, None if clusters is None else clusters[rated.finite]),
    }
    for statistic, (rows, target, labels) in arguments.items():
        resampled[statistic] = _bootstrap(statistic, rows, target, labels, protocol)
        step()
    decisions, remarks = _decide(rated)
    step()
    comparisons = compare_all(
        metrics,
        turned=rated.turned,
        quality=rated.quality,
        residuals=opinions - predictions,
        bootstrap_p=resampled["srocc"].p_values(),
        decisions=decisions,
        clusters=clusters,
        correction=protocol.correction,
        significance=protocol.significance,
    )
    step()
    return Evaluation(
        rated,
        drawn,
        curves,
        _summary(rated, [row for _, row in linear], resampled, decisions, clusters),
        comparisons,
        _groups(rated),
        [*rated.notes, *remarks, *_curve_notes(curves)],
    )


def _clusters(rated: Rated, protocol: Protocol) -> tuple[np.ndarray | None, str]:
    """The labels that intervals are drawn over, and what they are called."""
    content = rated.content
    number = 0 if content is None else len(np.unique(content))
    if protocol.resample == "content" and number < 3:
        raise ValueError(f"{rated.name} has no column content, or too few of them, to draw from.")
    if protocol.resample == "content" or (
        protocol.resample == "auto" and LEAST_CONTENTS <= number < len(rated.quality)
    ):
        return content, f"{number} contents"
    return None, f"{len(rated.quality)} images"


def _linear(
    rated: Rated, place: int, protocol: Protocol, step: Callable[[], None]
) -> tuple[Curve, dict[str, Any]]:
    """The curve of a metric, and what is computed from predictions."""
    inside = rated.finite
    scores, opinions = rated.scores[place, inside], rated.opinions[inside]
    kinds = [kind for kind in CURVES if len(scores) > PARAMETERS[kind]]
    curves = {kind: fit_curve(scores, opinions, kind) for kind in kinds}
    curve = curves[protocol.mapping]
    predictions = curve(scores)
    found: dict[str, Any] = {"plcc": plcc(rated.turned[place, inside], rated.quality[inside])}
    for kind in CURVES:
        fitted = curves[kind](scores) if kind in curves else np.zeros(len(scores))
        found[f"plcc_{kind}"] = _or_nan(plcc, fitted, opinions)
    found["plcc_mapped"] = found[f"plcc_{protocol.mapping}"]
    found |= {"rmse": rmse(predictions, opinions), "mae": mae(predictions, opinions)}
    for spread in ("std", "standard_error"):
        values = rated.column("std") if spread == "std" else rated.standard_error
        if values is not None:
            ratio = outlier_ratio(predictions, opinions, **{spread: values[inside]})
            found[f"outlier_ratio_{spread}"] = ratio
    step()
    return curve, {**found, "fit_ok": curve.fit_ok, "monotone": curve.monotone}


def _or_nan(
    statistic: Callable[[np.ndarray, np.ndarray], float], x: np.ndarray, y: np.ndarray
) -> float:
    """A statistic, NaN where it is undefined: a curve may be flat, or not fitted."""
    try:
        return statistic(x, y)
    except UndefinedStatisticError:
        return float("nan")


def _bootstrap(
    statistic: Statistic,
    rows: np.ndarray,
    target: np.ndarray,
    clusters: np.ndarray | None,
    protocol: Protocol,
) -> Bootstrap:
    few = statistic == "krocc"
    return bootstrap(
        rows,
        target,
        statistic,
        clusters=clusters,
        resamples=min(protocol.resamples, KROCC_RESAMPLES) if few else protocol.resamples,
        confidence=protocol.confidence,
        method="fisher" if few else "bca",
        seed=protocol.seed,
    )


def _decide(rated: Rated) -> tuple[Decisions | None, list[str]]:
    """Decisions about pairs of images, or why there are none."""
    error = rated.standard_error
    if error is None:
        return None, [
            "No decisions about pairs: the opinions' errors are not known (standard_error, or std "
            "with ratings)."
        ]
    try:
        return decide(rated.turned, judge_pairs(rated.quality, error)), []
    except UndefinedStatisticError as undefined:
        return None, [f"No decisions about pairs: {undefined}"]


def _summary(
    rated: Rated,
    linear: list[dict[str, Any]],
    resampled: dict[Statistic, Bootstrap],
    decisions: Decisions | None,
    clusters: np.ndarray | None,
) -> "pd.DataFrame":
    """A row a metric."""
    import pandas as pd

    errors = None if decisions is None else decisions.standard_errors(clusters)
    level, distortion, content = (rated.column("level"), rated.column("distortion"), rated.content)
    rows = []
    for place, (metric, polarity) in enumerate(rated.polarities.items()):
        turned = rated.turned[place]
        row: dict[str, Any] = {
            "metric": metric,
            "higher_is_better": polarity.higher_is_better,
            "polarity_from": polarity.source,
            "images": len(turned),
            "images_finite": int(rated.finite.sum()),
        }
        row |= {"srocc": srocc(turned, rated.quality)}
        row |= _interval("srocc", resampled["srocc"], place)
        row |= {"krocc": krocc(turned, rated.quality)}
        row |= _interval("krocc", resampled["krocc"], place)
        row |= linear[place] | _interval("plcc_mapped", resampled["plcc"], place)
        if decisions is not None and errors is not None:
            names = ("different_similar", "better_worse", "correct")
            for name, error in zip(names, errors[:, place], strict=True):
                row |= {name: float(getattr(decisions, name)[place]), f"{name}_error": float(error)}
        if level is not None and distortion is not None and content is not None:
            lists = np.char.add(np.char.add(content.astype(str), " "), distortion.astype(str))
            row["listwise_srocc"] = _listwise(turned, level, lists)
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(name: str, found: Bootstrap, place: int) -> dict[str, float]:
    return {f"{name}_low": float(found.low[place]), f"{name}_high": float(found.high[place])}


def _listwise(turned: np.ndarray, level: np.ndarray, lists: np.ndarray) -> float:
    try:
        return l_test(turned, level, lists).srocc
    except UndefinedStatisticError:
        return float("nan")


def _groups(rated: Rated) -> "pd.DataFrame":
    """SROCC by distortion, content and range of quality."""
    import pandas as pd

    ranges = quality_ranges(rated.quality, min(QUALITY_RANGES, len(rated.quality)))
    labels = {
        "distortion": rated.column("distortion"),
        "content": rated.content,
        "quality": np.array([f"{place + 1} of {QUALITY_RANGES}" for place in ranges]),
    }
    rows = []
    for kind, groups in labels.items():
        if groups is None:
            continue
        found = by_group(rated.turned, rated.quality, groups.astype(str))
        for place, metric in enumerate(rated.polarities):
            for group, size, value in zip(
                found.groups, found.sizes, found.values[place], strict=True
            ):
                facts = {"kind": kind, "group": str(group), "images": int(size)}
                rows.append({**facts, "metric": metric, "srocc": float(value)})
    return pd.DataFrame(rows)


def _curve_notes(curves: dict[str, Curve]) -> list[str]:
    """Which curves are not what was asked for, or turn."""
    failed = [metric for metric, curve in curves.items() if not curve.fit_ok]
    turning = [metric for metric, curve in curves.items() if not curve.monotone]
    notes = []
    if failed:
        notes.append(f"{', '.join(failed)}: no curve could be fitted, a straight line is used.")
    if turning:
        notes.append(f"{', '.join(turning)}: the fitted curve is not monotone.")
    return notes
