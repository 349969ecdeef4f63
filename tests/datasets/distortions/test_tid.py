"""The levels of TID2013: its PSNR, its images and what its observers said."""

import csv

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from jiqa.datasets.distortions import distort, find_distortion, list_distortions
from jiqa.datasets.distortions.calibration import PSNR_TARGETS
from tests.datasets.distortions.ladders import check_rising, climb, read_photographs, rgb_psnr

TOLERANCE = 0.1  # decibel
EXCEPTIONS = {
    # The odd levels are brighter and the even ones darker, which structure suffers from more.
    "tid_alternating_shift": ("ssim",),
    # The order is that of opinions: more contrast is liked better than less.
    "tid_alternating_contrast": ("psnr", "ssim", "lpips"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in list_distortions("tid") if n != "tid_local_blocks"])
def test_levels_have_their_psnr_and_are_worse_and_worse(photographs, name):
    rungs = climb(photographs, name)
    check_rising(rungs, name, EXCEPTIONS)
    missed = np.abs(rungs["psnr_by_level"] - np.array(find_distortion(name).levels)[:, None])
    # A number of colours is whole: between two of few colours lie more than 0.1 dB.
    allowed = {"tid_palette_dither": 0.7, "tid_jpeg2000": 0.2}.get(name, TOLERANCE)
    assert missed.max() <= allowed, missed


@pytest.mark.slow
def test_blocks_have_their_psnr_on_images_of_the_size_of_tid2013(shared_data):
    images = read_photographs(shared_data, (512, 384))
    found = [
        rgb_psnr(images, distort(images, "tid_local_blocks", level, jax.random.key(2)))
        for level in (1, 2, 3, 4)
    ]
    targets = np.array(find_distortion("tid_local_blocks").levels)[:4, None]
    missed = np.abs(found - targets)
    assert missed[1:].max() <= TOLERANCE
    assert missed[0].max() <= 2.5  # two blocks can be too few, in TID2013 itself too


def _published(shared_data):
    """PSNR of the published images by type and level, `[24, 5, 25]`."""
    path = shared_data / "data" / "labels_and_scores" / "jakub1t" / "result_tid2013_iqa.tsv"
    psnr = np.zeros((24, 5, 25))
    with path.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            content, kind, level = (int(x) for x in row["image_name"][1:-4].split("_"))
            psnr[kind - 1, level - 1, content - 1] = float(row["psnr"])
    return psnr


def test_targets_are_those_of_the_published_images(shared_data):
    psnr = _published(shared_data)
    targets = np.array([PSNR_TARGETS[number] for number in range(1, 25)])
    assert_allclose(np.median(psnr, -1), targets, atol=0.4)  # most are meant to be whole decibels
    low, high = np.quantile(psnr, [0.1, 0.9], axis=-1)
    same = {1, 2, 3, 4, 5, 7, 11, 16, *range(18, 25)}
    assert set(np.flatnonzero((high - low).max(1) < 1.1) + 1) == same


@pytest.mark.parametrize(
    ("reference", "published", "level"), [("I04", "i04_18_5", 5), ("I06", "i06_18_3", 3)]
)
def test_saturation_is_that_of_published_images(shared_data, reference, published, level):
    folder = shared_data / "data" / "tid2013_calibration"
    image = np.asarray(Image.open(folder / "ref" / f"{reference}.png").convert("RGB"))
    expected = np.asarray(Image.open(folder / "dist" / f"{published}.png").convert("RGB"))
    found = distort(image, "tid_saturation_change", level)
    # What differs is a seventh of the distortion, in root mean square: 17 dB.
    target = find_distortion("tid_saturation_change").levels[level - 1]
    assert rgb_psnr(expected / 255, np.asarray(found) / 255) > target + 17


def test_order_of_contrast_and_blocks_is_that_of_opinions(shared_data):
    path = shared_data / "data" / "labels_and_scores" / "misc" / "tid2013_mos_with_names.txt"
    opinions: dict[tuple[int, int], list[float]] = {}
    for line in path.read_text().split("\n"):
        if line:
            score, name = line.split()
            _, kind, level = (int(x) for x in name[1:-4].split("_"))
            opinions.setdefault((kind, level), []).append(float(score))
    for name in ("tid_alternating_contrast", "tid_local_blocks", "tid_alternating_shift"):
        found = find_distortion(name)
        medians = [np.median(opinions[found.number, level]) for level in found.severity]
        assert np.all(np.diff(medians) < 0), name
