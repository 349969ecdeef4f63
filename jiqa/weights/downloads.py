"""Files over the network: continued where a connection broke, one process at a time."""

import base64
import os
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError

SECONDS = 30.0  # without a byte
CHUNK = 2**18


def log(message: str) -> None:
    """Says on standard error what is going on."""
    print(f"jiqa: {message}", file=sys.stderr, flush=True)


def open_address(address: str, headers: dict[str, str] | None = None) -> Any:
    """Opens an address; user and password in it are sent as such and to no other host."""
    parts = urllib.parse.urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers=headers or {})
    request.add_header("User-Agent", "jiqa")
    if at:
        token = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return urllib.request.urlopen(request, timeout=SECONDS)


def without_password(address: str) -> str:
    """The address as it may be shown.

    >>> without_password("https://me:secret@example.org/simple")
    'https://example.org/simple'
    """
    parts = urllib.parse.urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def download(address: str, target: Path, size: int) -> None:
    """Fetches a file, continuing what is already there of it.

    Its content is not checked: the caller compares the checksum.

    Args:
        address: Where it is: http, https or file.
        target: What is there stays there when the connection breaks for good.
        size: About how many bytes it has; much more are an error.

    Raises:
        OSError: It cannot be fetched: no connection, refused, broken off again and again.
        ValueError: Far more bytes than expected.
    """
    while True:
        before = target.stat().st_size if target.exists() else 0
        try:
            return _receive(address, target, before, size)
        except HTTPError as error:
            if error.code != 416:  # nothing follows what is there: it was too much
                raise
            target.unlink()
        except (HTTPException, ConnectionError, TimeoutError) as error:
            after = target.stat().st_size if target.exists() else 0
            if after <= before:
                raise ConnectionError(f"the connection broke: {error}") from error
            log(f"the connection broke after {after} bytes; continuing.")


def _receive(address: str, target: Path, start: int, size: int) -> None:
    """One connection's worth of a file."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with open_address(address, headers) as response:
        if start and not _continues(response, start):
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        most = size + size // 50 + 2**16
        if (total or 0) > most:
            raise ValueError(f"{total} bytes are offered where about {size} were expected.")
        with target.open("r+b" if start else "wb") as file, progress(total or size) as advance:
            done = file.seek(start)
            while chunk := response.read1(CHUNK):
                done += file.write(chunk)
                advance(done)
                if done > most:
                    raise ValueError(f"more than {most} bytes where about {size} were expected.")
    if total is not None and done < total:
        raise ConnectionError(f"{done} of {total} bytes came")


def _continues(response: Any, start: int) -> bool:
    """Whether a server sends what follows, as asked, and not the whole file."""
    sent = response.headers.get("Content-Range", "")
    return response.status == 206 and sent.startswith(f"bytes {start}-")


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fetching", total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Waits until no other process or thread is at work on a file, and gives its unfinished name.

    Where files cannot be locked, each process has an unfinished file of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("wb") as file:
        own = "" if _lock(file, path.name) else f".{os.getpid()}"
        yield path.with_name(f"{path.name}{own}.partial")


def _lock(file: BinaryIO, name: str) -> bool:
    """Waits for a lock, which closing the file releases; False where there are no locks."""
    try:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"waiting for another process that fetches {name}.")
            fcntl.flock(file, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True
