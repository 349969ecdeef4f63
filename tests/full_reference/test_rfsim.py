"""RFSIM: the authors' values, its options and images without edges."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

# RFSIM.m of the authors on rgb2gray of the images, under GNU Octave 7.3 with the detector of
# MATLAB R2019 typed out for `edge`.
AUTHORS = {
    "astronaut_block": 0.309665148112086,
    "astronaut_blur": 0.506209796459126,
    "astronaut_colour": 0.591588079400896,
    "astronaut_contrast": 0.544414792328444,
    "astronaut_jpeg10": 0.629377397439007,
    "astronaut_jpeg50": 0.888857807640921,
    "astronaut_noise": 0.726281555989995,
    "coffee_block": 0.377658332250241,
    "coffee_blur": 0.578364570466546,
    "coffee_colour": 0.532389634445273,
    "coffee_contrast": 0.546467176603713,
    "coffee_jpeg10": 0.604475831322251,
    "coffee_jpeg50": 0.877080223164461,
    "coffee_noise": 0.695203592668166,
    "rocket_block": 0.356404639517497,
    "rocket_blur": 0.471681073111939,
    "rocket_colour": 0.192172720228841,
    "rocket_contrast": 0.555305105206736,
    "rocket_jpeg10": 0.497241967004849,
    "rocket_jpeg50": 0.82314213976741,
    "rocket_noise": 0.584175392950559,
}
# The same of rows 50 to 170 and columns 60 to 211 (counted from one) of JPEG at quality 10.
AUTHORS_ODD_SIZE = {
    "astronaut": 0.422117356563575,
    "coffee": 0.437360381417827,
    "rocket": 0.205720404580301,
}


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_equals_the_authors_code(photograph):
    pairs = goldens.pairs_of(photograph)
    images = [goldens.pair_images(pair) for pair in pairs]
    reference, distorted = (np.stack(each) for each in zip(*images, strict=True))
    known = [AUTHORS[pair] for pair in pairs]
    # A pixel that single precision counts otherwise as an edge moves a score by about 1e-5.
    for dtype, rtol in ((np.float64, 1e-12), (np.float32, 1e-4)):
        scores = jiqa.rfsim(reference.astype(dtype), distorted.astype(dtype), data_range=255)
        assert_allclose(scores, known, rtol=rtol)


@pytest.mark.parametrize("photograph", AUTHORS_ODD_SIZE)
def test_equals_the_authors_code_on_odd_sizes(photograph):
    reference, distorted = (
        image[49:170, 59:211] / 255.0 for image in goldens.pair_images(f"{photograph}_jpeg10")
    )
    score = jiqa.rfsim(reference, distorted)
    assert_allclose(score, AUTHORS_ODD_SIZE[photograph], rtol=1e-12)


def test_images_are_reduced_unless_told_otherwise(rng):
    reference, noise = rng.random((2, 384, 400, 1))
    distorted = reference + 0.05 * noise
    reduced = [image.reshape(192, 2, 200, 2, 1).mean((1, 3)) for image in (reference, distorted)]
    # The authors' even window reaches down and right, as the blocks do.
    score = jiqa.rfsim(reference, distorted)
    assert_allclose(score, jiqa.rfsim(*reduced), rtol=1e-12)
    assert abs(score - jiqa.rfsim(reference, distorted, downsample=False)) > 0.01


def test_only_what_is_near_an_edge_counts():
    rows, columns = np.mgrid[:80, :80]
    reference = np.where(columns < 40, 0.2, 0.8)
    far = (columns > 65) & (rows % 2 == 0)
    near = (abs(columns - 41) < 2) & (rows % 2 == 0)
    scores = [
        jiqa.rfsim(reference[..., None], (reference + 0.01 * where)[..., None])
        for where in (far, near)
    ]
    assert scores[0] > 0.99
    assert scores[1] < 0.9


def test_without_edges_all_places_count():
    flat = jnp.full((20, 24, 3), 0.5)
    assert jiqa.rfsim(flat, flat) == 1
    assert jiqa.rfsim(flat, 0.9 * flat) == 1  # the mean is no feature
