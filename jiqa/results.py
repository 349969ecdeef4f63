"""The table of scores with what is needed to repeat it, and the journal of an unfinished run."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import jax

from jiqa.files import check_output, write_text, write_whole
from jiqa.pairs import Pair

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".parquet", ".json")


@dataclass(frozen=True)
class Outcome:
    """What became of one pair.

    Attributes:
        index: Its position in the list of pairs.
        scores: Score by column; a metric that failed is absent.
        error: Why something failed, or None.
    """

    index: int
    scores: Mapping[str, float]
    error: str | None = None


@dataclass(frozen=True)
class Scores:
    """A table of scores.

    Attributes:
        frame: A row a pair: reference (where there is one), distorted, the manifest's further
            columns, a column a metric (NaN where it failed), error (the reason, or missing).
        metadata: Versions, device, date, and each metric's name, options and polarity.
    """

    frame: "pd.DataFrame"
    metadata: Mapping[str, Any]

    @property
    def failed(self) -> "pd.DataFrame":
        """The rows with an error."""
        return self.frame[self.frame["error"].notna()]

    def write(self, path: Path | str) -> None:
        """Writes the table, at once or not at all: a file under `path` is always complete.

        CSV has the metadata beside it in `<path>.meta.json`, Parquet in its schema under the key
        `jiqa`, JSON under `metadata`. JSON knows no infinity: it is the string "Infinity", as both
        Python's `float` and JavaScript's `Number` read it; NaN is null.

        Args:
            path: A file name with one of `TABLE_SUFFIXES`.

        Raises:
            ValueError: Another suffix.
            OSError: The file cannot be written.
        """
        path = Path(path)
        check_output(path, TABLE_SUFFIXES)
        metadata = json.dumps(self.metadata, indent=2, allow_nan=False)
        if path.suffix == ".csv":
            write_text(metadata_path(path), metadata)
        with write_whole(path) as file:
            if path.suffix == ".csv":
                self.frame.to_csv(file, index=False)
            elif path.suffix == ".parquet":
                self._write_parquet(file, metadata)
            else:
                file.write(self._to_json().encode())

    def _write_parquet(self, file: BinaryIO, metadata: str) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        schema = {**(table.schema.metadata or {}), b"jiqa": metadata.encode()}
        parquet.write_table(table.replace_schema_metadata(schema), file)

    def _to_json(self) -> str:
        frame = self.frame.astype(object)
        rows = frame.where(frame.notna(), None).to_dict("records")
        plain = [{str(key): _plain(value) for key, value in row.items()} for row in rows]
        document = {"metadata": self.metadata, "scores": plain}
        return json.dumps(document, indent=1, allow_nan=False, default=str)


class Journal:
    """What an unfinished run has scored so far: a line of settings, then a line a pair, in JSON.

    It lies beside the output as `<output>.partial`, so that opening it also proves before any work
    that the folder can be written. Lines are appended whole; one that a kill has torn is dropped.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        """Opens the journal of an output file.

        Args:
            output: The table to write in the end.
            settings: What must be the same for old and new scores to stand in one table.
            resume: Whether to continue a journal that is there.

        Raises:
            ValueError: A journal is there but `resume` is not given, or its settings differ, or it
                is damaged.
            OSError: It cannot be written.
        """
        self.path = journal_path(output)
        begun = self.path.exists() and self.path.stat().st_size > 0
        if begun and not resume:
            raise ValueError(
                f"{self.path} holds an unfinished run: resume it, or delete the file to start over."
            )
        lines = self._read_whole_lines() if begun else []
        if lines:
            self._check(lines[0], settings)
        self._done = {(line["reference"], line["distorted"]): line for line in lines[1:]}
        self._settings = None if lines else dict(settings)
        try:
            self._file = self.path.open("ab")
        except OSError as error:
            raise OSError(f"{output} cannot be written: {error.strerror}.") from error

    def __enter__(self) -> Self:
        """The journal, closed when the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file, and deletes it if it holds nothing."""
        self._file.close()
        if self.path.exists() and self.path.stat().st_size == 0:
            self.path.unlink()

    def finished(self, pairs: Sequence[Pair]) -> Iterator[Outcome]:
        """The pairs that need no scoring again; those that failed are tried again.

        Raises:
            ValueError: A file has changed since it was scored.
        """
        for index, pair in enumerate(pairs):
            line = self._done.get(_names(pair))
            if line is None or line["error"] is not None:
                continue
            if line["files"] != fingerprint(pair):
                raise ValueError(
                    f"{pair.distorted} or its reference has changed since {self.path} was written; "
                    "delete that file to start over."
                )
            yield Outcome(index, line["scores"])

    def append(self, pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> None:
        """Writes what became of some pairs, so that a kill cannot lose it."""
        if self._settings:
            self._write([self._settings])
            self._settings = None
        self._write(
            {
                "reference": _names(pair)[0],
                "distorted": _names(pair)[1],
                "files": fingerprint(pair),
                "scores": dict(outcome.scores),
                "error": outcome.error,
            }
            for outcome in outcomes
            for pair in [pairs[outcome.index]]
        )

    def remove(self) -> None:
        """Deletes the journal, once the table is written."""
        self._file.close()
        self.path.unlink()

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self._file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        self._file.flush()

    def _read_whole_lines(self) -> list[dict[str, Any]]:
        """The lines that end; what follows the last end of line is cut off."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise ValueError(
                f"{self.path} is damaged ({error}); delete it to start over."
            ) from error

    def _check(self, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        wanted = json.loads(json.dumps(settings))
        for key in {**found, **wanted}:
            if found.get(key) != wanted.get(key):
                raise ValueError(
                    f"{self.path} was written with {key} {json.dumps(found.get(key))}, this run "
                    f"has {json.dumps(wanted.get(key))}; run it as it was begun, or delete the "
                    "file to start over."
                )


def journal_path(output: Path | str) -> Path:
    """The journal of an output file.

    >>> journal_path("scores.csv").name
    'scores.csv.partial'
    """
    return Path(f"{output}.partial")


def metadata_path(output: Path | str) -> Path:
    """The file that holds a CSV table's metadata.

    >>> metadata_path("scores.csv").name
    'scores.csv.meta.json'
    """
    return Path(f"{output}.meta.json")


def circumstances(devices: Sequence[jax.Device]) -> dict[str, Any]:
    """When and on what something is computed, for its metadata.

    >>> list(circumstances(jax.devices()))
    ['date', 'platform', 'device', 'devices']
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": len(devices),
    }


def fingerprint(pair: Pair) -> list[int]:
    """Size and time of change of a pair's files, by which a changed file is known."""
    marks: list[int] = []
    for path in (pair.reference, pair.distorted):
        if path is not None and path.exists():
            status = path.stat()
            marks += [status.st_size, status.st_mtime_ns]
    return marks


def _names(pair: Pair) -> tuple[str, str]:
    return str(pair.reference or ""), str(pair.distorted)


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
