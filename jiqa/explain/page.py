"""The report page: scores, images and quality maps in one HTML file that opens without a network.

Images are in the file as WebP previews, so the page can be moved and sent as it is. It can be read
without JavaScript too; with it the table is sorted by a click and a pair is compared in place.
"""

import base64
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from jiqa.core.registry import Metric
from jiqa.explain.maps import (
    Place,
    Scale,
    choose_scale,
    color_table,
    colorize,
    place_map,
    quality_map,
    shrink,
)
from jiqa.files import write_text
from jiqa.images import read_image
from jiqa.pages import load_template
from jiqa.results import Scores
from jiqa.scoring import parse_metric

if TYPE_CHECKING:
    import pandas as pd

# The longer side of a preview in pixels; larger images are shown at a whole fraction of their size.
PREVIEW_SIDE = 1024
# WebP quality: images keep their artefacts, maps keep the file small.
IMAGE_QUALITY = 92
MAP_QUALITY = 80
# The rules by which the files were read, in the metadata of the scores.
READING = ("alpha", "color_profile", "max_pixels")


@dataclass(frozen=True)
class Cell:
    """A score in the table.

    Attributes:
        text: The score, rounded as the whole column.
        exact: All its digits, as JavaScript's `Number` reads them; empty where there is none.
        goodness: Its rank in the column from -1 (worst) to 1 (best).
    """

    text: str
    exact: str
    goodness: float


@dataclass(frozen=True)
class View:
    """The pictures of a pair, small enough for the page.

    Attributes:
        shape: Height and width of the images themselves.
        images: "reference", where there is one, and "distorted", each uint8 `[H, W, 3]`.
        maps: Quality map by column.
        places: Where each map lies on the image.
    """

    shape: tuple[int, int]
    images: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray]
    places: Mapping[str, Place]


@dataclass(frozen=True)
class Row:
    """A row of the table with its pictures.

    Attributes:
        name: The distorted image's file.
        reference: The reference's file, or "".
        further: The manifest's further columns.
        cells: Score by column.
        error: Why something could not be scored, or "".
        view: The pictures, or None where nothing could be scored.
    """

    name: str
    reference: str
    further: Mapping[str, Any]
    cells: Mapping[str, Cell]
    error: str
    view: View | None


def write_page(
    path: Path | str, scores: Scores, *, title: str = "Image quality", introduction: str = ""
) -> Path:
    """Writes a table of scores with its images and quality maps as one HTML file.

    The maps of a metric have one scale for all pairs; bright is bad. An image larger than
    `PREVIEW_SIDE` is shown at a whole fraction of its size, which the page says. Every row of the
    table is on the page, with about 0.3 MB of pictures: choose the rows beforehand.

    Args:
        path: The file to write, at once or not at all.
        scores: From `jiqa.scoring.score_files`; the files that it names are read again.
        title: Heading of the page.
        introduction: A paragraph under it.

    Returns:
        `path`.

    Raises:
        OSError: An image cannot be read, or the page not be written.
        ImportError: jinja2 or matplotlib is missing.

    >>> import tempfile
    >>> from jiqa.images import write_png
    >>> from jiqa.pairs import Pair
    >>> from jiqa.scoring import score_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = Path(folder, "grey.png")
    ...     write_png(image, np.full((9, 9, 1), 128, np.uint8))
    ...     write_page(Path(folder, "page.html"), score_files([Pair(image, image)], ["mae"])).name
    'page.html'
    """
    path, template = Path(path), load_template("page.html", webp=_webp, colorize=colorize)
    metrics = {column: parse_metric(column) for column in scores.metadata["metrics"]}
    pairs = _pairs(scores, metrics)
    html = template.render(
        title=title,
        introduction=introduction,
        facts={k: v for k, v in scores.metadata.items() if k not in {*READING, "metrics"}},
        metrics=metrics,
        pairs=pairs,
        originals={
            pair.reference: pair.view.images["reference"]
            for pair in pairs
            if pair.view and pair.reference
        },
        scales=_scales(metrics, pairs),
        colors=color_table()[::15].tolist(),
        preview_side=PREVIEW_SIDE,
        image_quality=IMAGE_QUALITY,
        map_quality=MAP_QUALITY,
    )
    write_text(path, html)
    return path


