"""Files of ratings: tables of votes, matrices, and the data sets of sureal, whose code never runs.

Every reader makes `Ratings` of one file.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from jiqa.subjective.ratings import Ratings, as_votes, listed, ratings_from_table

OPTIONAL = ("content", "reference", "expected")
COLUMNS = {"observer": "observer", "stimulus": "stimulus", "score": "score"}


def read_ratings(
    path: str | PathLike[str], *, columns: Mapping[str, str] = COLUMNS, missing: float | None = None
) -> Ratings:
    """Reads a table of votes, or a data set of sureal, by its suffix.

    Args:
        path: A CSV file with a row a vote (`ratings_from_table`), or a `.json` or `.py` data set
            (`read_sureal`).
        columns: What the columns of a table are called in the file, by our names.
        missing: A score in the table that stands for a vote not given.

    Returns:
        The ratings.

    Raises:
        ValueError: Another suffix, or a file that is not what its suffix says.
        OSError: The file cannot be read.

    >>> read_ratings("ratings.xlsx")
    Traceback (most recent call last):
    ValueError: ratings.xlsx: the suffix must be .csv, .json or .py.
    """
    path = Path(path)
    if path.suffix in (".json", ".py"):
        return read_sureal(path)
    if path.suffix != ".csv":
        raise ValueError(f"{path}: the suffix must be .csv, .json or .py.")
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"no file is called {path}.")
    named = {**COLUMNS, **columns}
    try:
        table = pd.read_csv(path, dtype={named["observer"]: "str", named["stimulus"]: "str"})
        if absent := sorted(set(named.values()) - set(table.columns)):
            raise ValueError(
                f"no column is called {listed(absent)}; there are {listed(table.columns)}."
            )
        table = table[[*named.values(), *(set(OPTIONAL) & set(table.columns))]]
        table = table.rename(columns={found: ours for ours, found in named.items()})
        if missing is not None:
            table["score"] = table["score"].replace(missing, np.nan)
        return ratings_from_table(table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_matrix(
    path: str | PathLike[str],
    *,
    missing: float | None = None,
    observers: Sequence[str] | None = None,
) -> Ratings:
    r"""Reads a table with a row a stimulus and a column an observer.

    Args:
        path: A CSV file whose first column names the stimuli and whose header names the observers.
        missing: A score that stands for a vote not given, besides an empty cell.
        observers: The columns that are observers; None for all but the first.

    Returns:
        The ratings.

    Raises:
        ValueError: A cell is not a number, a stimulus comes twice, or a column is not there.
        OSError: The file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "matrix.csv")
    ...     _ = path.write_text("image,Ann,Ben\nx,5,-1\ny,2,3\n")
    ...     read_matrix(path, missing=-1).scores[..., 0].tolist()
    [[5.0, nan], [2.0, 3.0]]
    """
    import pandas as pd

    if not Path(path).is_file():
        raise FileNotFoundError(f"no file is called {path}.")
    table = pd.read_csv(path, index_col=0)
    try:
        if observers is not None:
            if absent := set(observers) - set(table.columns):
                raise ValueError(f"no column is called {listed(sorted(absent))}.")
            table = table[list(observers)]
        if (twice := table.index[table.index.duplicated()]).size:
            raise ValueError(f"stimulus {twice[0]} has two rows.")
        if text := [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]:
            raise ValueError(f"column {listed(text)} is not numbers; say which are observers.")
        scores = as_votes(table.replace(missing, np.nan) if missing is not None else table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Ratings(scores, tuple(map(str, table.index)), tuple(map(str, table.columns)))


def read_sureal(path: str | PathLike[str]) -> Ratings:
    """Reads a data set of sureal, without running it if it is Python.

    A data set has `dis_videos`, each with an `asset_id`, a `content_id`, a `path` and scores `os`:
    a list with one entry an observer, or a dictionary by observer; an entry is a score or a list of
    repetitions. `ref_videos` name the contents and `ref_score` is the score of a reference.

    Args:
        path: A `.json` file, or a `.py` file that assigns literals to names.

    Returns:
        The ratings; a stimulus is called by its `path`, or by its `asset_id` where paths are not
        all different.

    Raises:
        ValueError: Something else than literals, or a data set of another form.
        OSError: The file cannot be read.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text) if path.suffix == ".json" else read_literals(text)
        return _ratings_of_data_set(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} is not a data set of sureal: {what}") from error


