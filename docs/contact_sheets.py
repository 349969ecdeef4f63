"""Draws the contact sheets of docs/distortions: every type of a family at its five levels.

    JIQA_TEST_DATA=FOLDER python docs/contact_sheets.py

FOLDER holds `data/pristine_kodak`. Types are rows and levels columns; each cell is a part of a
photograph of 384 x 512 pixels, at half its size.
"""

import os
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw

from jiqa.datasets.distortions import FAMILIES, LEVELS, distort, list_distortions

HERE = Path(__file__).parent / "distortions"
PHOTOGRAPH = "23.png"
CELL, LABEL, GAP = (72, 96), 90, 2
QUALITY = 55


def read_photograph(folder: Path) -> np.ndarray:
    """The photograph, resized so that the sheet shows what 512 x 384 pixels look like."""
    picture = Image.open(folder / "data" / "pristine_kodak" / PHOTOGRAPH).convert("RGB")
    return np.asarray(picture.resize((512, 384), Image.Resampling.LANCZOS))


def draw_sheet(family: str, image: np.ndarray) -> Image.Image:
    """One row a type, its name before it."""
    names = list_distortions(family)
    height, width = CELL
    sheet = Image.new(
        "RGB", (LABEL + len(LEVELS) * (width + GAP), len(names) * (height + GAP)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    top, left = 140, 60  # the parrots' heads
    for row, name in enumerate(names):
        y = row * (height + GAP)
        draw.text((4, y + 4), name.removeprefix(f"{family}_").replace("_", "\n"), "black")
        for column, level in enumerate(LEVELS):
            distorted = np.asarray(distort(image, name, level, jax.random.key(0)))
            cell = Image.fromarray(distorted[top : top + 2 * height, left : left + 2 * width])
            place = (LABEL + column * (width + GAP), y)
            sheet.paste(cell.resize((width, height), Image.Resampling.BOX), place)
    return sheet


def main() -> None:
    """Draws a sheet of each family."""
    image = read_photograph(Path(os.environ.get("JIQA_TEST_DATA", "../shared")))
    HERE.mkdir(exist_ok=True)
    for family in FAMILIES:
        path = HERE / f"{family}.jpg"
        draw_sheet(family, image).save(path, quality=QUALITY, optimize=True)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
