"""Files that are either whole or not there, and where those lie that can be made again."""

import os
import threading
from collections.abc import Iterator
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


def cache_folder() -> Path:
    """The user's folder for what jiqa can make again, which may not be there yet.

    `jiqa` in XDG_CACHE_HOME, or in the home's `.cache`.

    >>> cache_folder().name
    'jiqa'
    """
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(caches) / "jiqa"