def read_literals(text: str) -> dict[str, Any]:
    r"""What a Python file assigns to names, as long as it is literals; nothing is run.

    Besides literals, names assigned before, sums of texts, negative numbers, `nan` and imports
    (which are passed over) are understood.

    Args:
        text: The file's content.

    Returns:
        Values by name.

    Raises:
        ValueError: Anything else, with its line.

    >>> read_literals("folder = 'a'\npaths = [folder + '/b']")["paths"]
    ['a/b']
    >>> read_literals("import os\nos.remove('a')")
    Traceback (most recent call last):
    ValueError: line 2 does more than assign literals.
    """
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno} is not Python.") from error
    names: dict[str, Any] = {}
    for statement in module.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            raise ValueError(f"line {statement.lineno} does more than assign literals.")
        target = statement.targets[0]
        if not isinstance(target, ast.Name):
            raise ValueError(f"line {statement.lineno} does more than assign literals.")
        names[target.id] = _evaluate(statement.value, names)
    return names


def _evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.List(items) | ast.Tuple(items):
            return [_evaluate(item, names) for item in items]
        case ast.Dict(keys, values) if all(key is not None for key in keys):
            pairs = zip(keys, values, strict=True)
            return {_evaluate(k, names): _evaluate(v, names) for k, v in pairs if k is not None}
        case ast.Name(name) if name in names:
            return names[name]
        case ast.Name("nan") | ast.Attribute(attr="nan"):
            return np.nan
        case ast.Call(ast.Name("float"), [ast.Constant(str(value))], []):
            return float(value)
        case ast.UnaryOp(ast.USub(), operand):
            value = _evaluate(operand, names)
            if isinstance(value, int | float):
                return -value
        case ast.BinOp(left, ast.Add(), right):
            texts = _evaluate(left, names), _evaluate(right, names)
            if all(isinstance(part, str) for part in texts):
                return "".join(texts)
    raise ValueError(f"line {node.lineno} does more than assign literals.")


def _ratings_of_data_set(data_set: Mapping[str, Any]) -> Ratings:
    import pandas as pd

    stimuli = data_set["dis_videos"]
    paths = [str(stimulus.get("path", "")) for stimulus in stimuli]
    distinct = len(set(paths)) == len(paths)
    names = paths if distinct else [str(stimulus["asset_id"]) for stimulus in stimuli]
    references = {ref.get("path"): ref["content_id"] for ref in data_set["ref_videos"]}
    contents = {r["content_id"]: r.get("content_name") for r in data_set["ref_videos"]}
    shown = {  # the stimulus that is a content's reference, by content
        stimulus["content_id"]: name
        for stimulus, name in zip(stimuli, names, strict=True)
        if references.get(stimulus.get("path")) == stimulus["content_id"]
    }
    rows = [
        (observer, name, vote, str(contents[content] or content), shown.get(content))
        for stimulus, name in zip(stimuli, names, strict=True)
        for content in [stimulus["content_id"]]
        for observer, entry in _entries(stimulus["os"])
        for vote in (entry if isinstance(entry, list) else [entry])
    ]
    table = pd.DataFrame(rows, columns=["observer", "stimulus", "score", "content", "reference"])
    best = data_set.get("ref_score")
    return replace(ratings_from_table(table), best_score=None if best is None else float(best))


def _entries(scores: Any) -> list[tuple[str, Any]]:
    """Who scored how, whether by name or by position."""
    named = scores.items() if isinstance(scores, dict) else enumerate(scores)
    return [(str(name), entry) for name, entry in named]
