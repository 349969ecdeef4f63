"""The page of a benchmark: tables, matrices of significance and scatter plots in one HTML file.

Plots are vector graphics within the page, so that it opens without a network, is sharp at any size
and follows the reader's dark or light mode.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jiqa.evaluation.benchmark import Evaluation
from jiqa.evaluation.pairwise import TESTS
from jiqa.evaluation.report import Report
from jiqa.files import write_text
from jiqa.pages import load_template

if TYPE_CHECKING:
    import pandas as pd

# The inside of a plot in its own units, and the margins left and below for the axes.
PLOT_WIDTH, PLOT_HEIGHT = 900, 660
# With more images as many, drawn at random, are shown as points.
POINTS = 4000
CURVE_POINTS = 80
# Columns of the table of correlations: heading, what it means, column, whether it has an interval.
COLUMNS = (
    ("SROCC", "Spearman's rank correlation", "srocc", True),
    ("KROCC", "Kendall's rank correlation, tau-b", "krocc", True),
    ("PLCC fitted", "Pearson's correlation after the fitted curve", "plcc_mapped", True),
    ("PLCC", "Pearson's correlation of the scores as they are", "plcc", False),
    ("RMSE", "root mean squared error after the fitted curve", "rmse", False),
    ("MAE", "mean absolute error after the fitted curve", "mae", False),
    (
        "OR 2σ",
        "share of errors beyond two standard deviations of ratings",
        "outlier_ratio_std",
        False,
    ),
    (
        "OR 95 %",
        "share of errors outside the interval of opinion",
        "outlier_ratio_standard_error",
        False,
    ),
    ("AUC D/S", "area under the curve, different/similar pairs", "different_similar", False),
    ("AUC B/W", "area under the curve, better/worse image", "better_worse", False),
    ("C0", "share of different pairs decided rightly", "correct", False),
    ("L", "SROCC with the level of distortion, by list", "listwise_srocc", False),
)
SMALLER_IS_BETTER = ("rmse", "mae", "outlier_ratio_std", "outlier_ratio_standard_error")


@dataclass(frozen=True)
class Series:
    """Points of one distortion in a plot: a path of dots, and a hue from 0 to 359."""

    name: str
    path: str
    hue: int


@dataclass(frozen=True)
class Plot:
    """A scatter plot with its curve, in units of `PLOT_WIDTH` by `PLOT_HEIGHT`.

    Attributes:
        series: The points.
        curve: The fitted curve as a path.
        x_ticks: Place and label of each tick of the scores' axis.
        y_ticks: The same of the opinions' axis.
    """

    series: list[Series]
    curve: str
    x_ticks: list[tuple[int, str]]
    y_ticks: list[tuple[int, str]]


@dataclass(frozen=True)
class Cell:
    """A number in a table: text, all digits for sorting, colour from -1 to 1, and a remark."""

    text: str
    exact: str = ""
    goodness: float = 0.0
    title: str = ""


@dataclass(frozen=True)
class Section:
    """A data set on the page.

    Attributes:
        evaluation: The data set.
        metrics: Best first.
        top: Metrics that are not significantly worse than the best.
        columns: Headings and what they mean.
        cells: Cells of the table by metric.
        matrices: By name of a test, a cell for each two metrics.
        heat_maps: By kind of group, the groups with their sizes and a cell by metric and group.
        plots: By metric.
        shown: How many images are drawn.
    """

    evaluation: Evaluation
    metrics: list[str]
    top: set[str]
    columns: list[tuple[str, str]]
    cells: Mapping[str, list[Cell]]
    matrices: Mapping[str, list[list[Cell]]]
    heat_maps: Mapping[str, tuple[list[tuple[str, int]], list[list[Cell]]]]
    plots: Mapping[str, Plot]
    shown: int


def write_page(path: Path | str, report: Report, *, title: str = "Benchmark") -> Path:
    """Writes a benchmark as one HTML file.

    Args:
        path: The file to write, at once or not at all.
        report: From `jiqa bench`.
        title: Heading of the page.

    Returns:
        `path`.

    Raises:
        OSError: The page cannot be written.
        ImportError: jinja2 or matplotlib is missing.
    """
    path, template = Path(path), load_template("bench.html")
    overview = report.overview()
    html = template.render(
        title=title,
        facts=report.metadata,
        overview_columns=list(overview.columns),
        overview={
            metric: [_heat(value) for value in row]
            for metric, row in zip(overview.index, overview.to_numpy(), strict=True)
        },
        sections=[_section(evaluation) for evaluation in report.evaluations],
        width=PLOT_WIDTH,
        height=PLOT_HEIGHT,
    )
    write_text(path, html)
    return path


def _section(evaluation: Evaluation) -> Section:
    summary = evaluation.summary.sort_values("srocc", ascending=False)
    metrics = list(summary["metric"])
    shown = np.flatnonzero(evaluation.rated.finite)
    if len(shown) > POINTS:
        shown = np.sort(np.random.default_rng(0).choice(shown, POINTS, replace=False))
    present = [column for column in COLUMNS if column[2] in summary]
    return Section(
        evaluation=evaluation,
        metrics=metrics,
        top=_top(evaluation, metrics[0]),
        columns=[(heading, meaning) for heading, meaning, *_ in present],
        cells=_rows(summary, present),
        matrices=_matrices(evaluation.comparisons, metrics),
        heat_maps=_heat_maps(evaluation.groups, metrics),
        plots={metric: _plot(evaluation, metric, shown) for metric in metrics},
        shown=len(shown),
    )


def _top(evaluation: Evaluation, best: str) -> set[str]:
    """The best metric and those that are not significantly worse by the bootstrap of SROCC."""
    table = evaluation.comparisons
    beaten = table[(table["test"] == "bootstrap") & (table["better"] == best)]
    losers = {*beaten["first"], *beaten["second"]} - {best}
    return set(evaluation.curves) - losers


def _rows(
    summary: "pd.DataFrame", present: list[tuple[str, str, str, bool]]
) -> dict[str, list[Cell]]:
    """Cells of the table of correlations, coloured by rank within their column."""
    columns = []
    for _, _, name, interval in present:
        values = summary[name]
        rank = values.rank(ascending=name not in SMALLER_IS_BETTER) - 1
        goodness = 2 * rank / max(1, values.count() - 1) - 1
        titles = [""] * len(summary)
        if interval:
            ends = zip(summary[f"{name}_low"], summary[f"{name}_high"], strict=True)
            titles = [f"{low:.3f} to {high:.3f}" for low, high in ends]
        columns.append(
            [
                Cell(_number(value), _exact(value), 0.0 if math.isnan(good) else float(good), text)
                for value, good, text in zip(values, goodness, titles, strict=True)
            ]
        )
    rows = zip(*columns, strict=True)
    return {metric: list(row) for metric, row in zip(summary["metric"], rows, strict=True)}


def _matrices(comparisons: "pd.DataFrame", metrics: list[str]) -> dict[str, list[list[Cell]]]:
    """Whether the metric of the row is better than that of the column, by each test."""
    found = {}
    for test, meaning in TESTS.items():
        rows = comparisons[comparisons["test"] == test]
        if not len(rows):
            continue
        by_pair = {}
        for row in rows.to_dict("records"):
            pair = row["first"], row["second"]
            note = "" if row["assumptions_hold"] else "; residuals are not normal"
            title = f"p = {row['p_value']:.2g}, corrected {row['p_corrected']:.2g}{note}"
            for one, other in (pair, pair[::-1]):
                sign = 0 if not row["better"] else 1 if row["better"] == one else -1
                mark = {1: "▲", -1: "▽", 0: "·"}[sign] + ("" if row["assumptions_hold"] else "*")
                by_pair[one, other] = Cell(mark, "", float(sign), title)
        found[meaning] = [
            [by_pair.get((one, other), Cell("")) for other in metrics] for one in metrics
        ]
    return found


def _heat_maps(
    groups: "pd.DataFrame", metrics: list[str]
) -> dict[str, tuple[list[tuple[str, int]], list[list[Cell]]]]:
    """SROCC within groups, by kind of group."""
    found = {}
    for kind, rows in groups.groupby("kind", sort=False):
        table = rows.pivot(index="metric", columns="group", values="srocc").loc[metrics]
        sizes = rows.groupby("group")["images"].first()
        names = sorted(table.columns, key=_natural)
        cells = [[_heat(value) for value in row] for row in table[names].to_numpy()]
        found[str(kind)] = [(name, int(sizes[name])) for name in names], cells
    return found


def _natural(name: str) -> tuple[float, str]:
    """Sorts numbers by size."""
    return (float(name), "") if name.isdigit() else (math.inf, name)


def _heat(value: float) -> Cell:
    """A correlation, coloured by its size."""
    if math.isnan(value):
        return Cell("–")
    goodness = max(0.0, value) ** 2 if value > 0 else -min(1.0, abs(value))
    return Cell(_number(value), _exact(value), goodness)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _exact(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _plot(evaluation: Evaluation, metric: str, shown: np.ndarray) -> Plot:
    rated, curve = evaluation.rated, evaluation.curves[metric]
    place = list(rated.polarities).index(metric)
    scores, opinions = rated.scores[place], rated.opinions
    x_axis, x_ticks = _axis(scores[rated.finite], PLOT_WIDTH)
    y_axis, y_ticks = _axis(opinions, PLOT_HEIGHT)
    x, y = x_axis(scores[shown]), PLOT_HEIGHT - y_axis(opinions[shown])
    distortion = rated.column("distortion")
    labels = np.full(len(shown), "images") if distortion is None else distortion[shown].astype(str)
    names = sorted(set(labels), key=_natural)
    series = [
        Series(
            name, _dots(x[labels == name], y[labels == name]), (210 + 360 * i // len(names)) % 360
        )
        for i, name in enumerate(names)
    ]
    along = np.linspace(curve.low, curve.high, CURVE_POINTS)
    line = np.stack([x_axis(along), PLOT_HEIGHT - y_axis(curve(along))], 1).round(1)
    path = "M" + "L".join(f"{a:g} {b:g}" for a, b in line)
    return Plot(series, path, x_ticks, [(PLOT_HEIGHT - at, label) for at, label in y_ticks])


def _dots(x: np.ndarray, y: np.ndarray) -> str:
    """A path that draws a dot at each point with round line ends."""
    return "".join(f"M{a:.0f} {b:.0f}h0" for a, b in zip(x, y, strict=True))


def _axis(
    values: np.ndarray, length: int
) -> tuple[Callable[[np.ndarray], np.ndarray], list[tuple[int, str]]]:
    """Maps values to an axis of a length with a little room at both ends, and its ticks."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(values.min()), float(values.max())
    room = 0.03 * (high - low)

    def place(points: np.ndarray) -> np.ndarray:
        return (points - low + room) / (high - low + 2 * room) * length

    ticks = np.array(MaxNLocator(5).tick_values(low - room, high + room))
    ticks = ticks[(ticks >= low - room) & (ticks <= high + room)]
    return place, [(round(at), f"{tick:g}") for at, tick in zip(place(ticks), ticks, strict=True)]
