"""REDLOG against the scores that its authors published with their code."""

import csv

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.io import loadmat

import jiqa
from jiqa.core.vision import filter_by_contrast_sensitivity

# MATLAB's weights of luma are the first row of the inverse of the YIQ matrix; the preset "matlab"
# has GNU Octave's, which are these to six digits and round a few pixels of a photograph otherwise.
MATLAB_WEIGHTS = np.linalg.inv([[1, 0.956, 0.621], [1, -0.272, -0.647], [1, -1.106, 1.703]])[0]


def matlab_gray(path):
    levels = jiqa.images.read_image(path).astype(np.float64) @ MATLAB_WEIGHTS
    return np.floor(levels + 0.5)[..., None]


def published(shared_data, database):
    return loadmat(shared_data / f"data/labels_and_scores/redlog/{database}.mat")


def check(reference, distorted, expected):
    score = jiqa.redlog(matlab_gray(reference), matlab_gray(distorted), data_range=255)
    assert_allclose(score, expected, rtol=1e-10)
    pair = (jiqa.images.read_image(path) for path in (reference, distorted))
    # Rounded luma of a few pixels, and single precision.
    assert_allclose(jiqa.redlog(*pair), expected, rtol=2e-3)


@pytest.mark.parametrize(
    "name", ["i01_01_2", "i03_01_1", "i03_11_5", "i04_14_2", "i04_14_5", "i04_18_5", "i06_18_3"]
)
def test_published_scores_on_tid2013(shared_data, name):
    folder = shared_data / "data/tid2013_calibration"
    image, kind, level = (int(number) for number in name[1:].split("_"))
    row = (image - 1) * 120 + (kind - 1) * 5 + level - 1
    expected = published(shared_data, "TID2013")["REDLOG_Scores"][row, 0]
    check(folder / "ref" / f"I{image:02d}.png", folder / "dist" / f"{name}.png", expected)


def test_published_scores_on_live(shared_data):
    """Rows of the table are found by their DMOS, which no two of these images share."""
    folder = shared_data / "data/live_subset"
    table = published(shared_data, "LIVE")
    with (folder / "dmos.csv").open() as file:
        rows = list(csv.DictReader(file))[::4]
    for row in rows:
        distances = np.abs(table["DMOS"][:, 0] - float(row["dmos_realigned"]))
        assert (distances < 1e-6).sum() == 1
        expected = table["REDLOG_Scores"][distances.argmin(), 0]
        check(folder / row["ref"], folder / row["dist"], expected)


def test_the_order_of_the_images_matters(rng):
    reference, distorted = rng.random((2, 64, 64, 1))
    distorted = distorted / 2
    there = jiqa.redlog(reference, distorted, levels=4)
    assert abs(there - jiqa.redlog(distorted, reference, levels=4)) > 1e-3


def test_levels_need_pixels(rng):
    image = rng.random((64, 200, 1))
    assert jiqa.redlog_features(image, levels=4).values["entropies"].shape == (1, 4)
    with pytest.raises(ValueError, match=r"64 x 200 pixels; 6 levels need at least 256 a side"):
        jiqa.redlog(image, image)


@pytest.mark.parametrize("size", [(65, 71), (64, 71), (71, 64)])
def test_contrast_sensitivity_is_the_real_part_of_the_authors(size, rng):
    """Their definition typed again, with complex transforms and their transposed grid."""
    height, width = size
    x, y = np.meshgrid(np.arange(height) - height / 2 + 0.5, np.arange(width) - width / 2 + 0.5)
    plane = (x + 1j * y) / width * 64
    frequency = np.abs(plane) / (0.15 * np.cos(4 * np.angle(plane)) + 0.85)
    response = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    response[frequency < 7.8909] = 0.9809
    image = rng.random(size)
    spectrum = np.fft.fftshift(np.fft.fft2(image)) * response.T
    expected = np.fft.ifft2(np.fft.ifftshift(spectrum)).real
    assert_allclose(
        filter_by_contrast_sensitivity(image[..., None], 64)[..., 0], expected, atol=1e-12
    )
