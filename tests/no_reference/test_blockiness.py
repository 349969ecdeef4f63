"""The JPEG quality score and its blockiness: the authors' values, flat images, blocks; spectra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

# jpeg_quality_score.m of the authors on rgb2gray of the image, under GNU Octave 7.3, and its B.
AUTHORS = {
    "astronaut_ref": (10.0230221217834, 6.55443948412698),
    "astronaut_block": (5.73415750241088, 13.3790457589286),
    "astronaut_blur": (7.50052096731045, 3.09024677579365),
    "astronaut_colour": (10.1546482818291, 6.37645709325397),
    "astronaut_contrast": (10.7850543620229, 3.94151475694444),
    "astronaut_jpeg10": (3.82912021183671, 11.2733754960317),
    "astronaut_jpeg50": (7.46405443130445, 7.88599020337302),
    "astronaut_noise": (9.6981205916637, 13.5411241319444),
    "coffee_ref": (10.4270296496932, 6.60594866071429),
    "coffee_block": (7.14769319747316, 11.4002036387472),
    "coffee_blur": (8.16095676243305, 2.09831845238095),
    "coffee_colour": (10.5308757033409, 6.10518521471088),
    "coffee_contrast": (11.2089376568334, 3.97667649872449),
    "coffee_jpeg10": (3.32184873913982, 9.99754561720522),
    "coffee_jpeg50": (7.75978039116632, 7.87968289399093),
    "coffee_noise": (9.7967674613835, 13.8250143494898),
    "rocket_ref": (10.5423635905489, 3.06761794182949),
    "rocket_block": (8.11673095353268, 4.5775606965904),
    "rocket_blur": (9.61667997275143, 0.699024098198022),
    "rocket_colour": (10.2640198375435, 3.56786376701105),
    "rocket_contrast": (11.2354144976386, 1.88847150561898),
    "rocket_jpeg10": (3.71643094809559, 4.24801601194118),
    "rocket_jpeg50": (7.78765656335477, 3.63110458444228),
    "rocket_noise": (10.0762044438887, 12.523336680721),
}


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_equals_the_authors_code(photograph):
    names = [name for name in AUTHORS if name.startswith(photograph)]
    images = np.stack([goldens.read(name) for name in names])
    for dtype, rtol in ((np.float64, 1e-12), (np.float32, 1e-4)):
        given = images.astype(dtype)
        scores = [
            metric(given, data_range=255, luma="matlab")
            for metric in (jiqa.jpeg_quality, jiqa.blockiness)
        ]
        assert_allclose(np.transpose(scores), [AUTHORS[name] for name in names], rtol=rtol)


def test_only_edges_between_whole_blocks_count():
    steps = np.zeros((32, 53))
    steps[:, 8:] += 0.25
    steps[:, 12:] += 0.5  # within a block
    steps[:, 40:] += 0.25
    steps[:, 48:] += 0.5  # before a block that is not whole
    # Two of five edges along rows, none along columns.
    assert_allclose(jiqa.blockiness(steps[..., None]), 255 * 0.25 * 2 / 5 / 2, rtol=1e-12)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_flat_image_has_nothing_to_measure(level):
    image = jnp.full((16, 24, 3), level)
    assert jiqa.jpeg_quality(image) == 0
    assert not jax.grad(jiqa.jpeg_quality)(image).any()


def test_small_images_are_an_error():
    with pytest.raises(ValueError, match="smaller than the 16 x 16 window"):
        jiqa.jpeg_quality(jnp.ones((15, 32, 1)))


def plain_spectral_blockiness(levels, median_size):
    parts = []
    for image in (levels, levels.T):
        steps = np.abs(np.diff(image, axis=1))
        length = steps.shape[1] // 8 * 8
        power = np.zeros(length)
        for row in steps[:, :length]:
            waves = np.exp(-2j * np.pi * np.outer(np.arange(length), np.arange(length)) / length)
            power += np.abs(waves @ row) ** 2 / length**2 / len(steps)
        half = median_size // 2
        for k in range(1, 8):
            peak = k * length // 8
            around = sorted(power[peak - half : peak + half + 1])
            parts.append(power[peak] - around[half])
    return 8 / 14 * sum(parts)


@pytest.mark.parametrize(("size", "median_size"), [((73, 80), 9), ((48, 61), 5), ((25, 26), 3)])
def test_spectral_definition(size, median_size, rng):
    levels = 255 * rng.random((*size, 3))
    score = jiqa.spectral_blockiness(levels, data_range=255, median_size=median_size)
    known = [plain_spectral_blockiness(levels[..., i], median_size) for i in range(3)]
    assert_allclose(score, np.mean(known), rtol=1e-10)


@pytest.mark.parametrize("offset", [0, 3])
def test_blocks_may_start_anywhere(offset):
    board = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((8, 8)))[offset : offset + 89, 2:91]
    score = jiqa.spectral_blockiness(0.5 + 0.1 * board[..., None])
    assert_allclose(score, 25.5**2 / 8, rtol=1e-12)


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_spectral_blockiness_grows_with_compression(photograph):
    names = [f"{photograph}_{name}" for name in ("ref", "jpeg50", "jpeg10")]
    images = np.stack([goldens.read(name)[5:300, 3:310] for name in names])
    reference, light, strong = jiqa.load("spectral_blockiness_y")(images)
    assert abs(reference) < 0.1 * strong
    assert reference < light < strong


def test_impossible_medians_are_errors():
    with pytest.raises(ValueError, match="median_size=4 must be an odd number"):
        jiqa.spectral_blockiness(jnp.ones((80, 80, 1)), median_size=4)
    with pytest.raises(ValueError, match="both sides must be at least 73"):
        jiqa.spectral_blockiness(jnp.ones((72, 80, 1)))
