"""The levels of KADID-10k, DBCNN and the camera: worse and worse, as declared."""

import pytest

from jiqa.datasets.distortions import distort, find_distortion, list_distortions
from tests.datasets.distortions.ladders import check_rising, climb, read_photographs

NAMES = [*list_distortions("kadid"), *list_distortions("dbcnn"), *list_distortions("camera")]

# What does not rise with the declared severity, and why.
EXCEPTIONS = {
    # A shift by more than an edge is wide changes its structure no further.
    "kadid_color_shift": ("ssim",),
    # Grey at level 4 and pale complementary colours at level 5 are equally far from the colours.
    "kadid_saturation_hsv": ("lpips",),
    # Up and down by the same offset.
    "kadid_mean_shift": ("psnr",),
    # Levels 3 and 4 are equally far from the identity; networks mind loss of contrast more.
    "kadid_contrast_change": ("psnr", "ssim", "lpips"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "dbcnn_jpeg2000"])
def test_levels_are_worse_and_worse(photographs, name):
    check_rising(climb(photographs, name), name, EXCEPTIONS)


@pytest.mark.slow
def test_jpeg2000_needs_an_image_that_its_rates_fit(shared_data):
    # 24 / 0.02 bits: a ratio of 1200 is fewer bytes than the headers of a small image.
    check_rising(climb(read_photographs(shared_data, (512, 384)), "dbcnn_jpeg2000"), "", {})


@pytest.mark.parametrize(
    ("name", "level"),
    [("kadid_motion_blur", 1), ("kadid_saturation_lab", 1), ("kadid_mean_shift", 3)],
)
def test_levels_that_change_nothing(photographs, name, level):
    import jax
    from numpy.testing import assert_allclose

    changed = distort(photographs, name, level, jax.random.key(0))
    assert_allclose(changed, photographs, atol=1e-5)  # to Lab and back in single precision


def test_severity_of_levels_that_go_up_and_down():
    assert find_distortion("kadid_mean_shift").severity == (3, 2, 4, 1, 5)
    assert not find_distortion("kadid_mean_shift").monotone
    assert find_distortion("kadid_jpeg").monotone
