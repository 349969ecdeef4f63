"""Small folders in the layouts of published data sets, and tables of scores."""

import numpy as np
import pandas as pd

from jiqa.images import write_png

CSIQ_ROWS = [
    ("1600", "noise", 1, 0.06),
    ("1600", "jpeg 2000", 2, 0.3),
    ("boston", "fnoise", 1, 0.1),
]


def image(path, seed=0):
    """Writes some pixels; the suffix does not matter to the reader of layouts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    write_png(path.with_suffix(".png"), pixels)
    path.with_suffix(".png").rename(path)


def make_tid2013(folder):
    """Two scenes, two distortions, two levels, with the published set's mixture of cases."""
    lines, errors = [], []
    for scene, reference in (("01", "I01.BMP"), ("25", "i25.bmp")):
        image(folder / "reference_images" / reference)
        for distortion in ("01", "24"):
            for level in (1, 2):
                name = f"i{scene}_{distortion}_{level}.bmp"
                image(folder / "distorted_images" / name, seed=len(lines) + 1)
                listed = name.replace("i01_01_1", "I01_01_1")
                lines.append(f"{5 - level - int(scene) / 100:.5f} {listed}")
                errors.append("0.13")
    (folder / "mos_with_names.txt").write_text("\r\n".join(lines) + "\r\n")
    (folder / "mos_std.txt").write_text("\n".join(errors) + "\n")


def make_kadid(folder):
    """One scene, two distortions."""
    rows = [("I01_01_02.png", "I01.png", 4.33, 0.81), ("I01_15_05.png", "I01.png", 1.33, 0.25)]
    for distorted, reference, *_ in rows:
        image(folder / "images" / distorted)
        image(folder / "images" / reference)
    columns = ["dist_img", "ref_img", "dmos", "var"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "dmos.csv", index=False)


def make_csiq_images(folder):
    """The images of `CSIQ_ROWS`, folders and files in the published set's cases."""
    for scene in ("1600", "boston"):
        image(folder / "src_imgs" / f"{scene}.png")
    image(folder / "dst_imgs/awgn/1600.AWGN.1.png")
    image(folder / "dst_imgs/jpeg2000/1600.jpeg2000.2.png")
    image(folder / "dst_imgs/fnoise/boston.fnoise.1.png")


def scored(rng, images=60, *, noise=(0.3, 0.6, 1.0)):
    """A table of three metrics; the second is lower-is-better."""
    content = np.arange(images) % 12
    quality = rng.normal(size=images)
    scores = quality + np.array(noise)[:, None] * rng.normal(size=(3, images))
    return pd.DataFrame(
        {
            "distorted": [f"{place}.png" for place in range(images)],
            "content": [f"scene {place}" for place in content],
            "distortion": np.where(np.arange(images) % 2, "jpeg", "blur"),
            "level": np.arange(images) // 24 + 1,
            "mos": 3 + quality,
            "standard_error": 0.2,
            "good": scores[0],
            "worse": -scores[1],
            "poor": scores[2],
        }
    )
