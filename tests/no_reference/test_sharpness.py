"""JNB, CPBD, LPC-SI and S3: the authors' values and rules, maps, and what blur does."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

import jiqa
from jiqa.core import edges
from tests import goldens

# lpc_si.m of the authors on rgb2gray of the image, under GNU Octave 7.3.
LPC_SI = {
    "astronaut_ref": 0.976766875757151,
    "astronaut_blur": 0.924482879952264,
    "astronaut_jpeg10": 0.974459037851701,
    "coffee_ref": 0.978129279954345,
    "coffee_blur": 0.928024511713208,
    "coffee_jpeg10": 0.973490095309959,
    "rocket_ref": 0.971192444291667,
    "rocket_blur": 0.914963535440177,
    "rocket_jpeg10": 0.974717605377126,
}
# s3_map.m of the authors on rows 1 to 75 and columns 201 to 278 of rgb2gray of the image: the mean
# of the spectral map, the mean of the whole, and the mean of its 58 highest values of 5850.
S3 = {
    "astronaut_ref": (0.493730698901254, 0.292180862719313, 0.468333619843016),
    "astronaut_blur": (0.0147924922703174, 0.0226210120703907, 0.0421810235112361),
    "astronaut_noise": (0.707677888178243, 0.40164160460986, 0.531487056960547),
    "coffee_ref": (0.167918353837716, 0.126212775951533, 0.487451363228759),
    "coffee_blur": (0.0166204943847537, 0.0192990205663617, 0.0373189193905842),
    "coffee_noise": (0.668004068246472, 0.34335454253894, 0.636037526200696),
    "rocket_ref": (0, 0, 0),
    "rocket_noise": (0.908002650666059, 0.350467528263468, 0.418209033820189),
}


def gray(name):
    """Luma as MATLAB rounds it."""
    return np.floor(goldens.read(name) @ [0.298936, 0.587043, 0.114021] + 0.5)


def blocks_with_edges(levels, canny):
    for i in range(0, levels.shape[0] - 63, 64):
        for j in range(0, levels.shape[1] - 63, 64):
            here = np.s_[i : i + 64, j : j + 64]
            if canny(levels, here).sum() > 0.002 * 64 * 64:
                yield here


def plain_widths(levels, found, *, both_falls):
    """Widths of the edges `found` whose gradient is nearly level, as the authors' loops have it."""
    down, across = np.gradient(levels)
    degrees = np.where(across == 0, 0, np.degrees(np.arctan2(down, across)))
    rise, fall = (np.asarray(width)[..., 0] for width in edges.edge_widths(levels[..., None]))
    falls = (np.abs(degrees) if both_falls else degrees) > 157.5
    width = np.where(np.abs(degrees) < 22.5, rise, np.where(falls, fall, 0)) * found
    return np.pad(width[1:-1, 1:-1], 1)


def canny_of(levels):
    return np.asarray(edges.canny(levels[..., None]))[..., 0]


def vertical_edges_of(levels, threshold=None):
    return np.asarray(edges.vertical_edges(levels[..., None], threshold))[..., 0]


@pytest.mark.parametrize("name", ["astronaut_ref", "coffee_blur", "coffee_noise"])
def test_cpbd_is_the_authors_loop(name):
    levels = gray(name)[:135, 100:270]
    canny = canny_of(levels)
    width = plain_widths(levels, vertical_edges_of(levels, 2.0), both_falls=True)
    histogram = np.zeros(101)
    for here in blocks_with_edges(levels, lambda _, here: canny[here]):
        noticeable = 5 if np.ptp(levels[here]) + 1 <= 51 else 3
        seen = width[here][width[here] > 0]
        probability = 1 - np.exp(-((seen / noticeable) ** 3.6))
        np.add.at(histogram, np.floor(100 * probability + 0.5).astype(int), 1)
    known = histogram[:64].sum() / histogram.sum()
    assert 0 < known < 1
    assert_allclose(jiqa.cpbd(levels[..., None], data_range=255), known, rtol=1e-12)
    single = levels[..., None].astype(np.float32) / 255
    assert_allclose(jiqa.cpbd(single), known, rtol=1e-6)


