"""Training, validation and test parts that share no content, the same on every machine.

Versions of one original in two parts make a model look better than it is: it knows the original.
Such a split must be asked for by name.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

from jiqa.datasets.records import SPLITS, Record

By = Literal["official", "content", "image"]
R = TypeVar("R", bound=Record)
PARTS = (0.6, 0.2, 0.2)


def split_records(
    records: Sequence[R],
    *,
    by: By | None = None,
    parts: tuple[float, float, float] = PARTS,
    seed: int = 0,
    leaking: bool = False,
) -> dict[str, list[R]]:
    """Splits a data set into parts for training, validation and testing.

    Args:
        records: What to split.
        by: "official": as its authors did; "content": all images of one original stay together;
            "image": images are split whatever they show, which leaks unless all contents differ.
            None means official where all records say their part, else content.
        parts: Shares of contents (or of images) for training, validation and testing, with sum 1;
            not for "official".
        seed: Which random split. The same seed and contents (or order of images) give the
            same split anywhere.
        leaking: Whether parts may share contents.

    Returns:
        Records of "train", "validation" and "test", in the given order; without parts of share 0,
        and of "official" without those that do not occur.

    Raises:
        ValueError: Parts that share contents without `leaking`, shares that are not a split, a part
            that would be empty, an official split that is none.

    >>> from pathlib import Path
    >>> from jiqa.datasets import RatedImage
    >>> images = [
    ...     RatedImage(distorted=Path(f"{content}{level}.png"), score=level, content=content)
    ...     for content in "abcde" for level in (1, 2)
    ... ]
    >>> {name: len(part) for name, part in split_records(images).items()}
    {'train': 6, 'validation': 2, 'test': 2}
    """
    if by is None:
        by = "official" if records and all(record.split for record in records) else "content"
    if by == "official":
        if unsaid := sum(not record.split for record in records):
            raise ValueError(f"{unsaid} records say no official part; split by content instead.")
        labels = [record.split for record in records]
    elif by in ("content", "image"):
        keys = [record.content if by == "content" else str(n) for n, record in enumerate(records)]
        part_of = assign_parts(keys, parts, seed)
        labels = [part_of[key] for key in keys]
    else:
        raise ValueError(f"by is {by!r}; give one of official, content, image or None.")
    found: dict[str, list[R]] = {
        name: [record for record, label in zip(records, labels, strict=True) if label == name]
        for name in SPLITS
    }
    found = {name: part for name, part in found.items() if part}
    if not leaking:
        _check_leaks(found, by)
    return found


def assign_parts(
    keys: Iterable[str], parts: tuple[float, float, float], seed: int
) -> dict[str, str]:
    """The part of each key: keys in an order that a hash gives, cut where the shares end.

    Args:
        keys: Contents, or other names of what stays together.
        parts: As in `split_records`.
        seed: As in `split_records`.

    Returns:
        "train", "validation" or "test" by key.

    Raises:
        ValueError: Shares that are not a split, a part that would be empty.

    >>> sorted(assign_parts("abcde", (0.6, 0.2, 0.2), seed=0).values())
    ['test', 'train', 'train', 'train', 'validation']
    """
    if len(parts) != 3 or min(parts) < 0 or abs(sum(parts) - 1) > 1e-9:
        raise ValueError(f"parts are {parts}; give three shares with sum 1, such as 0.6, 0.2, 0.2.")
    order = sorted(set(keys), key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())
    ends = [round(len(order) * sum(parts[: place + 1])) for place in range(3)]
    starts = [0, *ends[:2]]
    found = {}
    for name, share, start, end in zip(SPLITS, parts, starts, ends, strict=True):
        if share and start == end:
            raise ValueError(
                f"{len(order)} contents are too few for a part {name} of share {share:g}; give "
                "it the share 0, or split otherwise."
            )
        found.update(dict.fromkeys(order[start:end], name))
    return found


def _check_leaks(found: dict[str, list[R]], by: str) -> None:
    """Raises if a content is in several parts."""
    places = defaultdict(set)
    for name, part in found.items():
        for record in part:
            places[record.content].add(name)
    shared = sorted(content for content, names in places.items() if len(names) > 1)
    if shared:
        raise ValueError(
            f"a split by {by} puts images of the same content into several parts ({len(shared)} "
            f"contents, such as {shared[0]}), which flatters a model. Split by content, or say "
            "leaking=True, or --leaking, if that is meant."
        )
