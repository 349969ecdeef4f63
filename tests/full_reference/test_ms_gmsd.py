"""MS-GMSD with and without colour: their definitions, and what they have in common with GMSD."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa

YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
SCALES = (0.096, 0.596, 0.289, 0.019)


def halve(plane):
    height, width = plane.shape
    padded = np.pad(plane, [(0, height % 2), (0, width % 2)])
    return sum(padded[i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4


def gradient(plane):
    height, width = plane.shape
    padded = np.pad(plane, 1)
    across = sum(padded[i : i + height, 2:] - padded[i : i + height, :-2] for i in range(3)) / 3
    down = sum(padded[2:, i : i + width] - padded[:-2, i : i + width] for i in range(3)) / 3
    return np.hypot(across, down)


def deviation_by_definition(x, y):
    total = 0
    for weight in SCALES:
        g, h = gradient(x), gradient(y)
        total += weight * np.var((1.5 * g * h + 170) / (g**2 + h**2 - 0.5 * g * h + 170))
        x, y = halve(x), halve(y)
    return np.sqrt(total)


def test_definitions_on_an_odd_size(rng):
    x, y = rng.random((2, 21, 26, 3))
    planes_x, planes_y = (np.moveaxis(255 * i @ YIQ.T, -1, 0) for i in (x, y))
    luma = deviation_by_definition(planes_x[0], planes_y[0])
    assert_allclose(jiqa.ms_gmsd(x, y), luma, rtol=1e-10)
    squares = [halve(halve(halve(a - b))) ** 2 for a, b in zip(planes_x, planes_y, strict=True)]
    chroma = np.sqrt(squares[1].mean() + squares[2].mean())
    share = 2 / (1 + 0.32 * np.exp(-15 * luma)) - 1
    expected = share * luma + (1 - share) * 0.01 * chroma
    assert_allclose(jiqa.ms_gmsdc(x, y), expected, rtol=1e-10)


def test_one_scale_without_masking_is_gmsd(rng):
    x, y = rng.random((2, 20, 25, 3))
    one = jiqa.ms_gmsd(x, y, luma="matlab", scale_weights=[1.0], masking=0.0)
    count = 20 * 25  # GMSD divides by the number less one
    assert_allclose(
        one, jiqa.gmsd(x, y, downsample=False) * np.sqrt((count - 1) / count), rtol=1e-10
    )


def test_grey_has_no_chroma(rng):
    x, y = rng.random((2, 21, 26, 1))
    luma = jiqa.ms_gmsd(x, y)
    share = 2 / (1 + 0.32 * np.exp(-15 * luma)) - 1
    assert_allclose(jiqa.ms_gmsdc(x, y), share * luma, rtol=1e-10)


@pytest.mark.parametrize("name", ["ms_gmsd", "ms_gmsdc"])
def test_weights_choose_a_region_in_every_scale(rng, name):
    x, y = rng.random((2, 32, 64, 3))
    weights = np.zeros((32, 64))
    weights[:, 48:] = 1
    changed = x.copy()
    changed[:, :24] = rng.random((32, 24, 3))  # a coarse pixel and its neighbours are 24 wide
    metric = getattr(jiqa, name)
    assert_allclose(metric(changed, y, weights=weights), metric(x, y, weights=weights), rtol=1e-12)
    assert abs(metric(changed, y) - metric(x, y)) > 1e-6
