"""The page of a subjective study: scores, observers and their agreement in one HTML file.

It opens without a network and has no scripts; drawings are in the file.
"""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jiqa.files import write_text
from jiqa.opinions import Opinions
from jiqa.pages import load_template

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

KEPT, REJECTED, QUIET = "#3f8ae0", "#f0863a", "#8a9099"  # seen on white and on black


def write_opinion_page(
    path: Path | str, opinions: Opinions, *, title: str = "Subjective quality"
) -> Path:
    """Writes tables and drawings of opinions as one HTML file.

    Args:
        path: The file to write, at once or not at all.
        opinions: From `jiqa.opinions.analyse`.
        title: Heading of the page.

    Returns:
        `path`.

    Raises:
        OSError: The page cannot be written.
        ImportError: jinja2 or matplotlib is missing.

    >>> import tempfile
    >>> from jiqa.opinions import analyse
    >>> from jiqa.subjective.ratings import Ratings
    >>> votes = np.array([[1, 2, 2], [4, 4, 5], [3, 3, 2]], float)[..., None]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ratings = Ratings(votes, ("a", "b", "c"), ("A", "B", "C"))
    ...     write_opinion_page(Path(folder, "page.html"), analyse(ratings)).name
    'page.html'
    """
    path, template = Path(path), load_template("opinions.html")
    stimuli, observers, metadata = opinions.stimuli, opinions.observers, opinions.metadata
    shown = ("model", "screen", "stimuli", "observers", "rejected", "votes", "jiqa", "date")
    html = template.render(
        title=title,
        facts={name: metadata[name] for name in shown},
        metadata=metadata,
        drawings=_drawings(stimuli, observers, metadata),
        stimuli=_cells(stimuli.sort_values("score", ascending=False)),
        observers=_cells(observers.drop(columns=["rejected"])),
    )
    write_text(path, html)
    return path


def _drawings(
    stimuli: "pd.DataFrame", observers: "pd.DataFrame", metadata: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Each drawing as a data URI, with what it shows."""
    found = [
        {
            "name": "Scores",
            "text": f"Stimuli by score, with {metadata['confidence']:.0%} intervals.",
            "uri": _draw_scores(stimuli),
        }
    ]
    if observers["bias"].notna().any():
        found.append(
            {
                "name": "Observers",
                "text": "How much higher than others an observer votes, and how inconsistently. "
                "Who is rejected is a cross.",
                "uri": _draw_observers(observers),
            }
        )
    if metadata["sos"] and metadata["sos"]["a"] is not None:
        found.append(
            {
                "name": "Diversity of opinions",
                "text": "Standard deviation of the votes on a stimulus, and the SOS hypothesis, "
                f"a = {metadata['sos']['a']:.3f}.",
                "uri": _draw_sos(stimuli, metadata),
            }
        )
    return found


def _draw_scores(stimuli: "pd.DataFrame") -> str:
    figure, axes = _figure()
    ordered = stimuli.dropna(subset=["score"]).sort_values("score")
    score = ordered["score"].to_numpy(float)
    rank = np.arange(len(ordered))
    low, high = (ordered[name].fillna(ordered["score"]) for name in ("low", "high"))
    axes.vlines(rank, low, high, color=QUIET, linewidth=1)
    axes.plot(rank, score, ".", color=KEPT, markersize=4)
    axes.set(xlabel="stimuli", ylabel="score")
    return _uri(figure)


def _draw_observers(observers: "pd.DataFrame") -> str:
    figure, axes = _figure()
    rejected = observers["rejected"].to_numpy(bool)
    for group, marker, color in ((~rejected, "o", KEPT), (rejected, "x", REJECTED)):
        some = observers[group]
        axes.plot(some["bias"], some["inconsistency"], marker, color=color, markersize=5)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set(xlabel="bias", ylabel="inconsistency")
    axes.set_ylim(bottom=0)
    return _uri(figure)


def _draw_sos(stimuli: "pd.DataFrame", metadata: Mapping[str, Any]) -> str:
    figure, axes = _figure()
    low, high = metadata["scale"]
    curve = np.linspace(low, high, 101)
    expected = np.sqrt(metadata["sos"]["a"] * (high - curve) * (curve - low))
    axes.plot(stimuli["score"], stimuli["deviation"], ".", color=KEPT, markersize=4)
    axes.plot(curve, expected, color=REJECTED)
    axes.set(xlabel="score", ylabel="standard deviation of votes")
    return _uri(figure)


def _figure() -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(QUIET)
    axes.tick_params(colors=QUIET)
    axes.xaxis.label.set_color(QUIET)
    axes.yaxis.label.set_color(QUIET)
    return figure, axes


def _uri(figure: "Figure") -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"


def _cells(frame: "pd.DataFrame") -> dict[str, Any]:
    """Column names, and rows of texts with whether each is a number."""
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return {"columns": [str(name) for name in frame.columns], "rows": rows}


def _cell(value: Any) -> tuple[str, bool]:
    if isinstance(value, float | np.floating):
        return ("–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")), True
    return str(value), isinstance(value, int | np.integer)
