"""PaQ-2-PiQ, also called FLIVE: photographs of social media."""

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder
from jiqa.datasets.records import RatedImage

LARGE = ("labels640.csv", "labels>640.csv")
SMALL = ("labels=640_padded.csv", "labels<=640_padded.csv")


@published(
    "paq2piq",
    title="PaQ-2-PiQ",
    kind="mos",
    images=39810,
    references=0,
    score_range=(0, 94.334),
    labels=("labels_image.csv",),
    layout="""\
labels_image.csv: name, mos
the images it names: voc_emotic_ava/, blur_dataset/ and EE371R/
labels640.csv and labels=640_padded.csv: name_image (may be absent; they give the split)""",
    home="https://github.com/niu-haoran/FLIVE_Database",
    paper="Z. Ying et al., CVPR 2020",
    note="Whole images, without the patches. In the official split images larger than 640 pixels "
    "are for testing.",
)
def read_paq2piq(folder: Folder) -> list[RatedImage]:
    """A row an image; with both further lists also the split."""
    large, small = folder.find(*LARGE), folder.find(*SMALL)
    splits: dict[str, str] | None = None
    if large and small:
        splits = dict.fromkeys(folder.table(large, ["name_image"])["name_image"], "test")
        for row in folder.table(small, ["name_image", "is_valid"]).to_dict("records"):
            if str(row["is_valid"]).lower() == "true":
                splits[row["name_image"]] = "validation"
    table = folder.table(folder.path("labels_image.csv"), ["name", "mos"])
    return [
        RatedImage(
            distorted=folder.path(row["name"]),
            score=float(row["mos"]),
            content=row["name"],
            split="" if splits is None else splits.get(row["name"], "train"),
        )
        for row in table.to_dict("records")
    ]
