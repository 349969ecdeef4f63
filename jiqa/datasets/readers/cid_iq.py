"""CID:IQ: Colourlab image database, rated at two viewing distances."""

import functools
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


def read_cid_iq(folder: Folder, distance: int) -> list[RatedImage]:
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


for _distance in (50, 100):
    published(
        f"cid_iq_{_distance}cm",
        title=f"CID:IQ {_distance} cm",
        kind="mos",
        images=690,
        references=23,
        score_range=(1, 9),
        labels=(f"MOS{_distance}.mat|CIDIQ_MOS{_distance}.txt",),
        layout=LAYOUT.format(_distance),
        home="https://www.ntnu.edu/web/colourlab/software",
        paper="X. Liu, M. Pedersen, J. Hardeberg, ICISP 2014",
        note="Nine categories, 17 observers, at 50 and 100 cm: the distance matters for metrics "
        "that take pixels per degree.",
    )(functools.partial(read_cid_iq, distance=_distance))
