"""Writes pyrtools_goldens.npz: pyramids of small random images by pyrtools 1.1.1 (MIT).

Run once in an environment of its own: `pip install pyrtools==1.1.1 && python this_file`.
"""

from pathlib import Path

import numpy as np
import pyrtools

SHAPES = [(32, 40), (33, 47)]


def main() -> None:
    goldens = {}
    for height, width in SHAPES:
        image = np.random.default_rng(height).random((height, width))
        pyramids = {
            "laplacian": pyrtools.pyramids.LaplacianPyramid(image, height=3),
            "sp1": pyrtools.pyramids.SteerablePyramidSpace(image, height=1, order=1),
            "sp3": pyrtools.pyramids.SteerablePyramidSpace(image, height=1, order=3),
            "sp5": pyrtools.pyramids.SteerablePyramidSpace(image, height=2, order=5),
        }
        if height % 2 == 0:  # pyrtools centres the frequencies of odd sides unlike matlabPyrTools
            pyramids |= fourier_pyramids(image)
        for name, pyramid in pyramids.items():
            for key, band in pyramid.pyr_coeffs.items():
                label = key if isinstance(key, str) else f"{key[0]}_{key[1]}"
                goldens[f"{height}x{width}/{name}/{label}"] = band
    np.savez_compressed(Path(__file__).with_name("pyrtools_goldens.npz"), **goldens)


def fourier_pyramids(image):
    freq = pyrtools.pyramids.SteerablePyramidFreq
    return {
        "real": freq(image, height=2, order=3),
        "complex": freq(image, height=2, order=3, is_complex=True),
        "complex_odd": freq(image, height=1, order=2, is_complex=True),
    }


if __name__ == "__main__":
    main()
