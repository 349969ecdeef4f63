"""The golden pairs: three photographs under seven distortions, with the authors' own values.

`authors_octave.json` adds what the authors' MATLAB code gives under GNU Octave for DSS, NLPD,
PAMSE, VSNR and WSNR (the last two from the toolbox MeTriX MuX).
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from jiqa.images import read_image

FOLDER = Path(__file__).parent / "data" / "goldens"
VALUES = json.loads((FOLDER / "goldens.json").read_text())
for _pair, _metrics in json.loads((FOLDER / "authors_octave.json").read_text()).items():
    VALUES[_pair] |= {name: VALUES[_pair].get(name, {}) | of for name, of in _metrics.items()}
PAIRS = sorted(VALUES)
PHOTOGRAPHS = sorted({pair.split("_")[0] for pair in PAIRS})


@cache
def read(name: str) -> np.ndarray:
    """The pixels of a golden image, uint8 `[H, W, 3]`."""
    return read_image(FOLDER / "img" / f"{name}.png")


def pair_images(pair: str) -> tuple[np.ndarray, np.ndarray]:
    """Reference and distorted image of a pair, uint8."""
    return read(f"{pair.split('_')[0]}_ref"), read(pair)


def pairs_of(photograph: str) -> list[str]:
    return [pair for pair in PAIRS if pair.startswith(photograph)]
