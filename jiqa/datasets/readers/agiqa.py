"""AGIQA-1K and AGIQA-3K: images that were generated from texts."""

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder
from jiqa.datasets.records import RatedImage

PLACES = ("{}", "images/{}", "image/{}", "file/{}")


def _rated(folder: Folder, name: str, score: float, content: str, **further: object) -> RatedImage:
    """An image beside the labels or in a folder there: the archives are named differently."""
    std = further.pop("std", None)
    return RatedImage(
        distorted=folder.path(*(place.format(name) for place in PLACES)),
        score=score,
        std=std if isinstance(std, float) else None,
        content=content,
        extra={"model": name.split("_")[0], **further},
    )


LAYOUT_1K = """\
<image>.jpg, or in images/ or file/; as deepai_9_6_0_1.jpg: model, two objects, place, style
"""
HOME_1K = "https://github.com/lcysyzxdxc/AGIQA-1k-Database"
PAPER_1K = "Z. Zhang et al., A Perceptual Quality Assessment Exploration for AIGC Images, 2023"


@published(
    "agiqa1k",
    title="AGIQA-1K",
    kind="mos",
    images=1080,
    references=0,
    score_range=(0, 5),
    labels=("AIGC_MOS_Zscore.xlsx",),
    layout=LAYOUT_1K + "AIGC_MOS_Zscore.xlsx: Image, Prompt, MOS",
    home=HOME_1K,
    paper=PAPER_1K,
    note="Normalised scores. Images of the same text share their content.",
)
def read_agiqa1k(folder: Folder) -> list[RatedImage]:
    """A row an image, with its text."""
    table = folder.table(folder.path("AIGC_MOS_Zscore.xlsx"), ["Image", "Prompt", "MOS"])
    return [
        _rated(folder, row["Image"], float(row["MOS"]), _text(row["Image"]), prompt=row["Prompt"])
        for row in table.to_dict("records")
    ]


@published(
    "agiqa1k_raw",
    title="AGIQA-1K raw",
    kind="mos",
    images=1080,
    references=0,
    score_range=(0.09, 5),
    labels=("AIGC_all.csv",),
    layout=LAYOUT_1K + "AIGC_all.csv (from the home page): Image, Score",
    home=HOME_1K,
    paper=PAPER_1K,
    note="Plain means of votes, not normalised. Images of the same text share their content.",
)
def read_agiqa1k_raw(folder: Folder) -> list[RatedImage]:
    """A row an image."""
    table = folder.table(folder.path("AIGC_all.csv"), ["Image", "Score"])
    return [
        _rated(folder, row["Image"], float(row["Score"]), _text(row["Image"]))
        for row in table.to_dict("records")
    ]


def _text(name: str) -> str:
    """What stands for the text of an image: its name without the model."""
    return name.rsplit(".", 1)[0].partition("_")[2]


@published(
    "agiqa3k",
    title="AGIQA-3K",
    kind="mos",
    images=2982,
    references=0,
    score_range=(0, 4.4888),
    labels=("data.csv",),
    layout="""\
<image>.jpg, or in images/ or image/
data.csv: name, prompt, adj1, adj2, style, mos_quality, std_quality, mos_align, std_align""",
    home="https://github.com/lcysyzxdxc/AGIQA-3k-Database",
    paper="C. Li et al., IEEE Transactions on Circuits and Systems for Video Technology, 2023",
    note="The score is quality; how well an image fits its text is in extra. Images of the same "
    "text share their content.",
)
def read_agiqa3k(folder: Folder) -> list[RatedImage]:
    """A row an image: text, quality and alignment, each with its deviation."""
    numbers = ["mos_quality", "std_quality", "mos_align", "std_align"]
    table = folder.table(folder.path("data.csv"), ["name", "prompt", *numbers])
    return [
        _rated(
            folder,
            row["name"],
            float(row["mos_quality"]),
            row["prompt"],
            std=float(row["std_quality"]),
            prompt=row["prompt"],
            mos_align=float(row["mos_align"]),
            std_align=float(row["std_align"]),
        )
        for row in table.to_dict("records")
    ]
