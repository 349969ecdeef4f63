"""PSNR-HVS and PSNR-HVS-M: the authors' values, a plain definition, overlap, weights, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.fft import dctn

import jiqa
from jiqa.full_reference.psnr_hvs import MASKING, SENSITIVITY
from tests import goldens

# psnrhvsm.m of the authors on rgb2gray of both images, under GNU Octave 7.3: PSNR-HVS, PSNR-HVS-M.
AUTHORS = {
    "astronaut_block": (16.3807117288935, 16.7432505508079),
    "astronaut_blur": (20.2980636313475, 21.6323538090556),
    "astronaut_colour": (25.141967790441, 25.5875382598117),
    "astronaut_contrast": (14.1224661378687, 14.3002718123641),
    "astronaut_jpeg10": (26.3449458155052, 29.2614938505615),
    "astronaut_jpeg50": (36.5385320704875, 43.6950472311509),
    "astronaut_noise": (28.0342743553497, 31.0053325831292),
    "coffee_block": (18.6654825788818, 19.1105654920454),
    "coffee_blur": (22.4307601243837, 23.9902045830469),
    "coffee_colour": (19.246188303056, 19.3389276481956),
    "coffee_contrast": (16.2902312280763, 16.466174173329),
    "coffee_jpeg10": (26.1289174583254, 28.4369267899493),
    "coffee_jpeg50": (35.8101267918589, 42.5962073546218),
    "coffee_noise": (28.330816476651, 31.3843940117042),
    "rocket_block": (24.4471523018582, 25.0047145738576),
    "rocket_blur": (26.4818350687696, 28.0257273505339),
    "rocket_colour": (15.6005372100675, 15.6489473978445),
    "rocket_contrast": (22.0097714679302, 22.232310793968),
    "rocket_jpeg10": (29.4593545214086, 31.4979360814847),
    "rocket_jpeg50": (39.0072470922472, 43.7890010095426),
    "rocket_noise": (28.1315968387848, 30.5244510301591),
}
# The same with blocks every five pixels, on the first 90 x 101 pixels of the pair "block".
AUTHORS_STEP_5 = {
    "astronaut": (14.5712170938285, 15.1268013983227),
    "coffee": (24.173433537716, 24.9839378794999),
    "rocket": (34.9301660890933, 36.3625193470902),
}


@pytest.mark.parametrize("pair", goldens.PAIRS)
def test_equals_the_authors_code(pair):
    x, y = goldens.pair_images(pair)
    for dtype, rtol in ((np.float64, 1e-12), (np.float32, 1e-5)):
        images = x.astype(dtype), y.astype(dtype)
        scores = [
            metric(*images, data_range=255, luma="matlab")
            for metric in (jiqa.psnr_hvs, jiqa.psnr_hvs_m)
        ]
        assert_allclose(scores, AUTHORS[pair], rtol=rtol)


@pytest.mark.parametrize("photograph", AUTHORS_STEP_5)
def test_overlapping_blocks_equal_the_authors_code(photograph):
    x, y = (image[:90, :101].astype(float) for image in goldens.pair_images(f"{photograph}_block"))
    scores = [
        metric(x, y, data_range=255, luma="matlab", step=5)
        for metric in (jiqa.psnr_hvs, jiqa.psnr_hvs_m)
    ]
    assert_allclose(scores, AUTHORS_STEP_5[photograph], rtol=1e-12)


def test_definition_of_the_sensitivity_weighted_error(rng):
    x, y = rng.random((2, 19, 26))
    errors = [
        np.mean((dctn((x - y)[i : i + 8, j : j + 8], norm="ortho") * SENSITIVITY) ** 2)
        for i in (0, 8)
        for j in (0, 8, 16)
    ]
    ours = jiqa.psnr_hvs(x[..., None], y[..., None])
    assert_allclose(ours, -10 * np.log10(np.mean(errors)), rtol=1e-12)


def test_tables_are_the_papers():
    assert_allclose(
        SENSITIVITY[0],
        [1.608443, 2.339554, 2.573509, 1.608443, 1.072295, 0.643377, 0.504610, 0.421887],
        rtol=0,
        atol=1e-12,
    )
    assert_allclose(
        MASKING[:, 0],
        [0.390625, 0.694444, 0.510204, 0.510204, 0.308642, 0.173611, 0.041649, 0.019290],
        rtol=0,
        atol=1e-12,
    )


def test_channels_share_one_error(rng):
    x, y = rng.random((2, 16, 16, 3))
    each = [10 ** (-jiqa.psnr_hvs(x[..., c : c + 1], y[..., c : c + 1]) / 10) for c in range(3)]
    assert_allclose(jiqa.psnr_hvs(x, y), -10 * np.log10(np.mean(each)), rtol=1e-12)


def test_weights_count_by_blocks(rng):
    x, y = rng.random((2, 16, 27, 1))
    weights = np.zeros((16, 27))
    weights[3, 9] = 1.0  # chooses the second block of the first row, whatever the place within
    alone = jiqa.psnr_hvs_m(x[:8, 8:16], y[:8, 8:16])
    assert_allclose(jiqa.psnr_hvs_m(x, y, weights=weights), alone, rtol=1e-12)


def test_masked_differences_are_invisible(rng):
    x = rng.random((16, 16, 1))
    y = x + 1e-4 * np.cos(np.pi * np.arange(16))[:, None, None]
    assert jiqa.psnr_hvs_m(x, y) > 300  # the mean of blocks is not masked, and rounds
    assert jiqa.psnr_hvs(x, y) < 120
    assert not jax.grad(lambda y: jiqa.as_loss("psnr_hvs_m")(x, y))(y).any()


def test_errors():
    image = jnp.ones((16, 16, 1))
    with pytest.raises(ValueError, match="smaller than the 8 x 8 window"):
        jiqa.psnr_hvs(image[:7], image[:7])
    with pytest.raises(ValueError, match="step=0 must be a positive"):
        jiqa.psnr_hvs_m(image, image, step=0)


def test_the_mean_of_the_error_map_is_the_error(rng):
    x, y = rng.random((2, 19, 26, 3))
    for metric, to_map in (
        (jiqa.psnr_hvs, jiqa.psnr_hvs_error_map),
        (jiqa.psnr_hvs_m, jiqa.psnr_hvs_m_error_map),
    ):
        errors = to_map(x, y)
        assert errors.shape == (2, 3)
        assert_allclose(metric(x, y), -10 * np.log10(errors.mean()), rtol=1e-12)
