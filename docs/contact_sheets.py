"""Draws the contact sheets of docs/distortions.md, and writes its table.

    JIQA_TEST_DATA=FOLDER python docs/contact_sheets.py

FOLDER holds `data/pristine_kodak`. Types are rows and levels columns; each cell is a part of a
photograph of 384 x 512 pixels, at half its size.
"""

import os
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw

from jiqa.datasets.distortions import (
    FAMILIES,
    LEVELS,
    distort,
    find_distortion,
    list_distortions,
)
from jiqa.files import write_text

PAGE = Path(__file__).parent / "distortions.md"
HERE = Path(__file__).parent / "distortions"
START, END = "<!-- table: python docs/contact_sheets.py -->\n", "<!-- end of table -->"
PHOTOGRAPH = "23.png"
CELL, LABEL, GAP = (72, 96), 90, 2
QUALITY = 38


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


def make_table() -> str:
    """All distortions in Markdown, with their marks."""
    rows = [
        "| name | what it does | levels | parameter | marks |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in list_distortions():
        found = find_distortion(name)
        marks = {
            "d": found.differentiable,
            "r": found.random,
            "h": found.host_side,
            "c": found.needs_color,
            "~": found.approximate,
        }
        notes = [" ".join(mark for mark, holds in marks.items() if holds)]
        if not found.monotone:
            notes.append(f"by severity {', '.join(map(str, found.severity))}")
        levels = ", ".join(f"{level:.4g}" for level in found.levels)
        text = found.summary.rstrip(".") + (
            f" (~ {found.approximate})" if found.approximate else ""
        )
        note = "; ".join(filter(None, notes))
        rows.append(f"| `{name}` | {text} | {levels} | {found.parameter} | {note} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Writes the table and draws a sheet of each family."""
    before, rest = PAGE.read_text().split(START)
    write_text(PAGE, before + START + make_table() + END + rest.split(END)[1])
    image = read_photograph(Path(os.environ.get("JIQA_TEST_DATA", "../shared")))
    HERE.mkdir(exist_ok=True)
    for family in FAMILIES:
        path = HERE / f"{family}.jpg"
        draw_sheet(family, image).save(path, quality=QUALITY, optimize=True)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
