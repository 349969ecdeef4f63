"""FLIP against its authors' program and against its definition with two-dimensional filters."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

import jiqa
from tests import goldens

# Means of the maps of the authors' package flip-evaluator 1.7 (LDR, 67.02 pixels per degree).
AUTHORS = {
    "astronaut_block": 0.094288844,
    "astronaut_blur": 0.119516558,
    "astronaut_colour": 0.251792782,
    "astronaut_contrast": 0.418962848,
    "astronaut_jpeg10": 0.157357071,
    "astronaut_jpeg50": 0.067490101,
    "astronaut_noise": 0.117176842,
    "coffee_block": 0.092447384,
    "coffee_blur": 0.108682519,
    "coffee_colour": 0.480523705,
    "coffee_contrast": 0.446202169,
    "coffee_jpeg10": 0.157698165,
    "coffee_jpeg50": 0.074309772,
    "coffee_noise": 0.11285396,
    "rocket_block": 0.034290833,
    "rocket_blur": 0.04683462,
    "rocket_colour": 0.363582642,
    "rocket_contrast": 0.209346381,
    "rocket_jpeg10": 0.117971115,
    "rocket_jpeg50": 0.050384612,
    "rocket_noise": 0.103871042,
}


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_authors_values(photograph):
    for pair in goldens.pairs_of(photograph):
        reference, distorted = (image / 255 for image in goldens.pair_images(pair))
        # The authors compute in float32.
        assert_allclose(jiqa.flip(reference, distorted), AUTHORS[pair], rtol=4e-6, err_msg=pair)


def test_authors_value_at_another_distance():
    reference, distorted = (image / 255 for image in goldens.pair_images("astronaut_noise"))
    score = jiqa.flip(reference, distorted, pixels_per_degree=40.0)
    assert_allclose(score, 0.162043558, rtol=4e-6)


def slow_flip(reference, distorted, pixels_per_degree):
    """The paper's pipeline, with filters in two dimensions."""
    matrix = np.array(
        [
            [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
            [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
            [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
        ]
    )
    white = matrix.sum(axis=1)
    to_opponent = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]]) / white @ matrix

    def hunt(linear):
        ratio = linear @ matrix.T / white
        curve = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * 841 / 108 + 4 / 29)
        x, y, z = np.moveaxis(curve, -1, 0)
        light = 116 * y - 16
        return np.stack([light, 5 * light * (x - y), 2 * light * (y - z)], -1)

    def distance(x, y):
        return np.abs(x - y)[..., 0] + np.hypot((x - y)[..., 1], (x - y)[..., 2])

    def correlated(image, kernel):
        return ndimage.correlate(image, kernel, mode="nearest")

    radius = int(np.ceil(3 * np.sqrt(0.04 / (2 * np.pi**2)) * pixels_per_degree))
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1] / pixels_per_degree
    square = (np.pi * row) ** 2 + (np.pi * column) ** 2
    kernels = [np.exp(-square / 0.0047), np.exp(-square / 0.0053)]
    kernels.append(
        34.1 * np.sqrt(np.pi / 0.04) * np.exp(-square / 0.04)
        + 13.5 * np.sqrt(np.pi / 0.025) * np.exp(-square / 0.025)
    )
    deviation = 0.041 * pixels_per_degree
    radius = int(np.ceil(3 * deviation))
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    gaussian = np.exp(-(row**2 + column**2) / (2 * deviation**2))
    detectors = [-column * gaussian, (column**2 / deviation**2 - 1) * gaussian]
    detectors = [np.where(d < 0, d / -d[d < 0].sum(), d / d[d > 0].sum()) for d in detectors]

    seen, features = [], []
    for image in (reference, distorted):
        linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
        opponent = linear @ to_opponent.T
        blurred = [correlated(opponent[..., i], k / k.sum()) for i, k in enumerate(kernels)]
        seen.append(hunt(np.clip(np.stack(blurred, -1) @ np.linalg.inv(to_opponent).T, 0, 1)))
        light = opponent[..., 0] / 116
        features.append([np.hypot(correlated(light, d), correlated(light, d.T)) for d in detectors])
    largest = distance(hunt(np.array([0.0, 1, 0])), hunt(np.array([0.0, 0, 1]))) ** 0.7
    error = distance(*seen) ** 0.7
    knee = 0.4 * largest
    error = np.where(
        error < knee, 0.95 / knee * error, 0.95 + 0.05 * (error - knee) / (largest - knee)
    )
    feature = np.abs(np.subtract(*features)).max(axis=0) / np.sqrt(2)
    return error ** (1 - np.sqrt(feature))


@pytest.mark.parametrize("pixels_per_degree", [11.0, 40.0])
def test_definition(pixels_per_degree, rng):
    reference = rng.random((23, 30, 3))
    distorted = np.clip(reference + 0.3 * rng.standard_normal(reference.shape), 0, 1)
    reference[:, :12], distorted[:12] = 0.0, 1.0
    expected = slow_flip(reference, distorted, pixels_per_degree)
    assert expected.max() > 0.95  # on both sides of the knee
    found = jiqa.flip_map(reference, distorted, pixels_per_degree=pixels_per_degree)
    # The authors write the white in nine digits, here it is the sum of the matrix.
    assert_allclose(found, expected, rtol=1e-6)
    score = jiqa.flip(reference, distorted, pixels_per_degree=pixels_per_degree)
    assert_allclose(score, expected.mean(), rtol=1e-6)


def test_order_does_not_matter(rng):
    images = rng.random((2, 16, 17, 3))
    assert_allclose(jiqa.flip(*images), jiqa.flip(*images[::-1]), rtol=1e-12)


def test_gray_counts_as_neutral_colour(rng):
    gray = rng.random((2, 16, 17, 1))
    assert_allclose(jiqa.flip(*gray), jiqa.flip(*np.repeat(gray, 3, axis=-1)), rtol=1e-12)


@pytest.mark.parametrize("value", [0.5, 0.0, -3.0, float("nan")])
def test_pixels_per_degree_must_be_possible(value):
    with pytest.raises(ValueError, match="must be at least 1"):
        jiqa.flip(jnp.ones((8, 8, 3)), jnp.ones((8, 8, 3)), pixels_per_degree=value)
