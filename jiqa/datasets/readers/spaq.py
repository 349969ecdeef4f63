"""SPAQ: smartphone photography attribute and quality database."""

from typing import Any

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder
from jiqa.datasets.records import RatedImage

SCORES = "Annotations/MOS and Image attribute scores.xlsx"
FURTHER = ("Annotations/Scene category labels.xlsx", "Annotations/EXIF_tags.xlsx")
IMAGE = "Image name"


@published(
    "spaq",
    title="SPAQ",
    kind="mos",
    images=11125,
    references=0,
    score_range=(2, 96),
    labels=(SCORES,),
    layout="""\
TestImage/00001.jpg to 11125.jpg
Annotations/MOS and Image attribute scores.xlsx: Image name, MOS, Brightness, Colorfulness, \
Contrast, Noisiness, Sharpness
Annotations/Scene category labels.xlsx, Annotations/EXIF_tags.xlsx (may be absent)""",
    home="https://github.com/h4nwei/SPAQ",
    paper="Y. Fang, H. Zhu, Y. Zeng, K. Ma, Z. Wang, CVPR 2020",
    note="Photographs at full size: the authors shrink the shorter side to 512 pixels. Attributes, "
    "scene categories and EXIF tags are in extra.",
)
def read_spaq(folder: Folder) -> list[RatedImage]:
    """A row an image in up to three workbooks; all but the score goes to `extra`."""
    table = folder.table(folder.path(SCORES), [IMAGE, "MOS"], dtype={IMAGE: "str"})
    further: dict[str, dict[str, Any]] = {}
    for file in filter(None, map(folder.find, FURTHER)):
        for row in folder.table(file, []).to_dict("records"):
            name, *values = row.items()  # the first column is the image, whatever its head
            further.setdefault(str(name[1]), {}).update((str(key), value) for key, value in values)
    records = []
    for row in table.to_dict("records"):
        name, score = row.pop(IMAGE), row.pop("MOS")
        records.append(
            RatedImage(
                distorted=folder.path(f"TestImage/{name}"),
                score=float(score),
                content=name,
                extra={**{str(key): value for key, value in row.items()}, **further.get(name, {})},
            )
        )
    return records
