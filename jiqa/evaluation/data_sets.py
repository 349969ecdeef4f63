"""Rated images to score, and tables of precomputed scores.

Whatever it comes from, a data set is pairs of images with these columns: `mos` (more is better) or
`dmos` (more is worse), and where known `std` (standard deviation of an image's ratings), `ratings`
(their number) or `standard_error` (of the mean itself), `distortion`, `level` (of distortion, more
is worse) and `content` (what images of one original share).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiqa import datasets
from jiqa.datasets.records import Kind, RatedImage
from jiqa.datasets.tables import OPINIONS, find_opinion, rename_columns
from jiqa.pairs import Pair

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataSet", "find_opinion", "read_data_set", "read_scores"]

KNOWN = ("std", "standard_error", "ratings", "distortion", "level")
NUMBERS = (*OPINIONS, "std", "ratings", "standard_error", "level")
LABELS = ("reference", "distorted", "distortion", "content", "split", "error")


@dataclass(frozen=True)
class DataSet:
    """Pairs of images with opinions.

    Attributes:
        name: What it is called in tables.
        pairs: The images, with the columns named above.
    """

    name: str
    pairs: list[Pair]


def read_data_set(path: Path | str) -> DataSet:
    """The rated images of a folder in its published layout, or of a table.

    Args:
        path: A folder of a data set of `jiqa datasets list`, or `name=folder` where a folder holds
            several. It may be a part of the set: reports say how many images there were. Or a CSV
            or Parquet table with the columns distorted, mos or dmos, reference where there is one,
            and further ones as above.

    Returns:
        The data set; a table is called by its file's name.

    Raises:
        FileNotFoundError: There is no such path, or images of a published set are missing or
            damaged; it names them.
        ValueError: Another layout, or a table that lacks a column.

    >>> read_data_set("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no file or folder is called nowhere.
    """
    path = Path(path)
    is_table = path.is_file()
    found = datasets.read_table(path) if is_table else datasets.recognise(path, partial=True)
    records = [record for record in found.records if isinstance(record, RatedImage)]
    if len(records) < len(found.records):
        raise ValueError(f"{found.title} holds preferences between images, not opinions of them.")
    rows = [_columns(record, found.kind, further=is_table) for record in records]
    if len({record.content for record in records}) == len(records):
        rows = [{**row, "content": None} for row in rows]  # no two images share one
    known = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(row.get(name) not in (None, "") for row in rows)
    ]
    return DataSet(
        found.title,
        [
            Pair(record.reference, record.distorted, {name: row.get(name) for name in known})
            for record, row in zip(records, rows, strict=True)
        ],
    )


def _columns(record: RatedImage, kind: Kind, *, further: bool) -> dict[str, Any]:
    """What is known of an image, and what else a table holds."""
    known = {name: getattr(record, name) for name in (*KNOWN, "content")}
    return {kind: record.score, **known, **(record.extra if further else {})}


def read_scores(
    path: Path | str,
    *,
    metrics: list[str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> tuple["pd.DataFrame", list[str]]:
    """A table of precomputed scores: opinions, what is known of the images, a column a metric.

    Args:
        path: A .csv, .tsv or .parquet file with the column mos or dmos; others as above.
        metrics: Which columns are metrics. None means all numbers that have no meaning of their
            own.
        rename: Column of the file by the name it should have, such as {"dmos": "dmos_new"}.

    Returns:
        The table, and the names of its metrics.

    Raises:
        ValueError: A column is missing, doubled or no number, or there is no metric.
    """
    import pandas as pd

    path, rename = Path(path), dict(rename or {})
    texts = {given: "str" for name, given in rename.items() if name in LABELS}
    texts |= dict.fromkeys(LABELS, "str")
    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        table = pd.read_csv(path, sep=separator, dtype=texts)
    else:
        raise ValueError(f"{path}: a table of scores must be .csv, .tsv or .parquet.")
    wanted = [*rename.values(), *(metrics or [])]
    if missing := [name for name in wanted if name not in table]:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {_listed(table)}.")
    table = rename_columns(table, rename)
    find_opinion(str(path), {str(name): None for name in table})
    if metrics is None:
        known = {*NUMBERS, *LABELS}
        numbers = table.select_dtypes("number").columns
        metrics = [str(name) for name in numbers if name not in known]
    words = [name for name in metrics if not pd.api.types.is_numeric_dtype(table[name])]
    if words or not metrics:
        raise ValueError(f"{path}: {', '.join(words) or 'no column'} holds scores as numbers.")
    return table, metrics


def _listed(table: "pd.DataFrame") -> str:
    return ", ".join(str(name) for name in table)
