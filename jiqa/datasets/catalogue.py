"""The published data sets that jiqa reads, by name, with their facts.

A reader is a function that takes a `Folder` and gives records. `published` registers it:

    @published("kadid10k", title="KADID-10k", ...)
    def read_kadid10k(folder: Folder) -> list[RatedImage]: ...
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jiqa.datasets.folders import Folder
from jiqa.datasets.records import Kind, Record

Reader = Callable[[Folder], Sequence[Record]]


@dataclass(frozen=True)
class Publication:
    """What is known of a data set before it is read.

    Attributes:
        name: What it is called in commands.
        title: What it is called in tables.
        kind: "mos" (more is better), "dmos" (more is worse), or "preference".
        images: Rated images (or pairs of images) of the whole set; None where that is not known
            for sure, and so not checked.
        references: Originals that its records name, 0 without references; None as above.
        score_range: Lowest and highest score, rounded outwards; None as above.
        labels: Patterns of the label files that tell where it is; alternatives have a | between
            them.
        layout: The expected files, a line each.
        home: Address of its home page.
        paper: Where it was published.
        note: What a user must know of its labels, or "".
        recognises: Whether a folder that has such labels is of this set and no other.
        read: The reader.
    """

    name: str
    title: str
    kind: Kind
    images: int | None
    references: int | None
    score_range: tuple[float, float] | None
    labels: tuple[str, ...]
    layout: str
    home: str
    paper: str
    note: str
    recognises: Callable[[Folder], bool]
    read: Reader

    @property
    def expected(self) -> str:
        """The layout and the home page, as they end an error."""
        lines = "\n".join(f"  {line}" for line in self.layout.splitlines())
        return f"{self.title} as published holds\n{lines}\nHome page: {self.home}"


_PUBLICATIONS: dict[str, Publication] = {}


def published(
    name: str,
    *,
    title: str,
    kind: Kind,
    images: int | None,
    references: int | None,
    score_range: tuple[float, float] | None,
    labels: tuple[str, ...],
    layout: str,
    home: str,
    paper: str,
    note: str = "",
    recognises: Callable[[Folder], bool] = lambda folder: True,  # noqa: ARG005
) -> Callable[[Reader], Reader]:
    """Registers a reader. The arguments are those of `Publication`."""

    def register(read: Reader) -> Reader:
        _PUBLICATIONS[name] = Publication(
            name,
            title,
            kind,
            images,
            references,
            score_range,
            labels,
            layout,
            home,
            paper,
            note,
            recognises,
            read,
        )
        return read

    return register


def names() -> list[str]:
    """All names, sorted.

    >>> "tid2013" in names()
    True
    """
    _import_readers()
    return sorted(_PUBLICATIONS)


def find(name: str) -> Publication:
    """The data set of a name.

    Raises:
        ValueError: There is none.

    >>> find("kadid10k").images
    10125
    >>> find("kadid")
    Traceback (most recent call last):
    ValueError: no data set is called 'kadid'; there are agiqa1k, ...
    """
    if name not in names():
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(names())}.")
    return _PUBLICATIONS[name]


@functools.cache
def _import_readers() -> None:
    """Imports all modules of `jiqa.datasets.readers`, which registers what they read."""
    from jiqa.datasets import readers

    for module in pkgutil.iter_modules(readers.__path__, f"{readers.__name__}."):
        importlib.import_module(module.name)
