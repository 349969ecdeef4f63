"""Where pretrained parameters come from: bundled, brought by the user, or fetched, and verified.

`load` gives them as nested dictionaries of read-only NumPy arrays, named by the path of modules
that their publisher gave them and laid out as JAX expects; see `jiqa.weights.trees`.
"""

import functools
import re
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from jiqa.weights.checkpoints import read_checkpoint
from jiqa.weights.entries import DATA, ENTRIES, Entry, Source
from jiqa.weights.mapped import read_safetensors, write_parameters
from jiqa.weights.store import cached_path, find, read_parameters
from jiqa.weights.trees import fingerprint, flatten, nest, to_jax

__all__ = [
    "DATA",
    "Entry",
    "Source",
    "catalogue",
    "fetch",
    "fingerprint",
    "flatten",
    "import_checkpoint",
    "load",
    "nest",
    "read_checkpoint",
    "read_safetensors",
    "to_jax",
    "where",
]


def load(name: str, *, download: bool = True) -> dict[str, Any]:
    """The parameters of a network, from the first place that has them.

    The places are: the package; the folder or file that the environment variable JIQA_WEIGHTS
    names; the cache; and, the first time, a download, of which a line on standard error tells. They
    are read and verified once in a process. The dictionaries are the caller's, the arrays are
    shared and read-only.

    Args:
        name: A name from `catalogue`, or one that `import_checkpoint` was given.
        download: Whether they may be fetched. JIQA_OFFLINE=1 forbids it to all.

    Returns:
        Nested dictionaries of float32 arrays.

    Raises:
        ValueError: There is no such name, or a file is damaged or another than published.
        FileNotFoundError: They are not on this machine and could not, or may not, be fetched; the
            message says which file to put where.

    >>> load("alexnet")["features"]["0"]["kernel"].shape
    (11, 11, 3, 64)
    """
    entry = _entry(name)
    path = find(entry)
    if path is None:
        from jiqa.weights import fetching

        if not download:
            reason = "download=False forbids to fetch it"
            raise FileNotFoundError(fetching.missing(entry, [reason]))
        path = fetching.fetch_entry(entry)
    state = path.stat()
    return nest(_read_once(path, name, state.st_mtime_ns, state.st_size))


def fetch(name: str) -> Path:
    """Brings the parameters of a network onto this machine, unless they are here and whole.

    Args:
        name: A name from `catalogue`.

    Returns:
        Their file.

    Raises:
        ValueError: There is no such name, or a file is damaged or another than published.
        FileNotFoundError: They could not, or may not, be fetched.

    >>> fetch("dists").name
    'dists.safetensors'
    """
    from jiqa.weights.fetching import fetch_entry

    return fetch_entry(_entry(name))


def where(name: str | None = None) -> Path | None:
    """The file that `load` would read, or None if it would have to be fetched.

    Args:
        name: A name from `catalogue`, or one that `import_checkpoint` was given.

    Returns:
        Its path; without a name, that of the cache's folder.

    Raises:
        ValueError: There is no such name.

    >>> where("alexnet").name
    'alexnet.safetensors'
    """
    return cached_path("").parent if name is None else find(_entry(name))


def catalogue() -> list[Entry]:
    """All parameters that have a name, those imported under names of their own at the end.

    Returns:
        Entries with name, what it is, licence, size, checksum and sources; `path` is the file on
        this machine, or None.

    >>> [entry.name for entry in catalogue()][:3]
    ['alexnet', 'lpips_heads', 'dists']
    """
    imported = sorted(file.stem for file in cached_path("").parent.glob("*.safetensors"))
    own = [_imported(name) for name in imported if name not in ENTRIES]
    return [replace(entry, path=find(entry)) for entry in [*ENTRIES.values(), *own]]


def import_checkpoint(path: str | PathLike[str], name: str) -> Path:
    """Converts a checkpoint into the cache, from where `load(name)` takes it.

    Under a name of the catalogue its names and shapes must be those of that network, and its
    numbers too where their checksum is known. Any other name is free.

    Args:
        path: A file that `read_checkpoint` reads, with the names and layout of PyTorch, Chainer or
            JAX; see `to_jax`.
        name: The name: letters, digits, ".", "_" and "-".

    Returns:
        The file in the cache.

    Raises:
        ValueError: It cannot be read, or is not what the name says; missing and unexpected
            parameters are listed.
        OSError: It cannot be read, or the cache not be written.

    >>> import_checkpoint("net.pth", "../net")
    Traceback (most recent call last):
    ValueError: '../net' is no name: letters, digits, ".", "_" and "-" may be in it.
    """
    entry = ENTRIES.get(_checked(name)) or _imported(name)
    if (DATA / f"{name}.safetensors").is_file():
        raise ValueError(f"{name} comes with jiqa; a network of your own needs another name.")
    write_parameters(cached_path(name), read_parameters(Path(path), entry))
    return cached_path(name)


def _entry(name: str) -> Entry:
    """The entry of a name in the catalogue, or of what was imported under it."""
    if name in ENTRIES:
        return ENTRIES[name]
    entry = _imported(_checked(name))
    if find(entry) is None:
        raise ValueError(
            f"there are no parameters named {name!r}; there are {', '.join(ENTRIES)}, and what you "
            "import: jiqa weights import FILE NAME."
        )
    return entry


def _imported(name: str) -> Entry:
    return Entry(name, "imported", "")


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise ValueError(f'{name!r} is no name: letters, digits, ".", "_" and "-" may be in it.')
    return name


@functools.lru_cache(maxsize=32)
def _read_once(path: Path, name: str, *_: int) -> dict[str, np.ndarray]:
    """The parameters in a file; the rest tells whether it is still the same file."""
    return read_parameters(path, _entry(name))
