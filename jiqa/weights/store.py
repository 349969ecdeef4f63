"""Files of parameters on this machine: where they lie, and what is checked before they are used."""

import hashlib
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jiqa.files import cache_folder
from jiqa.weights.checkpoints import read_checkpoint
from jiqa.weights.entries import DATA, Entry, Source, convert
from jiqa.weights.mapped import read_with_checksum
from jiqa.weights.trees import fingerprint

SUFFIXES = (".safetensors", ".pth", ".pt", ".npz", ".msgpack", ".ckpt", ".pkl")


def find(entry: Entry) -> Path | None:
    """The file of an entry: bundled, in what JIQA_WEIGHTS names, or in the cache; None if nowhere.

    JIQA_WEIGHTS names a folder or a file. A file in it counts for an entry if it is named after the
    entry, or as one of the files, or their members, that the entry's sources publish.
    """
    bundled = DATA / f"{entry.name}.safetensors"
    if bundled.is_file():
        return bundled
    if given := os.environ.get("JIQA_WEIGHTS"):
        if not (folder := Path(given)).exists():
            raise FileNotFoundError(f"JIQA_WEIGHTS is {given}, which is not there.")
        for name in names_of_files(entry):
            path = folder / name if folder.is_dir() else folder
            if path.name == name and path.is_file():
                return path
    cached = cached_path(entry.name)
    return cached if cached.is_file() else None


def cached_path(name: str) -> Path:
    """Where the cache keeps, or would keep, an entry."""
    return cache_folder() / "weights" / f"{name}.safetensors"


def names_of_files(entry: Entry) -> list[str]:
    """The names of files that an entry is looked for in, its own first."""
    members = [Path(source.member).name for source in entry.sources if source.member]
    files = [source.file for source in entry.sources]
    return [entry.name + suffix for suffix in SUFFIXES] + members + files


def read_parameters(path: Path, entry: Entry) -> dict[str, np.ndarray]:
    """The parameters of an entry from a file, after whatever check is known for it.

    Args:
        path: A file that jiqa wrote, a checkpoint, or an archive that the entry names as a source.
        entry: What it should hold.

    Returns:
        The arrays by name, read-only.

    Raises:
        ValueError: It holds something else, or is damaged.
        OSError: It cannot be read.
    """
    if path.name == f"{entry.name}.safetensors":
        parameters, recorded = read_with_checksum(path)
        if recorded is not None:
            found = fingerprint(parameters)
            if found != recorded:
                raise ValueError(f"{path}: damaged; its parameters have the SHA-256 {found}.")
            check_fingerprint(found, entry, path)
            return parameters if entry.sha256 else convert(entry, parameters)
    source = next((source for source in entry.sources if source.file == path.name), None)
    if source and (source.member or not entry.sha256):
        check_file(path, source)
    return read_foreign(path, entry, source)


def read_foreign(path: Path, entry: Entry, source: Source | None) -> dict[str, np.ndarray]:
    """The parameters of an entry from a checkpoint, or from an archive that a source describes."""
    with _checkpoint(path, source.member if source else "") as checkpoint:
        arrays = read_checkpoint(checkpoint)
    try:
        parameters = convert(entry, arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if entry.sha256:
        check_fingerprint(fingerprint(parameters), entry, path)
    for array in parameters.values():
        array.flags.writeable = False
    return parameters


def check_fingerprint(found: str, entry: Entry, path: Path) -> None:
    """Raises ValueError unless parameters have the published checksum, if it is known."""
    if entry.sha256 and found != entry.sha256:
        raise ValueError(
            f"{path}: these are not the published numbers of {entry.name}: SHA-256 {found}, not "
            f"{entry.sha256}. Numbers of your own can be imported under another name."
        )


def check_file(path: Path, source: Source) -> None:
    """Raises ValueError unless a file has the published checksum."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(source.sha256):
        begins = "is" if len(source.sha256) == len(found) else "begins with"
        raise ValueError(
            f"{path}: not the published file {source.file}: its SHA-256 is {found}; "
            f"the published one {begins} {source.sha256}."
        )


@contextmanager
def _checkpoint(path: Path, member: str) -> Iterator[Path]:
    """The file itself or, if it is an archive, its member for a while."""
    if not member:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, Path(member).name)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                target.write_bytes(archive.read(member))
        else:
            with tarfile.open(path) as tar:
                target.write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
        yield target
