"""Folders of published data sets: files by name whatever the letters' case, tables and arrays.

Published archives mix cases (TID2013 holds `I01.BMP` and `i01_08_2.bmp`), differ from the papers,
and are unpacked one folder deeper here than there.
"""

import fnmatch
import functools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

DEEPEST = 2  # folders between what is given and the data set in it


class LabelError(ValueError):
    """A file of labels that is damaged, or of another version."""


class Folder:
    """The files below a folder.

    Args:
        root: The folder.
        files: Paths of its files relative to it; looked for if not given.

    Attributes:
        root: The folder.
    """

    def __init__(self, root: Path, files: Iterable[str] | None = None) -> None:
        """Lists the files."""
        self.root = root
        names = _walk(root) if files is None else files
        self._names = {name.casefold(): name for name in sorted(names, reverse=True)}

    def find(self, *names: str) -> Path | None:
        """The first of several files that is there, or None."""
        for name in names:
            if (found := self._names.get(name.casefold())) is not None:
                return self.root / found
        return None

    def path(self, *names: str) -> Path:
        """The first of several files that is there, or what the first would be called."""
        return self.find(*names) or self.root / names[0]

    def matching(self, *patterns: str) -> list[Path]:
        """The files that fit a pattern of `fnmatch`, sorted."""
        match = _matcher(patterns)
        return [self.root / name for key, name in sorted(self._names.items()) if match(key)]

    def holding(self, labels: Sequence[str]) -> "Folder | None":
        """The folder itself, or one a little below it, that has all label files.

        Args:
            labels: Patterns of files; alternatives have a | between them.

        Returns:
            The folder nearest to the root, or None.

        Raises:
            ValueError: There are several.
        """
        matchers = [_matcher(label.split("|")) for label in labels]
        found = [
            base
            for base, names in self._inside.items()
            if all(any(match(name.casefold()) for name in names) for match in matchers)
        ]
        nearest = min((base.count("/") + bool(base) for base in found), default=0)
        found = sorted(base for base in found if base.count("/") + bool(base) == nearest)
        if len(found) > 1:
            raise ValueError(
                f"{self.root} holds the labels in {' and in '.join(found)}: give one of them."
            )
        return Folder(self.root / found[0], self._inside[found[0]]) if found else None

    @functools.cached_property
    def _inside(self) -> dict[str, list[str]]:
        """Names relative to each folder that is not too deep."""
        inside: dict[str, list[str]] = {}
        for name in self._names.values():
            parts = name.split("/")
            for depth in range(min(DEEPEST + 1, len(parts))):
                inside.setdefault("/".join(parts[:depth]), []).append("/".join(parts[depth:]))
        return inside

    def lines(self, name: str) -> list[list[str]]:
        """The words of each line of a text that is not empty."""
        try:
            text = self.path(name).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise LabelError(f"{self.path(name)} is no text ({error}).") from error
        return [words for line in text.splitlines() if (words := line.split())]

    def table(self, file: Path, columns: Sequence[str], **options: Any) -> "pd.DataFrame":
        """A .csv or .xlsx file; blanks around the names of columns are dropped.

        Args:
            file: The file.
            columns: What it must have.
            **options: For pandas.

        Raises:
            LabelError: It cannot be read, or lacks a column.
            ImportError: openpyxl, which reads .xlsx, is not installed.
        """
        import pandas as pd

        read = pd.read_excel if file.suffix.lower() == ".xlsx" else pd.read_csv
        try:
            table: pd.DataFrame = read(file, **options)
        except ImportError as error:
            raise ImportError(f"{file.name} needs openpyxl: pip install 'jiqa[data]'.") from error
        except FileNotFoundError:
            raise
        except Exception as error:  # zipfile, XML and text parsers raise what they like
            raise LabelError(f"{file} cannot be read as a table ({error}).") from error
        table.columns = table.columns.astype(str).str.strip()
        if missing := [name for name in columns if name not in table]:
            there = ", ".join(table.columns[:20])
            raise LabelError(f"{file} has no column {', '.join(missing)}; it has {there}.")
        return table

    def arrays(self, name: str, *variables: str) -> list[np.ndarray]:
        """Variables of a MATLAB file, each as one row of numbers or texts.

        Raises:
            LabelError: It cannot be read, or lacks a variable.
        """
        from scipy.io import loadmat

        file = self.path(name)
        try:
            content = loadmat(file, squeeze_me=True)
        except FileNotFoundError:
            raise
        except Exception as error:  # loadmat raises what it likes on damaged files
            raise LabelError(f"{file} cannot be read as a MATLAB file ({error}).") from error
        if missing := [variable for variable in variables if variable not in content]:
            raise LabelError(f"{file} has no variable {', '.join(missing)}.")
        found = [np.atleast_1d(content[variable]) for variable in variables]
        if len({len(array) for array in found}) > 1:
            raise LabelError(f"{', '.join(variables)} in {file} are not of one length.")
        return found


def same_length(what: str, *columns: Sequence[Any] | np.ndarray) -> None:
    """Raises LabelError unless all columns are equally long."""
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise LabelError(f"{what} hold {' and '.join(map(str, lengths))} entries.")


def _walk(root: Path) -> list[str]:
    """All files below a folder, relative to it, with / between folders."""
    found = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        base = Path(folder).relative_to(root)
        found += [(base / name).as_posix() for name in names if not name.startswith(".")]
    return found


def _matcher(patterns: Iterable[str]) -> Any:
    whole = "|".join(fnmatch.translate(pattern.casefold()) for pattern in patterns)
    return re.compile(whole).match
