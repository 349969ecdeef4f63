"""Checkpoints of training: whole or absent, verified, the latest few.

Orbax writes and reads the arrays. Beside each folder of its files stands a note with the SHA-256 of
every file, written last: a checkpoint without it is not finished, and one that does not agree with
it is damaged, which Orbax itself would not notice.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jiqa.files import write_text

KEPT = 3


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint.

    Attributes:
        step: Steps that were done.
        folder: Of its arrays.
        progress: What was saved beside the arrays.
    """

    step: int
    folder: Path
    progress: dict[str, Any]

    def load(self, like: Any) -> Any:
        """The arrays.

        Args:
            like: A tree of arrays of the same structure, shapes and shardings.
        """
        from orbax.checkpoint import v1 as ocp

        return ocp.load(self.folder, jax.tree.map(_abstract, like))


def save(folder: Path, step: int, state: Any, progress: dict[str, Any]) -> None:
    """Saves a checkpoint and removes all but the latest few.

    All processes call it, and return when it is finished.

    Args:
        folder: Of the checkpoints.
        step: Steps that were done; a checkpoint of this step is replaced.
        state: A tree of arrays.
        progress: What else is needed to go on, for JSON.

    Raises:
        OSError: It could not be written. Those before are untouched.
    """
    from orbax.checkpoint import v1 as ocp

    target = folder.absolute() / f"{step:08d}"
    if jax.process_index() == 0:
        _discard(target)
    _wait(f"discarded {step}")
    try:
        ocp.save(target, state)
    except Exception as error:  # Orbax raises what its storage raised, of many kinds
        raise OSError(f"the checkpoint {target} could not be written: {error}") from error
    if jax.process_index() == 0:
        note = {"progress": progress, "sha256": _digests(target)}
        write_text(_note(target), json.dumps(note))
        for old in sorted(folder.glob("*.json"))[:-KEPT]:
            _discard(old.with_suffix(""))
    _wait(f"saved {step}")


def latest(folder: Path) -> Checkpoint | None:
    """The latest checkpoint that is whole; of damaged ones a warning tells.

    Args:
        folder: Of the checkpoints.

    Returns:
        None if there is none at all.

    Raises:
        ValueError: There are some, and all are damaged.
    """
    damaged: list[Path] = []
    for path, note in _finished(folder):
        if note is not None and note["sha256"] == _digests(path):
            for name in damaged:
                warnings.warn(f"{name} is damaged; {path} is used instead.", stacklevel=2)
            return Checkpoint(int(path.name), path, note["progress"])
        damaged.append(path)
    if damaged:
        raise ValueError(
            f"all checkpoints in {folder} are damaged; remove the folder to train from the start."
        )
    return None


def _finished(folder: Path) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Checkpoints with a note, the latest first; None for a note that cannot be read."""
    for path in sorted(folder.absolute().glob("*.json"), reverse=True):
        try:
            note = json.loads(path.read_text())
            yield path.with_suffix(""), note if {"sha256", "progress"} <= set(note) else None
        except ValueError:
            yield path.with_suffix(""), None


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file, by its name within the folder."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                name = path.relative_to(folder).as_posix()
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _discard(checkpoint: Path) -> None:
    """Removes a checkpoint, the note first, so that half of it never counts."""
    _note(checkpoint).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def _note(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".json")


def _abstract(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=array.sharding)


def _wait(name: str) -> None:
    """Until all processes are here."""
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(name)
