"""Total variation against packages and plain NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens


@pytest.mark.parametrize(
    ("norm", "source"),
    [("l1", "piq_l1(01)"), ("l2", "piq_l2_default(01)"), ("l2_squared", "piq_l2_squared(01)")],
)
def test_golden_values(norm, source):
    pairs = goldens.pairs_of("astronaut")
    images = np.stack([goldens.read(pair) for pair in pairs])
    known = np.array([goldens.VALUES[pair]["tv"][source] for pair in pairs])
    assert_allclose(jiqa.total_variation(images / 255.0, norm=norm), known, rtol=1e-12)
    scale = 255**2 if norm == "l2_squared" else 255
    assert_allclose(jiqa.total_variation(images, norm=norm), known * scale, rtol=1e-5)


def test_isotropic(rng):
    image = rng.random((7, 9, 3))
    total = 0.0
    for i, j, c in np.ndindex(image.shape):
        down = image[min(i + 1, 6), j, c] - image[i, j, c]
        across = image[i, min(j + 1, 8), c] - image[i, j, c]
        total += np.hypot(down, across)
    assert_allclose(jiqa.total_variation(image, norm="isotropic"), total, rtol=1e-12)


def test_mean_and_luma(rng):
    image = rng.random((7, 9, 3))
    ours = jiqa.total_variation(image, mean=True)
    assert_allclose(ours, jiqa.total_variation(image) / image.size, rtol=1e-12)
    gray = image @ [0.299, 0.587, 0.114]
    known = np.abs(np.diff(gray, axis=0)).sum() + np.abs(np.diff(gray, axis=1)).sum()
    assert_allclose(jiqa.total_variation(image, luma="bt601"), known, rtol=1e-10)


def test_unknown_norm_is_an_error():
    with pytest.raises(ValueError, match="norm='l3' is unknown"):
        jiqa.total_variation(np.ones((4, 4, 1)), norm="l3")


@pytest.mark.parametrize("norm", ["l1", "isotropic", "l2_squared"])
def test_weights_belong_to_the_upper_left_pixel(rng, norm):
    image = rng.random((7, 9, 3))
    at = np.zeros((7, 9))
    at[2, 3] = 0.5
    down, across = image[3, 3] - image[2, 3], image[2, 4] - image[2, 3]
    known = {
        "l1": np.abs(down) + np.abs(across),
        "isotropic": np.hypot(down, across),
        "l2_squared": down**2 + across**2,
    }
    ours = jiqa.total_variation(image, norm=norm, weights=at)
    assert_allclose(ours, 63 * known[norm].sum(), rtol=1e-12)
