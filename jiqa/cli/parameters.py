"""The commands `jiqa weights list`, `fetch`, `import` and `where`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jiqa.cli.terminal import delayed, make_console, make_table

if TYPE_CHECKING:
    from jiqa.weights import Entry


def list_weights() -> int:
    """List all parameters that have a name, and where they are."""
    from jiqa.weights import catalogue

    table = make_table("name", "what it is", "licence", "size", "where")
    for entry in catalogue():
        size = entry.path.stat().st_size if entry.path else entry.size
        table.add_row(
            entry.name, entry.summary, entry.licence, f"{size / 2**20:.1f} MiB", _whereabouts(entry)
        )
    make_console().print(table)
    return 0


def fetch_weights(names: Annotated[tuple[str, ...], tyro.conf.Positional]) -> int:
    """Bring parameters onto this machine, and verify those that are here.

    Args:
        names: Names from `jiqa weights list`.
    """
    from jiqa.weights import fetch

    if not names:
        raise ValueError("fetch takes names; see jiqa weights list.")
    for name in names:
        print(f"{name} is {fetch(name)}.")
    return 0


def import_weights(
    file: Annotated[Path, tyro.conf.Positional], name: Annotated[str, tyro.conf.Positional]
) -> int:
    """Convert a checkpoint of PyTorch, Flax or Chainer into the cache. Nothing in it is executed.

    Args:
        file: A file of PyTorch, safetensors, npz, Flax msgpack or a pickle of arrays.
        name: A name from `jiqa weights list`, whose network it must be, or a new one.
    """
    from jiqa.weights import import_checkpoint

    print(f"{name} is {import_checkpoint(file, name)}.")
    return 0


def find_weights(name: Annotated[str | None, tyro.conf.Positional] = None) -> int:
    """Say which file parameters are read from.

    Args:
        name: A name from `jiqa weights list`; without it, the folder of the cache.
    """
    from jiqa.weights import where

    if (path := where(name)) is None:
        raise FileNotFoundError(f"{name} is not on this machine; see jiqa weights list.")
    print(path)
    return 0


def weights(
    command: tyro.conf.OmitSubcommandPrefixes[
        Annotated[Any, tyro.conf.subcommand("list", constructor=delayed(list_weights))]
        | Annotated[Any, tyro.conf.subcommand("fetch", constructor=delayed(fetch_weights))]
        | Annotated[Any, tyro.conf.subcommand("import", constructor=delayed(import_weights))]
        | Annotated[Any, tyro.conf.subcommand("where", constructor=delayed(find_weights))]
    ],
) -> int:
    """List, fetch, import and find parameters of pretrained networks."""
    return command()


def _whereabouts(entry: "Entry") -> str:
    """Where the parameters of a network are, or what brings them."""
    from jiqa.weights import DATA, where

    if entry.path is None:
        fetched = [source for source in entry.sources if source.address or source.project]
        return f"to fetch, {fetched[0].size / 2**20:.0f} MiB" if fetched else "to import"
    places = {DATA: "comes with jiqa", where(): "in the cache"}
    return places.get(entry.path.parent, str(entry.path))
