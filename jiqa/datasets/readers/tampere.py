"""TID2008 and TID2013: Tampere image databases (N. Ponomarenko et al.)."""

import re
from collections.abc import Iterator

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError, same_length
from jiqa.datasets.records import RatedImage

LAYOUT = """\
reference_images/I01.BMP to I25.BMP
distorted_images/i<image>_<type>_<level>.bmp
mos_with_names.txt: a line "5.51429 I01_01_1.bmp" an image
mos_std.txt: a number an image, in the same order (may be absent)"""


def _names(folder: Folder) -> Iterator[tuple[float, str, tuple[str, str, int]]]:
    """Score, file name and its parts, of each line."""
    for line in folder.lines("mos_with_names.txt"):
        parts = re.fullmatch(r"(i\d\d)_(\d\d)_(\d)\.bmp", line[-1].lower())
        if len(line) != 2 or parts is None:
            raise LabelError(
                f"{folder.path('mos_with_names.txt')} has a line {' '.join(line)!r}, where "
                "'5.51429 I01_01_1.bmp' is expected."
            )
        yield float(line[0]), line[1], (parts[1], parts[2], int(parts[3]))


def _is_tid2008(folder: Folder) -> bool:
    """Both sets have the same layout; TID2013 has more types and levels."""
    kinds = [(kind, level) for _, _, (_, kind, level) in _names(folder)]
    return len(kinds) == 1700 and all(kind <= "17" and level <= 4 for kind, level in kinds)


@published(
    "tid2008",
    title="TID2008",
    kind="mos",
    images=1700,
    references=25,
    score_range=(0, 7.7143),
    labels=("mos_with_names.txt",),
    layout=LAYOUT,
    home="http://www.ponomarenko.info/tid2008.htm",
    paper="N. Ponomarenko et al., Advances of Modern Radioelectronics 10, 2009",
    note="Types 01 to 17, levels 1 to 4.",
    recognises=_is_tid2008,
)
@published(
    "tid2013",
    title="TID2013",
    kind="mos",
    images=3000,
    references=25,
    score_range=(0.2424, 7.2143),
    labels=("mos_with_names.txt",),
    layout=LAYOUT,
    home="http://www.ponomarenko.info/tid2013.htm",
    paper="N. Ponomarenko et al., Signal Processing: Image Communication 30, 2015",
    note="Types 01 to 24, levels 1 to 5. 24 of its 25 originals are Kodak photographs, as are "
    "many of LIVE's and all of TID2008's; image 25 is artificial.",
    recognises=lambda folder: not _is_tid2008(folder),
)
def read_tid(folder: Folder) -> list[RatedImage]:
    """A line an image; its name holds original, type and level.

    `mos_std.txt` is 0.13 on average on a scale from 0 to 9: the error of the mean, not of a rating.
    """
    images = list(_names(folder))
    errors: list[float | None] = [None] * len(images)
    if folder.find("mos_std.txt"):
        errors = [float(line[0]) for line in folder.lines("mos_std.txt")]
        same_length("mos_with_names.txt and mos_std.txt", images, errors)
    return [
        RatedImage(
            reference=folder.path(f"reference_images/{content}.bmp"),
            distorted=folder.path(f"distorted_images/{name}"),
            score=score,
            standard_error=error,
            distortion=distortion,
            level=level,
            content=content,
        )
        for (score, name, (content, distortion, level)), error in zip(images, errors, strict=True)
    ]
