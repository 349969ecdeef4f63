"""Edges and their widths against MATLAB's rules typed out pixel by pixel."""

import math

import jax
import numpy as np
import pytest
from scipy import ndimage

from jiqa.core import edges
from tests import goldens


@pytest.fixture(params=["astronaut_ref", "coffee_noise", "rocket_jpeg10"])
def levels(request):
    """Whole levels, of which neighbours are often equal: what is an edge is decided by ties."""
    return goldens.read(request.param)[40:93, 200:247].sum(-1) // 3 * 1.0


def plain_canny(levels, sigma=2**0.5, thresholds=None):
    places = np.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1)
    smooth = np.exp(-(places**2) / (2 * sigma**2))
    smooth /= smooth.sum()
    slope = np.gradient(smooth)
    slope[slope > 0] /= slope[slope > 0].sum()
    slope[slope < 0] /= -slope[slope < 0].sum()

    def convolve(image, window, axis):
        return ndimage.convolve1d(image, window, axis=axis, mode="nearest")

    gx = convolve(convolve(levels, smooth, 0), slope, 1)
    gy = convolve(convolve(levels, smooth, 1), slope, 0)
    size = np.hypot(gx, gy) / np.hypot(gx, gy).max()
    counts = np.bincount(np.floor(63 * size + 0.5).astype(int).ravel(), minlength=64)
    high = (np.argmax(np.cumsum(counts) > 0.7 * size.size) + 1) / 64
    low, high = thresholds or (0.4 * high, high)
    weak = np.zeros(levels.shape, bool)
    for i in range(1, levels.shape[0] - 1):
        for j in range(1, levels.shape[1] - 1):
            x, y = gx[i, j], gy[i, j]
            if size[i, j] <= low:
                continue
            if abs(x) >= abs(y):  # between a neighbour to the side and one at a corner
                k, share = (1 if x * y > 0 else -1), abs(y / x)
                ahead = size[i, j + 1] * (1 - share) + size[i + k, j + 1] * share
                behind = size[i, j - 1] * (1 - share) + size[i - k, j - 1] * share
            else:
                k, share = (1 if x * y > 0 else -1), abs(x / y)
                ahead = size[i + 1, j] * (1 - share) + size[i + 1, j + k] * share
                behind = size[i - 1, j] * (1 - share) + size[i - 1, j - k] * share
            weak[i, j] = size[i, j] >= ahead and size[i, j] >= behind
    labels, _ = ndimage.label(weak, np.ones((3, 3)))
    return np.isin(labels, np.unique(labels[weak & (size > high)]))


def plain_vertical_edges(levels, threshold):
    mask = np.outer([1, 2, 1], [-1, 0, 1]) / 8
    gx = ndimage.correlate(levels, mask, mode="nearest")
    gy = ndimage.correlate(levels, mask.T, mode="nearest")
    power = np.pad(gx**2, 1, constant_values=-1)
    cutoff = 4 * np.mean(gx**2) if threshold is None else threshold**2
    found = np.zeros(levels.shape, bool)
    for i, j in np.ndindex(levels.shape):
        here = power[i + 1, j + 1]
        across = power[i + 1, j] <= here > power[i + 1, j + 2]
        along = power[i, j + 1] <= here > power[i + 2, j + 1]
        found[i, j] = here > cutoff and ((abs(gx[i, j]) >= abs(gy[i, j]) and across) or along)
    return found


def plain_width(row, place, sign):
    width = 0
    for side in (-1, 1):
        steps = 0
        while steps <= 100:
            near, far = place + side * (1 + steps), place + side * (2 + steps)
            if not (0 <= far < len(row)) or sign * side * (row[far] - row[near]) <= 0:
                break
            steps += 1
        width += min(steps, 100) + 1
    return width


@pytest.mark.parametrize("options", [{}, {"sigma": 2.3, "thresholds": (0.2, 0.5)}])
def test_canny_is_matlabs(levels, options):
    found = np.asarray(edges.canny(levels[..., None], **options))[..., 0]
    assert 50 < found.sum() < 600
    np.testing.assert_array_equal(found, plain_canny(levels, **options))


@pytest.mark.parametrize("threshold", [None, 2.0])
def test_vertical_edges_are_matlabs(levels, threshold):
    found = np.asarray(edges.vertical_edges(levels[..., None], threshold))[..., 0]
    assert found.any()
    np.testing.assert_array_equal(found, plain_vertical_edges(levels, threshold))


def test_widths_of_edges(levels):
    for sign, widths in zip((1, -1), edges.edge_widths(levels[..., None]), strict=True):
        inner = np.asarray(widths)[:, 1:-1, 0]
        known = [[plain_width(row, j, sign) for j in range(1, len(row) - 1)] for row in levels]
        np.testing.assert_array_equal(inner, known)


def test_a_long_ramp_counts_a_hundred_on_either_side():
    rise, fall = edges.edge_widths(np.arange(300.0).reshape(1, 300, 1))
    assert rise[0, 150, 0] == 202
    assert fall[0, 150, 0] == 2


def test_each_image_and_channel_has_its_own_edges(levels):
    batch = np.stack([levels, 0.01 * levels, 7 + 0 * levels], axis=-1)[None]
    found = np.asarray(jax.jit(edges.canny)(batch))
    np.testing.assert_array_equal(found[0, ..., 1], edges.canny(levels[..., None])[..., 0])
    assert not found[..., 2].any()


def test_weak_edges_are_kept_only_beside_strong_ones():
    image = np.zeros((60, 60, 1))
    image[:, 30:] = np.linspace(0.05, 1, 60)[:, None, None]  # one edge that grows
    image[5:20, 5:15] = 0.05  # and a weak one apart
    found = np.asarray(edges.canny(image))[..., 0]
    assert found[10:55, 28:32].any(axis=1).all()
    assert not found[:, :20].any()
