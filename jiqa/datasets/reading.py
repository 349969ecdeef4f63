"""Published data sets from a folder to records, checked against what is known of them.

What is missing or damaged is reported together, with the layout that was expected and where the
data set comes from: a download that broke off should be found now and not after hours of training.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jiqa.datasets.catalogue import Publication, find, names
from jiqa.datasets.folders import Folder, LabelError
from jiqa.datasets.records import DataSet, Record
from jiqa.images import ImageError, image_size, read_image
from jiqa.threads import thread_pool

SHOWN = 10  # names of files in an error


def read(name: str, root: Path | str, *, partial: bool = False) -> DataSet:
    """Reads a published data set from a folder in its published layout.

    Args:
        name: A name of `jiqa.datasets.names()`.
        root: The folder, or one a little above it. Upper and lower case are alike in it.
        partial: Whether a part of the set is meant, such as a sample; otherwise the number of
            images and of originals must be the published one.

    Returns:
        Its records. All files they name are there and begin as images do; `check_images` decodes
        them. References that the authors hid among the rated images are left out.

    Raises:
        FileNotFoundError: There is no such folder, or files are missing or no images; names them,
            the expected layout and the home page.
        ValueError: An unknown name, damaged labels, scores out of the published range, another
            number of images than published.

    >>> read("tid2013", "nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no folder is called nowhere.
    """
    publication = find(name)
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder is called {root}.")
    folder = Folder(root)
    found = folder.holding(publication.labels)
    if found is None:
        absent = [label for label in publication.labels if not folder.holding([label])]
        missing = " and ".join(label.replace("|", " or ") for label in absent)
        raise FileNotFoundError(
            f"{root} lacks the labels of {publication.title}: {missing}.\n{publication.expected}"
        )
    return _read(publication, found, partial)


def recognise(root: Path | str, *, partial: bool = False) -> DataSet:
    """Reads a published data set of rated images that is told by its label files.

    Args:
        root: The folder, or `name=folder` where it holds labels of several sets, as that of CID:IQ
            does of two viewing distances.
        partial: As in `read`.

    Returns:
        Its records.

    Raises:
        FileNotFoundError: As in `read`.
        ValueError: As in `read`; and a folder of no set, or of several.
    """
    name, equals, folder_name = str(root).partition("=")
    if equals and name in names():
        return read(name, folder_name, partial=partial)
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no file or folder is called {root}.")
    folder = Folder(root)
    found = {}
    for publication in map(find, names()):
        if publication.kind != "preference":
            inside = folder.holding(publication.labels)
            if inside is not None and publication.recognises(inside):
                found[publication.name] = inside
    if len(found) == 1:
        name, inside = found.popitem()
        return _read(find(name), inside, partial)
    if found:
        examples = " or ".join(f"{name}={root}" for name in found)
        raise ValueError(f"{root} holds {len(found)} sets of labels: say {examples}.")
    raise ValueError(
        f"{root} has the layout of no published data set known here (see jiqa datasets list): "
        "give a table of reference, distorted and mos or dmos instead."
    )


def check_images(
    data_set: DataSet,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Decodes all images of a data set, and raises unless all can be.

    Args:
        data_set: The data set.
        workers: Threads that decode; None means one a core.
        progress: Called with the number of files done and of all files.

    Raises:
        FileNotFoundError: Files are missing or damaged; says of each what is wrong.
    """
    _check_files(data_set.records, _decode, data_set, workers, progress)


def _read(publication: Publication, folder: Folder, partial: bool) -> DataSet:
    """Reads and checks."""
    try:
        records = list(publication.read(folder))
        _check_scores(publication, records)
        _check_number(publication, records, folder, partial)
    except LabelError as error:
        raise LabelError(f"{error}\n{publication.expected}") from error
    except (ValueError, TypeError, IndexError, AttributeError) as error:  # an empty or odd cell
        raise LabelError(
            f"the labels in {folder.root} are damaged ({error}).\n{publication.expected}"
        ) from error
    data_set = DataSet(publication.name, publication.title, publication.kind, records)
    _check_files(records, image_size, data_set)
    return data_set


def _check_scores(publication: Publication, records: Sequence[Record]) -> None:
    low, high = publication.score_range or (-math.inf, math.inf)
    wrong = [r for r in records if not (math.isfinite(r.score) and low <= r.score <= high)]
    if wrong:
        shown = ", ".join(f"{_file(record).name} {record.score:g}" for record in wrong[:SHOWN])
        raise LabelError(
            f"{len(wrong)} scores of {publication.title} are not from {low:g} to {high:g}, as all "
            f"published ones are: {shown}{_more(wrong)}."
        )


def _check_number(
    publication: Publication, records: Sequence[Record], folder: Folder, partial: bool
) -> None:
    if not records:
        raise LabelError(f"the labels in {folder.root} name no image.")
    seen: set[tuple[Path, ...]] = set()
    for record in records:
        files = tuple(record.images.values())
        if files in seen:
            raise LabelError(f"{_file(record)} is rated twice.")
        seen.add(files)
    contents = {record.content for record in records if record.reference}
    unit = "pairs" if publication.kind == "preference" else "images"
    counts = [
        (unit, len(records), publication.images),
        ("references", len(contents), publication.references),
    ]
    for what, there, whole in counts:
        if not partial and whole is not None and there != whole:
            raise LabelError(
                f"{publication.title} has {whole} {what}, the labels in {folder.root} name "
                f"{there}. If a part of it is meant, say so: partial=True, or --partial."
            )


def _check_files(
    records: Iterable[Record],
    examine: Callable[[Path], object],
    data_set: DataSet,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Raises FileNotFoundError with all files that are not there or that `examine` refuses."""
    files = sorted({file for record in records for file in record.images.values()})
    find_flaw = functools.partial(_flaw, examine=examine)
    flaws = []
    with thread_pool(workers) as pool:
        for done, flaw in enumerate(pool.map(find_flaw, files), start=1):
            flaws += [flaw] if flaw else []
            if progress is not None:
                progress(done, len(files))
    if flaws:
        is_published = data_set.name in names()
        expected = f"\n{find(data_set.name).expected}" if is_published else ""
        raise FileNotFoundError(
            f"{len(flaws)} of {len(files)} images of {data_set.title} are missing or damaged:\n  "
            + "\n  ".join(flaws[:SHOWN])
            + f"{_more(flaws)}{expected}"
        )


def _decode(file: Path) -> None:
    read_image(file, alpha="drop", color_profile="keep")


def _flaw(file: Path, examine: Callable[[Path], object]) -> str:
    """What is wrong with an image as far as an examination shows, or ""."""
    if not file.exists():
        return f"{file}: missing"
    try:
        examine(file)
    except ImageError as error:
        return str(error)
    return ""


def _file(record: Record) -> Path:
    """The last of a record's images, which no other record has."""
    return list(record.images.values())[-1]


def _more(listed: Sequence[object]) -> str:
    return f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
