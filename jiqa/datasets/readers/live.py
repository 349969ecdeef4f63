"""LIVE, LIVE-MD and LIVE In the Wild: databases of the University of Texas at Austin."""

import re
from collections.abc import Mapping

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError, same_length
from jiqa.datasets.records import RatedImage

# Images of each type, in the order of the labels.
LIVE_TYPES = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}


@published(
    "live",
    title="LIVE",
    kind="dmos",
    images=779,
    references=29,
    score_range=(-2.6401, 111.7747),
    labels=("dmos_realigned.mat", "refnames_all.mat"),
    layout="""\
refimgs/<image>.bmp
jp2k/img1.bmp to img227.bmp, jpeg to img233.bmp, wn, gblur and fastfading to img174.bmp
each of these folders: info.txt with original, image and parameter (may be absent)
dmos_realigned.mat: dmos_new, dmos_std, orgs of 982 images
refnames_all.mat: refnames_all""",
    home="https://live.ece.utexas.edu/research/quality/subjective.htm",
    paper="H. Sheikh, M. Sabir, A. Bovik, IEEE TIP 15(11), 2006",
    note="Release 2 with its realigned scores; dmos.mat, which mixes sessions, is not used. Copies "
    "of references among the rated images (orgs is 1) are left out.",
)
def read_live(folder: Folder) -> list[RatedImage]:
    """Scores of 982 images, of which 779 are distorted.

    The deviations, 2.5 of 100 on average, are those of the mean.
    """
    scores, errors, originals = folder.arrays("dmos_realigned.mat", "dmos_new", "dmos_std", "orgs")
    (references,) = folder.arrays("refnames_all.mat", "refnames_all")
    images = [
        (kind, number) for kind, count in LIVE_TYPES.items() for number in range(1, count + 1)
    ]
    same_length("dmos_realigned.mat, refnames_all.mat and five types", scores, references, images)
    parameters = {kind: _parameters(folder, kind) for kind in LIVE_TYPES}
    records = []
    for place, (kind, number) in enumerate(images):
        if originals[place] == 1:
            continue
        reference = str(references[place])
        parameter = parameters[kind].get(f"img{number}.bmp")
        records.append(
            RatedImage(
                reference=folder.path(f"refimgs/{reference}"),
                distorted=folder.path(f"{kind}/img{number}.bmp"),
                score=float(scores[place]),
                standard_error=float(errors[place]),
                distortion=kind,
                content=reference.rsplit(".", 1)[0].lower(),
                extra={} if parameter is None else {"parameter": parameter},
            )
        )
    return records


def _parameters(folder: Folder, kind: str) -> Mapping[str, float]:
    """The bit rate, deviation or signal-to-noise ratio of each image, where there is a list."""
    if not folder.find(f"{kind}/info.txt"):
        return {}
    lines = folder.lines(f"{kind}/info.txt")
    return {line[1].lower(): float(line[2]) for line in lines if len(line) == 3}


@published(
    "live_md",
    title="LIVE-MD",
    kind="dmos",
    images=450,
    references=15,
    score_range=(0, 100),
    labels=tuple(f"Part {part}/{name}.mat" for part in (1, 2) for name in ("Imagelists", "Scores")),
    layout="""\
Part 1/blurjpeg/<image>.bmp and <image>_blur<level>_jpeg<level>.bmp
Part 2/blurnoise/<image>.bmp and <image>_blur<level>_noise<level>.bmp
each part: Imagelists.mat with distimgs, Scores.mat with DMOSscores""",
    home="https://live.ece.utexas.edu/research/Quality/live_multidistortedimage.html",
    paper="D. Jayaraman, A. Mittal, A. Moorthy, A. Bovik, Asilomar 2012",
    note="15 originals, each in both parts. Most images have two levels: they are in extra.",
)
def read_live_md(folder: Folder) -> list[RatedImage]:
    """Two parts; the name of an image says what was done to it."""
    records = []
    for part, inside in (("Part 1", "blurjpeg"), ("Part 2", "blurnoise")):
        (images,) = folder.arrays(f"{part}/Imagelists.mat", "distimgs")
        (scores,) = folder.arrays(f"{part}/Scores.mat", "DMOSscores")
        same_length(f"Imagelists.mat and Scores.mat of {part}", images, scores)
        for image, score in zip(map(str, images), scores, strict=True):
            content, *done = image.rsplit(".", 1)[0].split("_")
            levels = _levels(image, done)
            records.append(
                RatedImage(
                    reference=folder.path(f"{part}/{inside}/{content}.bmp"),
                    distorted=folder.path(f"{part}/{inside}/{image}"),
                    score=float(score),
                    distortion="+".join(levels),
                    content=content.lower(),
                    extra={"part": part, **levels},
                )
            )
    return records


def _levels(image: str, done: list[str]) -> dict[str, int]:
    """Level by distortion, of blur1 and jpeg2."""
    parts = [re.fullmatch(r"([a-z]+)(\d)", text.lower()) for text in done]
    if not parts or None in parts:
        raise LabelError(f"Imagelists.mat has an image {image}, not as babygirl_blur1_jpeg2.bmp.")
    return {part[1]: int(part[2]) for part in parts if part}


TRAINING = 7  # images that were shown to observers first


@published(
    "live_itw",
    title="LIVE In the Wild",
    kind="mos",
    images=1162,
    references=0,
    score_range=(3.42, 92.432),
    labels=tuple(f"Data/All{what}_release.mat" for what in ("Images", "MOS", "StdDev")),
    layout="""\
Images/<image>.bmp or .jpg
Images/trainingImages/ (not used)
Data/AllImages_release.mat, AllMOS_release.mat, AllStdDev_release.mat of 1169 images""",
    home="https://live.ece.utexas.edu/research/ChallengeDB/index.html",
    paper="D. Ghadiyaram, A. Bovik, IEEE TIP 25(1), 2016",
    note="The first 7 images, which trained observers, are left out.",
)
def read_live_itw(folder: Folder) -> list[RatedImage]:
    """Three arrays of 1169 images, of which the first are for training."""
    (images,) = folder.arrays("Data/AllImages_release.mat", "AllImages_release")
    (scores,) = folder.arrays("Data/AllMOS_release.mat", "AllMOS_release")
    (deviations,) = folder.arrays("Data/AllStdDev_release.mat", "AllStdDev_release")
    same_length("the three files in Data", images, scores, deviations)
    for image in images[:TRAINING]:
        if not str(image).startswith("t"):
            raise LabelError(
                f"the first {TRAINING} images should be t1.bmp and so on, not {image}."
            )
    return [
        RatedImage(
            distorted=folder.path(f"Images/{images[place]}"),
            score=float(scores[place]),
            std=float(deviations[place]),
            content=str(images[place]),
        )
        for place in range(TRAINING, len(images))
    ]
