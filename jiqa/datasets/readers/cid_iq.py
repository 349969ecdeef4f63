"""CID:IQ: Colourlab image database, rated at two viewing distances."""

import re

from jiqa.datasets.catalogue import published
from jiqa.datasets.folders import Folder, LabelError
from jiqa.datasets.records import RatedImage

# Folders of reproductions, in the order of the scores.
REPRODUCTIONS = (
    "1_JPEG2000_Compression",
    "2_JPEG_Compression",
    "3_Poisson_Noise",
    "4_Gaussian_Blur",
    "5_SGCK_Gamut_Mapping",
    "6_DeltaE_Gamut_Mapping",
)
LAYOUT = """\
Images/Original/final01.bmp to final23.bmp
Images/Reproduction/1_JPEG2000_Compression/final<image>_d1_l<level>.bmp, and five more folders
MOS{0}.mat: MOS{0} of 690 images by folder and name; or CIDIQ_MOS{0}.txt (from \
github.com/icbcbicc/IQA-Dataset): dis_img_path, dis_type, ref_img_path, score"""
HOME = "https://www.ntnu.edu/web/colourlab/software"
PAPER = "X. Liu, M. Pedersen, J. Hardeberg, ICISP 2014"
NOTE = (
    "Nine categories, 17 observers, at 50 and 100 cm: the distance matters for metrics that take "
    "pixels per degree."
)


def _read(folder: Folder, distance: int) -> list[RatedImage]:
    """Scores are in the order of folders and, within one, of images and levels."""
    listed = folder.find(f"CIDIQ_MOS{distance}.txt")
    if folder.find(f"MOS{distance}.mat"):
        (scores,) = folder.arrays(f"MOS{distance}.mat", f"MOS{distance}")
        found = folder.matching("Images/Reproduction/*.bmp")
        names = [path.relative_to(folder.root).as_posix() for path in found]
        if len(names) != len(scores):
            raise LabelError(
                f"MOS{distance}.mat has {len(scores)} scores by their order, and "
                f"{folder.root / 'Images/Reproduction'} {len(names)} images: all are needed."
            )
    else:
        assert listed is not None
        table = folder.table(listed, ["dis_img_path", "score"])
        names = [name[name.index("Images/") :] for name in table["dis_img_path"]]
        scores = table["score"].to_numpy()
    records = []
    for name, score in zip(names, scores, strict=True):
        parts = re.fullmatch(r"(final\d\d)_d(\d)_l(\d)\.bmp", name.rsplit("/", 1)[-1].lower())
        if parts is None:
            raise LabelError(f"an image is called {name}, not as final01_d1_l1.bmp.")
        records.append(
            RatedImage(
                reference=folder.path(f"Images/Original/{parts[1]}.bmp"),
                distorted=folder.path(name),
                score=float(score),
                ratings=17,
                distortion=REPRODUCTIONS[int(parts[2]) - 1][2:].lower(),
                level=int(parts[3]),
                content=parts[1],
                extra={"distance_cm": distance},
            )
        )
    return records


@published(
    "cid_iq_50cm",
    title="CID:IQ 50 cm",
    kind="mos",
    images=690,
    references=23,
    score_range=(1, 9),
    labels=("MOS50.mat|CIDIQ_MOS50.txt",),
    layout=LAYOUT.format(50),
    home=HOME,
    paper=PAPER,
    note=NOTE,
)
def read_cid_iq_50cm(folder: Folder) -> list[RatedImage]:
    """As seen from 50 cm."""
    return _read(folder, 50)


@published(
    "cid_iq_100cm",
    title="CID:IQ 100 cm",
    kind="mos",
    images=690,
    references=23,
    score_range=(1, 9),
    labels=("MOS100.mat|CIDIQ_MOS100.txt",),
    layout=LAYOUT.format(100),
    home=HOME,
    paper=PAPER,
    note=NOTE,
)
def read_cid_iq_100cm(folder: Folder) -> list[RatedImage]:
    """As seen from 100 cm."""
    return _read(folder, 100)
