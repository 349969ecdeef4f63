"""Files that are either whole or not there, and where those lie that can be made again."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Opens a file that takes its name only when everything is written.

    Until then it stands beside `path` under a temporary name, which is removed on failure.

    Args:
        path: The file, which is replaced if there is one.

    Yields:
        The file, open for writing bytes.

    Raises:
        OSError: The file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "note.txt")
    ...     with write_whole(path) as file:
    ...         _ = file.write(b"all of it")
    ...     path.read_text()
    'all of it'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8, whole or not at all.

    Args:
        path: The file, which is replaced if there is one.
        text: All of it.

    Raises:
        OSError: The file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "note.txt"), "all of it")
    ...     Path(folder, "note.txt").read_text()
    'all of it'
    """
    with write_whole(path) as file:
        file.write(text.encode())


def check_output(path: Path | str, suffixes: Sequence[str]) -> None:
    """Raises unless a file could be written under a name, as far as can be said beforehand.

    Args:
        path: The file.
        suffixes: What its name may end in.

    Raises:
        ValueError: Another suffix.
        OSError: It is a folder, or its folder is not there.

    >>> check_output("scores.xlsx", (".csv", ".json"))
    Traceback (most recent call last):
    ValueError: scores.xlsx: the suffix must be one of .csv, .json.
    """
    path = Path(path)
    if path.suffix not in suffixes:
        one_of = "one of " if len(suffixes) > 1 else ""
        raise ValueError(f"{path}: the suffix must be {one_of}{', '.join(suffixes)}.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}.")


def cache_folder() -> Path:
    """The user's folder for what jiqa can make again, which may not be there yet.

    `jiqa` in XDG_CACHE_HOME, or in the home's `.cache`.

    >>> cache_folder().name
    'jiqa'
    """
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(caches) / "jiqa"
