"""What `jiqa bench` reads: data sets to score and tables of scores, all checked beforehand."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jiqa
from jiqa.evaluation.benchmark import Protocol
from jiqa.evaluation.data_sets import DataSet, read_data_set, read_scores
from jiqa.evaluation.rated import Rated, rate
from jiqa.results import metadata_path
from jiqa.scoring import parse_metric, score_files

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Scores and opinions.

    Attributes:
        name: The data set.
        frame: A row an image.
        metrics: The columns that are metrics.
    """

    name: str
    frame: "pd.DataFrame"
    metrics: list[str]


def open_sources(
    data: Sequence[Path],
    scores: Sequence[Path],
    metrics: list[str] | None = None,
    columns: str = "",
) -> tuple[list[DataSet], list[Table]]:
    """Reads what opinions and scores there are, so that mistakes show before hours of work.

    Args:
        data: Data sets to score; see `read_data_set`.
        scores: Tables of scores; see `read_scores`.
        metrics: Names or columns; None means all columns of tables.
        columns: What tables call columns, as "dmos=dmos_new,content=image".

    Returns:
        Data sets, and tables.

    Raises:
        ValueError: Nothing given, two data sets of one name, no such metric, wrong `columns`.
        OSError: A file is missing.

    >>> open_sources([], [])
    Traceback (most recent call last):
    ValueError: there is nothing to compare: give a data set, or tables with --scores.
    """
    if not data and not scores:
        raise ValueError("there is nothing to compare: give a data set, or tables with --scores.")
    if data:
        for text in metrics or []:
            parse_metric(text)
    rename = _renamed(columns)
    data_sets = [read_data_set(path) for path in data]
    tables = [
        Table(path.stem, *read_scores(path, metrics=metrics, rename=rename)) for path in scores
    ]
    names = [data_set.name for data_set in data_sets] + [table.name for table in tables]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two data sets are called {', '.join(doubled)}: rename a file.")
    return data_sets, tables


def score_data_set(
    data_set: DataSet,
    metrics: list[str],
    output: Path,
    *,
    resume: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Scores the images into `<output>/scores/<name>.csv`, unless they are there.

    Args:
        data_set: The images.
        metrics: Names, with options or not.
        output: Folder of the results, made if it is not there.
        resume: Whether to use what is there.
        workers: Threads that decode files; None means one a core.
        progress: Called with the number of pairs done and of all pairs.

    Returns:
        The table as it is on disk.

    Raises:
        ValueError: What is there is of other metrics or images, or unfinished and not resumed.
        OSError: The table cannot be written.
    """
    path = output / "scores" / f"{data_set.name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    if resume and path.exists():
        _check_finished(path, data_set, metrics)
    else:
        score_files(
            data_set.pairs,
            metrics,
            output=path,
            resume=resume,
            workers=workers,
            progress=progress,
        )
    return Table(data_set.name, *read_scores(path, metrics=metrics))


def _check_finished(path: Path, data_set: DataSet, metrics: list[str]) -> None:
    """Raises unless a finished table holds these metrics of these images."""
    import pandas as pd

    there = list(json.loads(metadata_path(path).read_text())["metrics"])
    names = pd.read_csv(path, usecols=["distorted"], dtype="str")["distorted"].tolist()
    if there != metrics or names != [str(pair.distorted) for pair in data_set.pairs]:
        raise ValueError(
            f"{path} holds {', '.join(there)} of {len(names)} images, not what is asked for: give "
            "another output folder, or delete the file."
        )


def rate_all(
    tables: Sequence[Table], *, higher: Sequence[str] = (), lower: Sequence[str] = ()
) -> list[Rated]:
    """The tables with their scores turned; see `jiqa.evaluation.rated.rate`.

    Raises:
        ValueError: A metric in `higher` or `lower` is in no table.

    >>> rate_all([], lower=["lpips"])
    Traceback (most recent call last):
    ValueError: lpips: no such metric in the tables.
    """
    known = {metric for table in tables for metric in table.metrics}
    if unknown := sorted({*higher, *lower} - known):
        raise ValueError(f"{', '.join(unknown)}: no such metric in the tables.")
    return [
        rate(table.name, table.frame, table.metrics, higher=higher, lower=lower) for table in tables
    ]


def metadata(protocol: Protocol) -> dict[str, Any]:
    """What is needed to repeat a benchmark.

    >>> metadata(Protocol())["mapping"]
    'logistic4'
    """
    import jax
    import scipy

    versions = {"jiqa": jiqa.__version__, "jax": jax.__version__, "scipy": scipy.__version__}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {**versions, "date": date, **dataclasses.asdict(protocol)}


def _renamed(columns: str) -> dict[str, str]:
    """Column of the file by its name here."""
    found = {}
    for part in filter(None, (part.strip() for part in columns.split(","))):
        name, equals, given = part.partition("=")
        if not equals or not name or not given:
            raise ValueError(f"{part!r}: give columns as name=column, such as dmos=dmos_new.")
        found[name] = given
    return found
