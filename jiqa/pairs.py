"""Which image is compared with which: two files, two folders, a naming pattern or a manifest.

Nothing is left out silently: an image without its partner, a name that occurs twice and an empty
cell of a manifest are errors that list the names. Upper and lower case are alike in names, because
published data sets mix them (TID2013 holds `I01.BMP` and `i01_08_2.bmp`).
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from jiqa.images import IMAGE_SUFFIXES

MANIFEST_SUFFIXES = (".csv", ".parquet")
Unpaired = Literal["error", "ignore"]


@dataclass(frozen=True)
class Pair:
    """Two images to compare, or one image for metrics without a reference.

    Attributes:
        reference: The file of the original, or None.
        distorted: The file of the image to score.
        columns: Further columns of a manifest, carried through to the result.
    """

    reference: Path | None
    distorted: Path
    columns: Mapping[str, Any] = field(default_factory=dict)


def find_pairs(
    first: Path | str,
    second: Path | str | None = None,
    *,
    pattern: str | None = None,
    unpaired: Unpaired = "error",
) -> list[Pair]:
    """The pairs that one or two paths stand for.

    Args:
        first: A manifest (`read_manifest`); an image or a folder of images to score alone; or,
            with `second`, the reference image or the folder of reference images.
        second: The distorted image or folder. One reference file serves a whole folder.
        pattern: See `pair_folders`.
        unpaired: See `pair_folders`.

    Returns:
        Pairs in the order of the distorted names, or of the manifest's rows.

    Raises:
        FileNotFoundError: A path does not exist, or a folder holds no image.
        ValueError: A file and a folder in the wrong order, images without a partner, names twice.

    >>> find_pairs("nowhere", "here")
    Traceback (most recent call last):
    FileNotFoundError: no file or folder is called nowhere.
    """
    first, second = Path(first), None if second is None else Path(second)
    for path in (first, second):
        if path is not None and not path.exists():
            raise FileNotFoundError(f"no file or folder is called {path}.")
    if pattern is not None and not (first.is_dir() and second is not None and second.is_dir()):
        raise ValueError("a pattern pairs two folders: give REFERENCE and DISTORTED folders.")
    if second is None:
        if first.suffix.lower() in MANIFEST_SUFFIXES:
            return read_manifest(first)
        return [Pair(None, path) for path in find_images(first)]
    if first.is_dir() and second.is_dir():
        return pair_folders(first, second, pattern=pattern, unpaired=unpaired)
    if first.is_dir():
        raise ValueError(
            f"{first} is a folder but {second} is a file; give two files, two folders, or one "
            "reference file and a folder."
        )
    return [Pair(first, path) for path in find_images(second)]


def find_images(path: Path | str) -> list[Path]:
    """A file itself, or the images in a folder and its subfolders, sorted.

    Args:
        path: A file or a folder. In a folder an image is what has one of
            `jiqa.images.IMAGE_SUFFIXES` and is not hidden; all other files are no concern of ours.

    Returns:
        Paths that begin with `path`.

    Raises:
        FileNotFoundError: The folder holds no image.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise FileNotFoundError(
            f"{path} holds no image; the suffixes looked for are "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return found


def pair_folders(
    references: Path | str,
    distorted: Path | str,
    *,
    pattern: str | None = None,
    unpaired: Unpaired = "error",
) -> list[Pair]:
    """Pairs the images of two folders by their names without suffix, or by a pattern.

    Args:
        references: Folder of reference images.
        distorted: Folder of distorted images.
        pattern: How the name of a distorted image is made from its reference's: a file pattern
            (`*`, `?`, `[0-9]`) with `{reference}` in it, such as `{reference}_*` for
            `i01_08_2.bmp` of `I01.BMP`. The longest name that fits wins. Without a pattern the
            names, with their subfolders, are equal.
        unpaired: "error", or "ignore" to leave out images of either folder without a partner.

    Returns:
        Pairs in the order of the distorted names.

    Raises:
        ValueError: Images without a partner, two images of one name in a folder, a pattern without
            `{reference}`.
    """
    references, distorted = Path(references), Path(distorted)
    if pattern is not None and pattern.count("{reference}") != 1:
        raise ValueError(f"pattern {pattern!r} must hold {{reference}} once, as in {{reference}}_*")
    by_name = _by_name(references, flat=pattern is not None)
    if pattern is None:
        partner = {path: by_name.get(name) for name, path in _by_name(distorted).items()}
    else:
        before, after = pattern.casefold().split("{reference}")
        find = functools.partial(_original, by_name, before, after)
        partner = {path: find(path.stem.casefold()) for path in find_images(distorted)}
    used = set(partner.values())
    alone = [path for path, reference in partner.items() if reference is None]
    alone += [path for path in by_name.values() if path not in used]
    if alone and unpaired == "error":
        raise ValueError(
            f"{len(alone)} of {len(partner) + len(by_name)} images have no partner: "
            f"{_listed(alone)}. Name them alike, give a pattern, or allow it with "
            "unpaired=ignore."
        )
    return [Pair(reference, path) for path, reference in partner.items() if reference is not None]


def read_manifest(path: Path | str) -> list[Pair]:
    """The pairs of a table: columns `reference` and `distorted`, others carried through.

    Args:
        path: A CSV or Parquet file. Relative file names are relative to its folder. `reference`
            is not needed where no metric needs it.

    Returns:
        A pair a row.

    Raises:
        ValueError: A column or a cell is missing, or the table cannot be read.
    """
    import pandas as pd

    path = Path(path)
    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype={"reference": "str", "distorted": "str"})
        else:
            table = pd.read_parquet(path)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    names = [str(name) for name in table.columns]
    if "distorted" not in names:
        raise ValueError(f"{path} needs columns reference and distorted; it has {_listed(names)}.")
    given = ["reference", "distorted"] if "reference" in names else ["distorted"]
    empty = table.index[table[given].isna().any(axis=1)]
    if len(empty):
        rows = _listed([str(row + 1) for row in empty])
        raise ValueError(f"{path} has no {' or '.join(given)} in row {rows} (the first row is 1).")
    return [
        Pair(
            path.parent / row["reference"] if "reference" in given else None,
            path.parent / row["distorted"],
            {str(key): value for key, value in row.items() if key not in given},
        )
        for row in table.to_dict("records")
    ]


def _by_name(folder: Path, *, flat: bool = False) -> dict[str, Path]:
    """The images of a folder by name without suffix; with their subfolder unless `flat`."""
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.stem if flat else str(path.relative_to(folder).with_suffix(""))
        other = found.setdefault(name.casefold(), path)
        if other != path:
            raise ValueError(
                f"two images are called {name!r}: {other} and {path}; keep one, or give a manifest."
            )
    return found


def _original(by_name: Mapping[str, Path], before: str, after: str, name: str) -> Path | None:
    """The image with the longest name in `name`, where the rest fits `before` and `after`."""
    for length in range(len(name), 0, -1):
        for start in range(len(name) - length + 1):
            end = start + length
            if (
                name[start:end] in by_name
                and fnmatchcase(name[:start], before)
                and fnmatchcase(name[end:], after)
            ):
                return by_name[name[start:end]]
    return None


def _listed(names: Iterable[object], most: int = 10) -> str:
    """The first names, and how many more there are."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
