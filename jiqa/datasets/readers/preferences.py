"""BAPPS and PieAPP: which of two images is nearer to the original."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError
from jiqa.datasets.records import Preference, RatedImage

SPLITS = {"train": "train", "val": "validation", "test": "test"}
RATINGS_2AFC = {"train": 2, "val": 5}
BAPPS_HOME = "https://github.com/richzhang/PerceptualSimilarity"
BAPPS_PAPER = "R. Zhang, P. Isola, A. Efros, E. Shechtman, O. Wang, CVPR 2018"


def _judgements(folder: Folder, pattern: str) -> Iterator[tuple[str, str, str, float]]:
    """Split, family, number and share of each file of a judgement."""
    for file in folder.matching(pattern):
        _, split, family, _, name = file.relative_to(folder.root).parts[-5:]
        try:
            share = float(np.load(file, allow_pickle=False).reshape(-1)[0])
        except (OSError, ValueError, EOFError, IndexError) as error:
            raise LabelError(f"{file} is no array of one number ({error}).") from error
        yield split.lower(), family, name.rsplit(".", 1)[0], share


@published(
    "bapps_2afc",
    title="BAPPS 2AFC",
    kind="preference",
    images=None,
    references=None,
    score_range=(0, 1),
    labels=("2afc/*/*/judge/*.npy",),
    layout="""\
2afc/train/<family>/ref/, p0/, p1/: 000000.png and so on; judge/: 000000.npy and so on
2afc/val/<family>/: the same""",
    home=BAPPS_HOME,
    paper=BAPPS_PAPER,
    note="Patches of 64 x 64 pixels; 2 judgements a training pair, 5 a validation pair. The "
    "published judgement is the share that preferred p1; here the score is that of p0, the first.",
)
def read_bapps_2afc(folder: Folder) -> list[Preference]:
    """A file of one number a triple of patches."""
    records = []
    for split, family, name, share in _judgements(folder, "2afc/*/*/judge/*.npy"):
        base = f"2afc/{split}/{family}"
        records.append(
            Preference(
                reference=folder.path(f"{base}/ref/{name}.png"),
                first=folder.path(f"{base}/p0/{name}.png"),
                second=folder.path(f"{base}/p1/{name}.png"),
                score=1 - share,
                ratings=RATINGS_2AFC.get(split),
                distortion=family,
                content=f"{split}/{family}/{name}",
                split=SPLITS.get(split, ""),
            )
        )
    return records


@published(
    "bapps_jnd",
    title="BAPPS JND",
    kind="mos",
    images=None,
    references=None,
    score_range=(0, 1),
    labels=("jnd/*/*/same/*.npy",),
    layout="""\
jnd/val/<family>/p0/, p1/: 000000.png and so on; same/: 000000.npy and so on""",
    home=BAPPS_HOME,
    paper=BAPPS_PAPER,
    note="The score is the share of 3 people who took both patches for the same.",
)
def read_bapps_jnd(folder: Folder) -> list[RatedImage]:
    """A file of one number a pair of patches."""
    records = []
    for split, family, name, share in _judgements(folder, "jnd/*/*/same/*.npy"):
        base = f"jnd/{split}/{family}"
        records.append(
            RatedImage(
                reference=folder.path(f"{base}/p0/{name}.png"),
                distorted=folder.path(f"{base}/p1/{name}.png"),
                score=share,
                ratings=3,
                distortion=family,
                content=f"{split}/{family}/{name}",
                split=SPLITS.get(split, ""),
            )
        )
    return records


PIEAPP_HOME = (
    "https://github.com/prashnani/PerceptualImageError/blob/master/dataset/dataset_README.md"
)
PIEAPP_PAPER = "E. Prashnani, H. Cai, Y. Mostofi, P. Sen, CVPR 2018"
PIEAPP_IMAGES = """\
reference_images/<split>/ref_<number>.png, split train, val or test
distorted_images/<split>/ref_<number>/distort_<number>_<type>_<inter or intra>_<identifier>.png
"""


def _pieapp_type(name: str) -> str:
    """The type in distort_17_jpeg_inter_3.png."""
    found = re.fullmatch(r"distort_\d+_(.+)_(?:inter|intra)_.+\.png", name.lower())
    return found[1] if found else ""


def _pieapp_image(folder: Folder, split: str, reference: str, name: str) -> Path:
    """Of the pairs for testing, one image may be the reference."""
    if name == reference:
        return folder.path(f"reference_images/{split}/{name}")
    return folder.path(f"distorted_images/{split}/{reference.rsplit('.', 1)[0]}/{name}")


@published(
    "pieapp_pairs",
    title="PieAPP pairs",
    kind="preference",
    images=81480,
    references=200,
    score_range=(0, 1),
    labels=("labels/*/*_pairwise_labels.csv",),
    layout=PIEAPP_IMAGES
    + """\
labels/<split>/ref_<number>_pairwise_labels.csv: ref. image, distorted image A, distorted image B, \
preference for A""",
    home=PIEAPP_HOME,
    paper=PIEAPP_PAPER,
    note="The score is the probability that the first is preferred, of 40 people; for training and "
    "validation the processed one, which a model of all answers completes.",
)
def read_pieapp_pairs(folder: Folder) -> list[Preference]:
    """A table a reference."""
    records = []
    for file in folder.matching("labels/*/*_pairwise_labels.csv"):
        split = file.parent.name.lower()
        reference, first, second = "ref. image", "distorted image A", "distorted image B"
        table = folder.table(file, [reference, first, second])
        scores = [name for name in table.columns if name.endswith("preference for A")]
        if not scores:
            raise LabelError(f"{file} has no column 'processed preference for A'.")
        for row in table.to_dict("records"):
            names = {key: str(row[key]).strip() for key in (reference, first, second)}
            records.append(
                Preference(
                    reference=folder.path(f"reference_images/{split}/{names[reference]}"),
                    first=_pieapp_image(folder, split, names[reference], names[first]),
                    second=_pieapp_image(folder, split, names[reference], names[second]),
                    score=float(row[scores[-1]]),  # the processed one is the last
                    ratings=40,
                    distortion=_pieapp_type(names[second]),
                    content=names[reference].rsplit(".", 1)[0],
                    split=SPLITS.get(split, ""),
                    extra={"first_distortion": _pieapp_type(names[first])},
                )
            )
    return records


@published(
    "pieapp",
    title="PieAPP",
    kind="dmos",
    images=600,
    references=40,
    score_range=None,
    labels=("labels/test/*_per_image_score.csv",),
    layout=PIEAPP_IMAGES
    + """\
labels/test/ref_<number>_per_image_score.csv: reference, image, score""",
    home=PIEAPP_HOME,
    paper=PIEAPP_PAPER,
    note="The part for testing, of which images have scores: how far they are from the reference.",
)
def read_pieapp(folder: Folder) -> list[RatedImage]:
    """A table a reference; a row of the reference itself is left out."""
    records = []
    for file in folder.matching("labels/test/*_per_image_score.csv"):
        table = folder.table(file, [])
        if len(table.columns) < 3:
            raise LabelError(f"{file} has {len(table.columns)} columns; reference, image and score")
        for reference, name, score, *_ in table.itertuples(index=False):
            reference, name = str(reference).strip(), str(name).strip()
            if name == reference:
                continue
            records.append(
                RatedImage(
                    reference=folder.path(f"reference_images/test/{reference}"),
                    distorted=_pieapp_image(folder, "test", reference, name),
                    score=float(score),
                    distortion=_pieapp_type(name),
                    content=reference.rsplit(".", 1)[0],
                    split="test",
                )
            )
    return records