@pytest.mark.parametrize("name", ["astronaut_ref", "coffee_blur", "coffee_noise"])
def test_jnb_is_the_authors_loop(name):
    levels = gray(name)[:135, 100:270]
    blur = []
    for here in blocks_with_edges(levels, lambda levels, here: canny_of(levels[here])):
        block = levels[here]
        width = plain_widths(block, vertical_edges_of(block), both_falls=False)
        noticeable = 5 if np.ptp(block) + 1 <= 60 else 3
        blur.append(np.sum((width / noticeable) ** 3.6) ** (1 / 3.6))
    known = 4 / np.sum(np.array(blur) ** 3.6) ** (1 / 3.6)
    assert_allclose(jiqa.jnb(levels[..., None], data_range=255), known, rtol=1e-12)
    single = levels[..., None].astype(np.float32) / 255
    assert_allclose(jiqa.jnb(single), known, rtol=1e-6)


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_lpc_si_equals_the_authors_code(photograph):
    names = [name for name in LPC_SI if name.startswith(photograph)]
    known = [LPC_SI[name] for name in names]
    images = np.stack([goldens.read(name) for name in names])
    assert_allclose(jiqa.lpc_si(images.astype(float), data_range=255), known, rtol=1e-12)
    assert_allclose(jiqa.lpc_si(images), known, rtol=1e-4)


def test_map_of_lpc_is_its_definition(rng):
    image = rng.random((33, 40, 1))
    assert jiqa.lpc_si_map(image).shape == (29, 36)
    ranked = np.sort(np.ravel(jiqa.lpc_si_map(image)))[::-1]
    weights = np.exp(-np.arange(ranked.size) / (ranked.size - 1) / 1e-2)
    known = np.sum(weights * ranked) / np.sum(weights)
    assert_allclose(jiqa.lpc_si(image, decay=1e-2), known, rtol=1e-12)


@pytest.mark.parametrize("name", S3)
def test_s3_equals_the_authors_code(name):
    levels = gray(name)[:75, 200:278, None]
    _, mean, highest = S3[name]
    sharpness = np.asarray(jiqa.s3_map(levels, data_range=255))
    assert_allclose(sharpness.mean(), mean, rtol=1e-12)
    assert_allclose(np.sort(sharpness.ravel())[-58:].mean(), highest, rtol=1e-12)
    single = jiqa.s3(levels.astype(np.float32), data_range=255, percent=100)
    assert_allclose(single, mean, rtol=1e-4)


def test_s3_averages_the_highest_share_of_its_map(rng):
    image = rng.random((40, 50, 1))
    ranked = np.sort(np.ravel(jiqa.s3_map(image)))
    assert_allclose(jiqa.s3(image), ranked[-20:].mean(), rtol=1e-12)
    assert_allclose(jiqa.s3(image, percent=50), ranked[-1000:].mean(), rtol=1e-12)


@pytest.mark.parametrize("name", ["jnb", "cpbd", "lpc_si", "s3"])
def test_blur_is_less_sharp(name):
    levels = gray("astronaut_ref")[100:292, 150:342]
    scores = [
        jiqa.load(name)(ndimage.gaussian_filter(levels, sigma)[..., None], data_range=255)
        for sigma in (0.5, 1.5, 3.0)
    ]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("name", ["jnb", "cpbd"])
def test_without_edges_sharpness_is_zero(name):
    assert jiqa.load(name)(jnp.full((70, 70, 3), 0.4)) == 0


@pytest.mark.parametrize(("name", "size"), [("jnb", 64), ("cpbd", 64), ("s3", 17)])
def test_small_images_are_an_error(name, size):
    with pytest.raises(ValueError, match=f"smaller than the {size} x {size} window"):
        jiqa.load(name)(jnp.ones((size - 1, 80, 1)))


@pytest.mark.parametrize("name", ["lpc_si", "s3"])
def test_weights_choose_among_the_sharpest(name, rng):
    """Sharp on one side alone: each side has its own score."""
    image = np.full((64, 128, 1), 0.5)
    image[:, 64:] += 0.4 * (rng.random((64, 64, 1)) > 0.5)
    metric = jiqa.load(name)
    left = np.broadcast_to(np.arange(128) < 40, (64, 128))
    right = np.broadcast_to(np.arange(128) >= 64, (64, 128))
    scores = [metric(image, weights=weights) for weights in (left, None, right)]
    assert scores[0] < 0.2 * scores[1]
    assert scores[2] > 0.8 * scores[1]
