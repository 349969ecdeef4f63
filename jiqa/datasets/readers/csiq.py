"""CSIQ: categorical subjective image quality database (E. Larson and D. Chandler)."""

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError
from jiqa.datasets.records import RatedImage

# Distortions as the workbook calls them, and as files do.
TYPES = {
    "noise": "awgn",
    "blur": "blur",
    "contrast": "contrast",
    "fnoise": "fnoise",
    "jpeg": "jpeg",
    "jpeg 2000": "jpeg2000",
}


@published(
    "csiq",
    title="CSIQ",
    kind="dmos",
    images=866,
    references=30,
    score_range=(0, 1),
    labels=("csiq.DMOS.xlsx|csiq_label.txt",),
    layout="""\
src_imgs/<image>.png
dst_imgs/<type>/<image>.<TYPE>.<level>.png, type awgn, blur, contrast, fnoise, jpeg or jpeg2000
csiq.DMOS.xlsx with the sheet all_by_image, or csiq_label.txt: a line "1600.AWGN.1.png 0.062" an \
image""",
    home="http://vision.eng.shizuoka.ac.jp/mod/page/view.php?id=23",
    paper="E. Larson, D. Chandler, Journal of Electronic Imaging 19(1), 2010",
    note="Only the workbook has standard deviations.",
)
def read_csiq(folder: Folder) -> list[RatedImage]:
    """The published workbook or, without it, the list of names and scores."""
    return _read_workbook(folder) if folder.find("csiq.DMOS.xlsx") else _read_lines(folder)


def _read_workbook(folder: Folder) -> list[RatedImage]:
    """A row an image, below three rows of headings."""
    labels = folder.path("csiq.DMOS.xlsx")
    columns = ["image", "dst_type", "dst_lev", "dmos_std", "dmos"]
    table = folder.table(
        labels, columns, sheet_name="all_by_image", header=3, dtype={"image": "str"}
    )
    table = table.dropna(subset=["image", "dmos"])
    kinds = table["dst_type"].str.strip().str.lower()
    if unknown := sorted(set(kinds) - set(TYPES)):
        raise LabelError(f"{labels} has types {', '.join(unknown)}.")
    return [
        _rated(
            folder,
            row["image"].strip(),
            TYPES[kind],
            int(row["dst_lev"]),
            float(row["dmos"]),
            float(row["dmos_std"]),
        )
        for row, kind in zip(table.to_dict("records"), kinds, strict=True)
    ]


def _read_lines(folder: Folder) -> list[RatedImage]:
    records = []
    for line in folder.lines("csiq_label.txt"):
        parts = line[0].split(".")
        if len(line) != 2 or len(parts) != 4 or parts[1].lower() not in TYPES.values():
            raise LabelError(
                f"{folder.path('csiq_label.txt')} has a line {' '.join(line)!r}, where "
                "'1600.AWGN.1.png 0.062' is expected."
            )
        records.append(_rated(folder, parts[0], parts[1].lower(), int(parts[2]), float(line[1])))
    return records


def _rated(
    folder: Folder, content: str, kind: str, level: int, score: float, std: float | None = None
) -> RatedImage:
    name = f"{content}.{kind}.{level}.png"
    return RatedImage(
        reference=folder.path(f"src_imgs/{content}.png"),
        distorted=folder.path(f"dst_imgs/{kind}/{name}", f"dst_imgs/{name}"),
        score=score,
        std=std,
        distortion=kind,
        level=level,
        content=content,
    )