def _pairs(scores: Scores, metrics: Mapping[str, Metric]) -> list[Row]:
    """The rows of the table with what the page shows of them."""
    frame = scores.frame
    further = [c for c in frame if c not in {"reference", "distorted", "error", *metrics}]
    names = _short_names(frame["distorted"])
    references = _short_names(frame.get("reference", [None] * len(frame)))
    cells = {column: _cells(frame[column], metric) for column, metric in metrics.items()}
    return [
        Row(
            name=names[i],
            reference=references[i],
            further={str(column): row[column] for column in further},
            cells={column: some[i] for column, some in cells.items()},
            error=row["error"] if isinstance(row["error"], str) else "",
            view=_view(row, metrics, {k: scores.metadata[k] for k in READING}),
        )
        for i, row in enumerate(frame.to_dict("records"))
    ]


def _view(
    row: Mapping[Any, Any], metrics: Mapping[str, Metric], reading: Mapping[str, Any]
) -> View | None:
    """The pictures of a row; None where nothing could be scored."""
    scored = [column for column in metrics if not np.isnan(row[column])]
    if not scored:
        return None
    images = {
        role: read_image(Path(row[role]), **reading)
        for role in ("reference", "distorted")
        if isinstance(row.get(role), str)
    }
    height, width = images["distorted"].shape[:2]
    factor = -(-max(height, width) // PREVIEW_SIDE)
    found, places = {}, {}
    for column in scored:
        metric = metrics[column]
        if metric.map_function is not None:
            roles = ("reference", "distorted") if metric.needs_reference else ("distorted",)
            values = quality_map(metric, [images[role] for role in roles])
            places[column] = place_map(values.shape, (height, width))
            found[column] = shrink(values, max(1, factor // places[column].factor))
    previews = {role: shrink(_as_rgb(image), factor) for role, image in images.items()}
    return View((height, width), previews, found, places)


def _scales(metrics: Mapping[str, Metric], pairs: Sequence[Row]) -> dict[str, Scale]:
    """One scale a metric, for the maps of all pairs."""
    views = [pair.view for pair in pairs if pair.view]
    scales = {}
    for column, metric in metrics.items():
        found = [view.maps[column] for view in views if column in view.maps]
        if found:
            scales[column] = choose_scale(metric, found)
    return scales


def _cells(scores: "pd.Series[float]", metric: Metric) -> list[Cell]:
    """The scores of a column as they are shown."""
    badness = (
        (scores - (metric.identical or 0)).abs() if metric.higher_is_better is None else scores
    )
    rank = badness.rank(ascending=not metric.higher_is_better) - 1
    goodness = 1 - 2 * rank / max(1, scores.count() - 1) if rank.nunique() > 1 else 0 * rank
    largest = scores[np.isfinite(scores)].abs().max()
    digits = ".1f" if largest >= 100 else ".2f" if largest >= 10 else ".4f"
    digits = ".2e" if largest < 0.01 else digits
    return [_cell(*both, digits) for both in zip(scores, goodness, strict=True)]


def _cell(score: float, goodness: float, digits: str) -> Cell:
    if np.isnan(score):
        return Cell("–", "", 0.0)
    if np.isinf(score):
        sign = "-" if score < 0 else ""
        return Cell(f"{sign}∞", f"{sign}Infinity", goodness)
    return Cell(format(score, digits).replace("-", "−"), format(score, ".9g"), goodness)


def _short_names(paths: Iterable[str | None]) -> list[str]:
    """File names without the folders that all have in common."""
    absolute = [os.path.abspath(path) if isinstance(path, str) else "" for path in paths]
    folders = [os.path.dirname(path) for path in absolute if path]
    folder = os.path.commonpath(folders) if folders else ""
    return [path and os.path.relpath(path, folder) for path in absolute]


def _as_rgb(image: np.ndarray) -> np.ndarray:
    """The 8-bit colour image that shows an image of one or three channels and 8 or 16 bits."""
    if image.dtype == np.uint16:
        image = (image / 257).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def _webp(image: np.ndarray, quality: int) -> str:
    """A data URI of a picture, uint8 `[H, W, 3]`."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", quality=quality)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
