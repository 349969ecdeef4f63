"""IFC: its definition block by block, and that its order matters."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.steerable import steerable_pyramid
from tests import goldens


def bits_of_band(x, y, size):
    """One block of 3 x 3 after another, those whose window would leave the band left out."""
    rows, columns = x.shape[0] // 3, x.shape[1] // 3
    x, y = x[: 3 * rows, : 3 * columns], y[: 3 * rows, : 3 * columns]
    vectors = [
        x[i : i + 3, j : j + 3].ravel()
        for i in range(x.shape[0] - 2)
        for j in range(x.shape[1] - 2)
    ]
    covariance = np.cov(np.transpose(vectors), bias=True)
    inverse, eigenvalues = np.linalg.inv(covariance), np.linalg.eigvalsh(covariance)
    reach = size // 2
    skipped = -(-reach // 3)
    bits = 0
    for i in range(skipped, rows - skipped):
        for j in range(skipped, columns - skipped):
            block = x[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].ravel()
            multiplier = block @ inverse @ block / 9
            middle = np.array([3 * i + 1, 3 * j + 1])
            window = tuple(slice(m - reach, m + reach + 1) for m in middle)
            a, b = x[window].ravel(), y[window].ravel()
            (variance, shared), (_, variance_y) = np.cov(a, b, bias=True)
            gain = max(shared / variance, 0)
            noise = max(variance_y - gain * shared, 1e-15) + 1e-10
            bits += np.log2(1 + gain**2 * multiplier * eigenvalues / noise).sum()
    return bits


@pytest.mark.parametrize("pair", ["coffee_blur", "astronaut_noise"])
def test_definition_on_an_odd_size(pair):
    """The pyramid is checked by VIF, whose values are the authors' on all golden pairs."""
    x, y = (image[100:187, 60:162, 1:2].astype(float) for image in goldens.pair_images(pair))
    bands_x, bands_y = (steerable_pyramid(image, 4).bands for image in (x, y))
    bits = sum(
        bits_of_band(
            np.asarray(bands_x[level][orientation][..., 0]),
            np.asarray(bands_y[level][orientation][..., 0]),
            2 ** (4 - level) + 1,
        )
        for level in range(4)
        for orientation in (0, 3)
    )
    assert_allclose(jiqa.ifc(x, y, data_range=255), bits / (87 * 102), rtol=1e-8)


def test_order_matters_and_flat_references_share_nothing(rng):
    x = rng.random((80, 76, 1))
    noisy = x + 0.1 * rng.standard_normal(x.shape)
    assert abs(jiqa.ifc(x, noisy) - jiqa.ifc(noisy, x)) > 0.01
    assert jiqa.ifc(np.full_like(x, 0.5), noisy) == 0
    assert jiqa.ifc(x, x) > 2 * jiqa.ifc(x, noisy)


def test_small_images_are_a_clear_error():
    with pytest.raises(ValueError, match="ifc: images are 71 x 80 pixels; both sides must be at"):
        jiqa.ifc(np.zeros((71, 80, 1)), np.zeros((71, 80, 1)))


def test_the_mean_of_the_map_is_the_score_and_weights_look_at_a_side(rng):
    x = rng.random((80, 240, 1))
    y = x + 0.1 * rng.standard_normal(x.shape)
    found = jiqa.ifc_map(x, y)
    assert found.shape == (80, 240)
    assert_allclose(found.mean(), jiqa.ifc(x, y), rtol=1e-12)
    damaged = np.where(np.arange(240)[:, None] < 60, 0.5, y)
    right = np.broadcast_to(np.arange(240) >= 180, (80, 240))
    clean = jiqa.ifc(x, y, weights=right)
    assert_allclose(jiqa.ifc(x, damaged, weights=right), clean, rtol=1e-9)
    assert jiqa.ifc(x, damaged) < 0.9 * jiqa.ifc(x, y)
    assert jiqa.ifc_map(x, damaged)[24:-24, 24:40].max() < 0.01 * found[24:-24, 24:40].max()
