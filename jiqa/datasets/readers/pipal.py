"""PIPAL: perceptual image processing algorithms, the training part of the NTIRE 2021 challenge."""

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError
from jiqa.datasets.records import RatedImage

FOLDERS = ("Train_Dis", "Distortion_1", "Distortion_2", "Distortion_3", "Distortion_4")


@published(
    "pipal",
    title="PIPAL",
    kind="mos",
    images=23200,
    references=200,
    score_range=(916.71, 1835.99),
    labels=("Train_Label/*.txt",),
    layout="""\
Train_Ref/A0001.bmp and so on, 200
Distortion_1/ to Distortion_4/ or Train_Dis/: <image>_<type>_<number>.bmp
Train_Label/A0001.txt and so on: a line "A0001_00_00.bmp,1520.0648" an image""",
    home="https://www.jasongt.com/projectpages/pipal.html",
    paper="J. Gu et al., ECCV 2020",
    note="Scores are Elo ratings of comparisons. Only the training part has published labels; "
    "types are numbered, and their level is not known.",
)
def read_pipal(folder: Folder) -> list[RatedImage]:
    """A file of labels an original; numbers in names are type and realisation."""
    records = []
    for labels in folder.matching("Train_Label/*.txt"):
        for words in folder.lines(labels.relative_to(folder.root).as_posix()):
            name, _, score = "".join(words).partition(",")
            parts = name.rsplit(".", 1)[0].split("_")
            if len(parts) != 3 or not score:
                raise LabelError(
                    f"{labels} has a line {' '.join(words)!r}, where 'A0001_00_00.bmp,1520.0648' "
                    "is expected."
                )
            records.append(
                RatedImage(
                    reference=folder.path(f"Train_Ref/{parts[0]}.bmp"),
                    distorted=folder.path(*(f"{inside}/{name}" for inside in FOLDERS)),
                    score=float(score),
                    distortion=parts[1],
                    content=parts[0],
                )
            )
    return records
