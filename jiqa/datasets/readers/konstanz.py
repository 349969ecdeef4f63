"""KADID-10k and KonIQ-10k: databases of the University of Konstanz."""

import functools
import re

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError
from jiqa.datasets.records import RatedImage

SPLITS = {"training": "train", "validation": "validation", "test": "test"}


@published(
    "kadid10k",
    title="KADID-10k",
    kind="mos",
    images=10125,
    references=81,
    score_range=(1, 4.93),
    labels=("dmos.csv",),
    layout="""\
images/I01.png to I81.png
images/I<image>_<type>_<level>.png
dmos.csv: dist_img, ref_img, dmos, var""",
    home="http://database.mmsp-kn.de/kadid-10k-database.html",
    paper="H. Lin, V. Hosu, D. Saupe, QoMEX 2019",
    note="Its column dmos is a mean opinion, more being better, and its column var a standard "
    "deviation: only so can votes be whole numbers. Of types 07, 08, 18 and 25 the level is no "
    "order of strength.",
)
def read_kadid10k(folder: Folder) -> list[RatedImage]:
    """A row an image of mostly 30 votes.

    Of integer votes the sum of squares is an integer. With `var` as standard deviation it is one,
    within rounding, for 95 % of all rows, with `var` as variance for 3 %, as chance would have it.
    """
    records = []
    labels = folder.path("dmos.csv")
    for row in folder.table(labels, ["dist_img", "ref_img", "dmos", "var"]).to_dict("records"):
        parts = re.fullmatch(r"(I\d\d)_(\d\d)_(\d\d)\.png", str(row["dist_img"]))
        if parts is None:
            raise LabelError(f"{labels} has an image {row['dist_img']!r}, not I01_01_01.png.")
        records.append(
            RatedImage(
                reference=folder.path(f"images/{row['ref_img']}"),
                distorted=folder.path(f"images/{row['dist_img']}"),
                score=float(row["dmos"]),
                std=float(row["var"]),
                ratings=30,
                distortion=parts[2],
                level=int(parts[3]),
                content=parts[1],
            )
        )
    return records


def read_koniq10k(folder: Folder, size: str) -> list[RatedImage]:
    """A row an image, with the share of votes in each category."""
    categories = ["c1", "c2", "c3", "c4", "c5"]
    columns = ["image_name", *categories, "c_total", "MOS", "SD", "set"]
    labels = folder.path("koniq10k_distributions_sets.csv")
    table = folder.table(labels, columns, dtype={"image_name": "str"})
    if unknown := sorted(set(table["set"]) - set(SPLITS)):
        raise LabelError(f"{labels} has sets {', '.join(map(str, unknown))}.")
    return [
        RatedImage(
            distorted=folder.path(f"{size}/{row['image_name']}"),
            score=float(row["MOS"]),
            ratings=int(row["c_total"]),
            shares=tuple(float(row[name]) for name in categories),
            content=str(row["image_name"]),
            split=SPLITS[row["set"]],
            extra={"std_1_to_5": float(row["SD"])},
        )
        for row in table.to_dict("records")
    ]


def _has_koniq10k(folder: Folder, size: str) -> bool:
    return bool(folder.matching(f"{size}/*"))


for _name, _title, _size in (
    ("koniq10k", "KonIQ-10k", "1024x768"),
    ("koniq10k_512x384", "KonIQ-10k 512x384", "512x384"),
):
    published(
        _name,
        title=_title,
        kind="mos",
        images=10073,
        references=0,
        score_range=(3.91, 88.39),
        labels=("koniq10k_distributions_sets.csv",),
        layout=f"""\
{_size}/<image>.jpg
koniq10k_distributions_sets.csv (from github.com/subpic/koniq): image_name, c1 to c5, c_total, \
MOS, SD, set""",
        home="http://database.mmsp-kn.de/koniq-10k-database.html",
        paper="V. Hosu, H. Lin, T. Sziranyi, D. Saupe, IEEE TIP 29, 2020",
        note="MOS is on a scale to 100, the votes and their SD are from 1 to 5: the SD is not "
        "given as that of the score. The official split is in the labels.",
        recognises=functools.partial(_has_koniq10k, size=_size),
    )(functools.partial(read_koniq10k, size=_size))
