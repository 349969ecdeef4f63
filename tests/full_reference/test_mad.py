"""MAD: the authors' values on crops of all golden pairs, and the two strategies by themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

SIZES = {"astronaut": (96, 101), "coffee": (97, 120), "rocket": (130, 90)}
AUTHORS = {  # MAD, HI and LO of MAD_index.m under GNU Octave, of crops from row and column 100 on
    "astronaut_block": (110.872094728, 95715.6230151, 4.20450674832),
    "astronaut_blur": (72.749370797, 16079.2095012, 2.70322639435),
    "astronaut_colour": (12.477482769, 147.579026672, 0.783441348999),
    "astronaut_contrast": (89.1149501963, 213304.538164, 2.99129043785),
    "astronaut_jpeg10": (58.1231886817, 5581.13427057, 2.38483939258),
    "astronaut_jpeg50": (22.6208770203, 394.846652676, 1.34798093257),
    "astronaut_noise": (55.3660543509, 11474.2019415, 1.84999690315),
    "coffee_block": (134.743641398, 747837.342771, 5.51119189257),
    "coffee_blur": (86.6089505573, 41902.3633356, 3.09957557161),
    "coffee_colour": (73.2420595186, 49230.5895956, 2.36085314498),
    "coffee_contrast": (71.9516305801, 350753.825523, 2.23177222147),
    "coffee_jpeg10": (64.7741819248, 6736.85240835, 2.71807188805),
    "coffee_jpeg50": (20.6362172715, 274.807813229, 1.42023720821),
    "coffee_noise": (63.7608877456, 12397.0714855, 2.29453394607),
    "rocket_block": (60.6905602873, 6183.94387058, 2.49320343898),
    "rocket_blur": (53.7585632568, 5392.24240015, 2.10880760439),
    "rocket_colour": (156.306587447, 332634.260121, 6.65923834876),
    "rocket_contrast": (35.2823930411, 1494.70766005, 1.57503954291),
    "rocket_jpeg10": (116.917663457, 7936.22106978, 6.9751083205),
    "rocket_jpeg50": (37.2007216197, 863.454118922, 2.25726648759),
    "rocket_noise": (91.4202875758, 30704.1140936, 3.50106945489),
}


def crops(pair, dtype=np.float64):
    height, width = SIZES[pair.split("_")[0]]
    images = goldens.pair_images(pair)
    return [image[100 : 100 + height, 100 : 100 + width].astype(dtype) for image in images]


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_authors_values(photograph):
    """The C helpers of the authors in MATLAB's language, the rest as published."""
    pairs = goldens.pairs_of(photograph)
    expected = np.array([AUTHORS[pair] for pair in pairs])
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-5)):
        x, y = (np.stack(images) for images in zip(*(crops(p, dtype) for p in pairs), strict=True))
        strategies = jiqa.mad_strategies(x, y, data_range=255)
        assert_allclose(jiqa.mad(x, y, data_range=255), expected[:, 0], rtol=tolerance)
        assert_allclose(strategies.detection, expected[:, 1], rtol=10 * tolerance)
        assert_allclose(strategies.appearance, expected[:, 2], rtol=10 * tolerance)


def test_the_published_pairs_of_tid2013(shared_data):
    """A change of saturation leaves luma almost as it is: no error is detected, so MAD is 0.

    A table that is passed on as official has 195.2796, 80.8379 and 30.3918 for these three pairs.
    The values here are what MAD_index.m gives under GNU Octave.
    """
    folder = shared_data / "data" / "tid2013_calibration"
    for name, value in (("i03_11_5", 152.717737), ("i04_18_5", 0.0), ("i06_18_3", 0.0)):
        reference = jiqa.images.read_image(folder / "ref" / f"{name[:3].upper()}.png")
        distorted = jiqa.images.read_image(folder / "dist" / f"{name}.png")
        score = jiqa.mad(reference.astype(float), distorted.astype(float), data_range=255)
        assert_allclose(score, value, rtol=1e-6)


def test_detection_sees_nothing_in_the_dark_or_below_the_threshold():
    x = np.zeros((48, 48, 1))
    dark = jiqa.mad_strategies(x, x + np.indices((48, 48)).sum(0)[..., None] % 2 * 0.003)
    assert dark.detection == 0
    assert dark.appearance > 0
    texture = 0.5 + 0.4 * np.sin(np.arange(48.0) * 2)[:, None, None] * np.ones((48, 48, 1))
    masked = jiqa.mad_strategies(texture, texture * 0.999)
    assert masked.detection == 0
    plain = np.full((48, 48, 1), 0.5)
    assert jiqa.mad_strategies(plain, plain + 0.05 * (texture - 0.5)).detection > 0


def test_order_matters():
    x, y = crops("astronaut_blur")
    assert abs(jiqa.mad(x, y, data_range=255) - jiqa.mad(y, x, data_range=255)) > 0.1


def test_gradient_leads_downhill():
    x, y = (jnp.asarray(image) / 255 for image in crops("coffee_jpeg10"))
    value, slope = jax.value_and_grad(lambda z: jiqa.mad(x, z))(y)
    step = 1e-4 / jnp.abs(slope).max()
    assert jiqa.mad(x, y - step * slope) < value


def test_small_images_are_a_clear_error():
    with pytest.raises(ValueError, match="mad: images are 33 x 40 pixels; at least 34 a side"):
        jiqa.mad(np.zeros((33, 40, 1)), np.zeros((33, 40, 1)))


def test_squares_of_two_regions_add_up_to_those_of_the_image():
    x, y = crops("astronaut_jpeg10")
    upper = np.zeros(x.shape[:2])
    upper[: len(x) // 2] = 3.0
    inner = upper[16:-17, 16:-17] > 0
    share = inner.mean()
    strategies = jiqa.mad_strategies(x, y, data_range=255)
    regions = [
        jiqa.mad_strategies(x, y, data_range=255, weights=weights)
        for weights in (upper, 3.0 - upper)
    ]
    for whole, one, other in zip(strategies, *regions, strict=True):
        assert_allclose(share * one**2 + (1 - share) * other**2, whole**2, rtol=1e-9)
        assert abs(one / other - 1) > 0.01


def test_map_has_the_score_of_an_even_distortion_and_shows_the_place():
    x, y = crops("astronaut_blur")
    left = np.where(np.arange(x.shape[1])[:, None] < 40, y, x)
    found = jiqa.mad_map(x, left, data_range=255)
    assert found.shape == (x.shape[0] - 33, x.shape[1] - 33)
    assert found[:, :10].mean() > 20 * found[:, -20:].mean()
    assert_allclose(jiqa.mad_map(x, x, data_range=255), 0)
