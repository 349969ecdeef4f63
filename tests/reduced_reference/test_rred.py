"""RRED: its definition, how much is sent, and degenerate bands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.steerable import steerable_pyramid


def weighted_entropies(band):
    """The authors' `extract_red_info`, typed again: natural and binary logarithms mixed."""
    height, width = (length // 3 * 3 for length in band.shape)
    band = band[:height, :width]
    places = [(row, column) for row in range(3) for column in range(3)]
    overlapping = np.stack([band[r : height - 2 + r, c : width - 2 + c].ravel() for r, c in places])
    covariance = np.cov(overlapping, bias=True)
    blocks = np.stack([band[r::3, c::3].ravel() for r, c in places])
    variance = (np.linalg.inv(covariance) @ blocks * blocks).sum(0) / 9
    entropy = sum(
        np.log2(variance * eigenvalue + 0.1) + np.log(2 * np.pi * np.e)
        for eigenvalue in np.linalg.eigvalsh(covariance)
    )
    return (np.log2(1 + variance) * entropy).reshape(height // 3, width // 3), height * width


@pytest.mark.parametrize(("subband", "level", "orientation"), [(16, 1, 3), (2, 3, 5), (25, 0, 0)])
def test_definition(subband, level, orientation, rng):
    """The pyramid itself is checked against pyrtools in tests/core."""
    reference = rng.random((120, 131, 1))
    distorted = np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1)
    bands = [
        np.asarray(steerable_pyramid(jnp.asarray(255 * x), 4).bands[level][orientation])[..., 0]
        for x in (reference, distorted)
    ]
    (x, count), (y, _) = (weighted_entropies(band) for band in bands)
    ours = jiqa.rred(reference, distorted, subband=subband)
    # A ridge of 1e-15 on covariances whose eigenvalues spread over 1e5.
    assert_allclose(ours, np.abs(x - y).sum() / count, rtol=1e-8)
    scalar = jiqa.rred_scalar(reference, distorted, subband=subband)
    assert_allclose(scalar, abs((x - y).sum()) / count, rtol=1e-7)
    by_four = jiqa.rred(reference, distorted, subband=subband, tile=2)
    rows, columns = (length // 2 * 2 for length in x.shape)
    tiles = (x - y)[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).sum((1, 3))
    assert_allclose(by_four, np.abs(tiles).sum() / count, rtol=1e-8)


def test_fewer_scalars_see_less_of_a_difference(rng):
    reference = rng.random((96, 96, 1))
    distorted = np.roll(reference, 5, axis=0)
    scores = [float(jiqa.rred(reference, distorted, tile=tile)) for tile in (1, 4, None)]
    assert scores == sorted(scores, reverse=True)
    assert jiqa.rred_features(reference, tile=4).scalars == 16


def test_one_scalar_compares_images_of_different_size(rng):
    reference = rng.random((96, 96, 1))
    features = jiqa.rred_features(reference, tile=None)
    assert jiqa.rred_distance(features, reference[:60]) < jiqa.rred_distance(
        features, reference[:60] / 4
    )
    with pytest.raises(ValueError, match="compare images of one size"):
        jiqa.rred_distance(jiqa.rred_features(reference), reference[:60])


def test_precision_in_float32(rng):
    reference = rng.random((120, 131, 1))
    distorted = np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1)
    single = jiqa.rred(reference.astype(np.float32), distorted.astype(np.float32))
    # Inverting an ill-conditioned covariance costs four of seven digits.
    assert_allclose(single, jiqa.rred(reference, distorted), rtol=2e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_images_carry_no_information(dtype):
    flats = jnp.array([0.0, 0.3, 1.0], dtype)[:, None, None, None] * jnp.ones((60, 60, 1), dtype)
    assert jnp.abs(jiqa.rred_features(flats).values["entropies"]).max() == 0
    flat = flats[1]
    gradient = jax.grad(lambda image: jiqa.rred(image, flat))(flat)
    assert jnp.isfinite(gradient).all()


def test_wrong_options_are_errors(rng):
    image = rng.random((60, 60, 1))
    with pytest.raises(ValueError, match="subband=26 must be from 2 to 25"):
        jiqa.rred(image, image, subband=26)
    with pytest.raises(ValueError, match=r"tile=11 must be from 1 to 10 .* 10 x 10 blocks"):
        jiqa.rred(image, image, tile=11)


def test_smooth_images_in_single_precision():
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64, 1) ** 2
    assert jiqa.rred(ramp, ramp) < 1e-3
    assert jiqa.rred(ramp, np.roll(ramp, 9, axis=1)) > 0
