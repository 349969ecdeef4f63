"""KADID-10k's types beside its published images and the PSNR of them all."""

import csv

import jax
import numpy as np
import pytest
from PIL import Image

from jiqa.datasets.distortions import distort, list_distortions
from tests.datasets.distortions.ladders import rgb_psnr

# Decibel by which the PSNR of image I01 may differ from the published at any level.
ROUNDED = 0.03  # the same but for rounding to 8 bits
DRAWN = 0.25  # noise that is drawn anew
CODER = 0.35  # another version of the coder
SAME = {
    "kadid_gaussian_blur": ROUNDED,
    "kadid_lens_blur": ROUNDED,
    "kadid_color_diffusion": ROUNDED,
    "kadid_saturation_hsv": ROUNDED,
    "kadid_saturation_lab": ROUNDED,
    "kadid_jpeg2000": CODER,
    "kadid_jpeg": ROUNDED,
    "kadid_white_noise": DRAWN,
    "kadid_color_component_noise": DRAWN,
    "kadid_impulse_noise": DRAWN,
    "kadid_multiplicative_noise": DRAWN,
    "kadid_brighten": ROUNDED,
    "kadid_darken": ROUNDED,
    "kadid_mean_shift": ROUNDED,
    "kadid_pixelate": ROUNDED,
    "kadid_high_sharpen": ROUNDED,
    "kadid_contrast_change": ROUNDED,
    # Random directions and places make more of a difference, approximations too.
    "kadid_motion_blur": 4,
    "kadid_color_shift": 3,
    "kadid_denoise": 3,
    "kadid_non_eccentricity_patch": 4,
    "kadid_color_block": 5,
    "kadid_quantization": 4,
    "kadid_color_quantization": 8,
    "kadid_jitter": 7,
}


def _read(shared_data, name):
    path = shared_data / "data" / "kadid10k_sample" / f"{name}.png"
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def published(shared_data):
    path = shared_data / "data" / "labels_and_scores" / "jakub1t" / "result_kadid10k_iqa.tsv"
    with path.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["ref_img"] == "I01.png"]
    return {row["dist_img"]: float(row["psnr"]) for row in rows}


def test_all_types_are_compared():
    assert set(SAME) == set(list_distortions("kadid"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), list(enumerate(list_distortions("kadid"), 1)))
def test_psnr_is_the_published(shared_data, published, number, name):
    image = _read(shared_data, "I01")
    for level in range(1, 6):
        changed = distort(image, name, level, jax.random.key(0), stretch=True)
        found = rgb_psnr(image / 255, np.asarray(changed) / 255)
        expected = published[f"I01_{number:02}_{level:02}.png"]
        assert found == expected or abs(found - expected) <= SAME[name], (level, found, expected)


def test_blurred_image_is_the_published(shared_data):
    found = distort(_read(shared_data, "I01"), "kadid_gaussian_blur", 2, stretch=True)
    expected = _read(shared_data, "I01_01_02")
    difference = np.abs(np.int32(found) - np.int32(expected))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
