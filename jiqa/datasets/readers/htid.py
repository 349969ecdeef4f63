"""HTID: photographs of phone cameras under varied settings, for metrics without a reference."""

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder
from jiqa.datasets.records import RatedImage


@published(
    "htid",
    title="HTID",
    kind="mos",
    images=None,
    references=0,
    score_range=None,
    labels=("htid.csv",),
    layout="""\
htid.csv, which you write: image (a file name relative to it), mos and, where known, std
the images it names, such as set01/im001_02.png""",
    home="none is known here; see the paper",
    paper="M. Ponomarenko et al., EUVIP 2021",
    note="The layout of its archive is not known here: a table of your own says where images are. "
    "Images of one folder share their content.",
)
def read_htid(folder: Folder) -> list[RatedImage]:
    """A row an image; the folder of an image is its scene."""
    table = folder.table(folder.path("htid.csv"), ["image", "mos"], dtype={"image": "str"})
    return [
        RatedImage(
            distorted=folder.path(row["image"]),
            score=float(row["mos"]),
            std=float(row["std"]) if "std" in row else None,
            content=row["image"].rpartition("/")[0] or row["image"],
        )
        for row in table.to_dict("records")
    ]
