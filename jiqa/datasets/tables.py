"""Rated images of one's own: a table with a row an image."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiqa.datasets.records import SPLITS, DataSet, Kind, RatedImage
from jiqa.pairs import MANIFEST_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

OPINIONS: tuple[Kind, ...] = ("mos", "dmos")
NUMBERS = ("std", "standard_error", "ratings", "level")
TEXTS = ("distorted", "reference", "distortion", "content", "split")


def read_table(path: Path | str, *, columns: Mapping[str, str] | None = None) -> DataSet:
    r"""Reads rated images from a CSV or Parquet table.

    Args:
        path: A table with the columns distorted, mos (more is better) or dmos (more is worse) and,
            where known, reference, std, standard_error, ratings, distortion, level, content and
            split (train, validation or test); other columns become `extra`. File names are
            relative to its folder.
        columns: What the table calls these columns, as `{"distorted": "image"}`.

    Returns:
        A data set that is called as the file. Without a column content, images of one reference
        share their content, and an image without a reference has its own.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: It cannot be read, lacks a column or a cell, or has a score that is no number.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "mine.csv")
    >>> _ = path.write_text("image,mos\na.png,3.5\n")
    >>> read_table(path, columns={"distorted": "image"}).records[0].score
    3.5
    """
    path = Path(path)
    table = _open(path, columns or {})
    kind = find_opinion(str(path), {str(name): None for name in table})
    if "distorted" not in table:
        raise ValueError(f"{path} needs a column distorted; it has {', '.join(map(str, table))}.")
    needed = [name for name in ("distorted", "reference", kind) if name in table]
    empty = (table.index[table[needed].isna().any(axis=1)] + 1).tolist()
    if empty or table.empty:
        where = f"row {', '.join(map(str, empty[:10]))}" if empty else "any row: there is none"
        raise ValueError(f"{path} has no {' or '.join(needed)} in {where} (the first row is 1).")
    try:
        records = [_rated(path, kind, row) for row in table.to_dict("records")]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return DataSet(path.name, path.stem, kind, records)


def find_opinion(where: str, columns: Mapping[str, Any]) -> Kind:
    """Which of mos and dmos a table has.

    Raises:
        ValueError: Neither, or both.

    >>> find_opinion("table.csv", {"distorted": "a.png", "mos": 3.2})
    'mos'
    """
    found = [name for name in OPINIONS if name in columns]
    if len(found) != 1:
        raise ValueError(
            f"{where} needs one column mos (more is better) or dmos (more is worse); it has "
            f"{', '.join(found) or ', '.join(columns) or 'nothing'}."
        )
    return found[0]


def _open(path: Path, columns: Mapping[str, str]) -> "pd.DataFrame":
    """The table with the columns called as above."""
    import pandas as pd

    if path.suffix.lower() not in MANIFEST_SUFFIXES:
        raise ValueError(f"{path}: the suffix must be one of {', '.join(MANIFEST_SUFFIXES)}.")
    if not path.is_file():
        raise FileNotFoundError(f"no table is called {path}.")
    try:
        if path.suffix.lower() == ".csv":
            texts = {columns.get(name, name): "str" for name in TEXTS}
            table = pd.read_csv(path, dtype=texts)
        else:
            table = pd.read_parquet(path)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    if missing := [given for given in columns.values() if given not in table]:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(map(str, table))}."
        )
    return rename_columns(table, columns)


def rename_columns(table: "pd.DataFrame", columns: Mapping[str, str]) -> "pd.DataFrame":
    """A table some of whose columns are called otherwise; others of the new names are left out.

    Args:
        table: The table.
        columns: What it calls a column, by the name that it should have.
    """
    replaced = [name for name in columns if name not in columns.values()]
    table = table.drop(columns=replaced, errors="ignore")
    return table.rename(columns={given: name for name, given in columns.items()})


def _rated(path: Path, kind: Kind, row: Mapping[Hashable, Any]) -> RatedImage:
    """A row; empty cells are unknown."""
    cells = {str(name): cell for name, cell in row.items() if cell == cell and cell is not None}
    numbers = {name: float(cells[name]) for name in (kind, *NUMBERS) if name in cells}
    distorted, reference = str(cells["distorted"]), cells.get("reference")
    split = str(cells.get("split", ""))
    if split not in ("", *SPLITS):
        raise ValueError(f"{distorted} has the split {split}; give one of {', '.join(SPLITS)}.")
    known = {kind, *NUMBERS, *TEXTS}
    return RatedImage(
        distorted=path.parent / distorted,
        reference=None if reference is None else path.parent / str(reference),
        score=numbers[kind],
        std=numbers.get("std"),
        standard_error=numbers.get("standard_error"),
        ratings=int(numbers["ratings"]) if "ratings" in numbers else None,
        distortion=str(cells.get("distortion", "")),
        level=numbers.get("level"),
        content=str(cells.get("content", reference or distorted)),
        split=split,
        extra={name: cell for name, cell in cells.items() if name not in known},
    )
