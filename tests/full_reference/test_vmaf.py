"""VMAF and ADM against libvmaf: its floating-point extractors and models, on videos of one frame.

The values are those that libvmaf 86da14d prints, as built into FFmpeg n9.0.2, for the luma planes
of the golden pairs. It computes in single precision with an approximate logarithm, and a place is
flat or not by a threshold: that moves its features by up to 2e-4, and so scores by 0.01, most on
the rocket's dark sky.
"""

import json
from importlib import resources

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

LIBVMAF = {  # vmaf_float_v0.6.1, ...neg, vmaf_float_4k_v0.6.1, and the first transformed for phones
    "astronaut_block": (33.221767, 30.711830, 53.468329, 51.277731),
    "astronaut_blur": (25.862074, 25.384926, 45.038309, 41.638615),
    "astronaut_colour": (74.055123, 69.630125, 82.906323, 90.878294),
    "astronaut_contrast": (5.158162, 5.157252, 26.478400, 10.424339),
    "astronaut_jpeg10": (72.411763, 70.146720, 82.456050, 89.738788),
    "astronaut_jpeg50": (92.016523, 90.738327, 95.804959, 100.000000),
    "astronaut_noise": (84.236982, 82.751955, 90.828735, 97.089191),
    "coffee_block": (33.179472, 31.696122, 53.176017, 51.224520),
    "coffee_blur": (29.024523, 28.627372, 47.257823, 45.874148),
    "coffee_colour": (66.303028, 59.642616, 76.256528, 85.168990),
    "coffee_contrast": (4.324302, 4.323488, 26.172157, 9.040500),
    "coffee_jpeg10": (66.965295, 64.712707, 79.200555, 85.689856),
    "coffee_jpeg50": (90.108289, 88.921912, 94.368917, 100.000000),
    "coffee_noise": (84.243332, 82.244149, 91.306705, 97.092608),
    "rocket_block": (42.323614, 39.526864, 58.525272, 62.141815),
    "rocket_blur": (34.100199, 33.751850, 50.333014, 52.377189),
    "rocket_colour": (75.942685, 52.762482, 85.445618, 92.140123),
    "rocket_contrast": (19.168291, 19.165837, 38.231282, 32.208167),
    "rocket_jpeg10": (66.622804, 63.607457, 77.328295, 85.421263),
    "rocket_jpeg50": (89.826524, 88.052024, 93.994013, 99.877030),
    "rocket_noise": (83.532848, 81.390059, 89.846861, 96.706741),
}
OPTIONS = ({}, {"model": "vmaf_v0.6.1neg"}, {"model": "vmaf_4k_v0.6.1"}, {"phone": True})


def luma_planes(photograph):
    """The pairs of a photograph as 8-bit planes of BT.709, 16 to 235, as floats."""
    pairs = [goldens.pair_images(pair) for pair in goldens.pairs_of(photograph)]
    weights = np.array([0.2126, 0.7152, 0.0722]) * 219 / 255
    planes = np.round(16 + np.array(pairs) @ weights)[..., None]
    return planes[:, 0], planes[:, 1]


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_scores_equal_libvmaf_on_all_pairs(photograph):
    planes = luma_planes(photograph)
    known = np.array([LIBVMAF[pair] for pair in goldens.pairs_of(photograph)])
    for options, expected in zip(OPTIONS, known.T, strict=True):
        assert_allclose(jiqa.vmaf(*planes, data_range=255, **options), expected, atol=0.012)
    single = jiqa.vmaf(*(plane.astype(np.float32) for plane in planes), data_range=255)
    assert single.dtype == np.float32
    # The regression divides by a slope of 0.012, which magnifies rounding.
    assert_allclose(single, known[:, 0], atol=0.03)


# adm2 and vif_scale0 to 3, then adm_scale0 to 3, of crops from row and column 100 on.
CROPS = {
    ("coffee_block", 97, 130, ""): (
        (0.825634, 0.360153, 0.502611, 0.546402, 0.595599),
        (0.939472, 0.851582, 0.796517, 0.818407),
    ),
    ("coffee_block", 97, 130, "neg"): (
        (0.797508, 0.354084, 0.488156, 0.533585, 0.584373),
        (0.933714, 0.818508, 0.73355, 0.805543),
    ),
    ("astronaut_noise", 33, 40, ""): (
        (0.863053, 0.200246, 0.999275, 1.024467, 1.077136),
        (1.007222, 0.885115, 0.74863, 0.732908),
    ),
    ("astronaut_noise", 33, 40, "neg"): (
        (0.840804, 0.188319, 0.988166, 0.993826, 0.984219),
        (0.939625, 0.885115, 0.74863, 0.732908),
    ),
}


@pytest.mark.parametrize("crop", CROPS)
def test_features_of_odd_and_small_images_equal_libvmaf(crop):
    pair, height, width, variant = crop
    fused, scales = CROPS[crop]
    index = goldens.pairs_of(pair.split("_")[0]).index(pair)
    window = (index, slice(100, 100 + height), slice(100, 100 + width))
    images = [planes[window] for planes in luma_planes(pair.split("_")[0])]
    features = jiqa.vmaf_features(*images, data_range=255, model=f"vmaf_v0.6.1{variant}")
    # libvmaf's logarithm and single precision (VIF), and the six digits that it prints (ADM).
    assert_allclose([features.adm2, *features[2:]], fused, atol=2e-5)
    assert features.motion2 == 0
    limit = 1.0 if variant else 100.0
    assert_allclose(jiqa.adm(*images, data_range=255, gain_limit=limit), fused[0], atol=1e-6)
    by_scale = jiqa.adm_scales(*images, data_range=255, gain_limit=limit)
    assert_allclose(by_scale, scales, atol=1.5e-6)


@pytest.mark.parametrize("model", ["vmaf_v0.6.1", "vmaf_4k_v0.6.1"])
def test_regression_is_that_of_the_published_file(model, rng):
    reference = rng.random((64, 70, 1))
    images = reference, np.clip(reference + 0.03 * rng.standard_normal(reference.shape), 0, 1)
    path = resources.files("jiqa.full_reference") / "data" / f"{model}.json"
    published = json.loads(path.read_text())["model_dict"]
    slopes, intercepts = published["slopes"], published["intercepts"]
    features = jiqa.vmaf_features(*images, model=model)
    x = [s * f + i for s, f, i in zip(slopes[1:], features, intercepts[1:], strict=True)]
    total = 0.0
    for line in published["model"].split("SV\n")[1].splitlines():
        coefficient, *entries = line.split()
        vector = dict(entry.split(":") for entry in entries)
        squared = sum((x[i] - float(vector.get(str(i + 1), 0))) ** 2 for i in range(6))
        total += float(coefficient) * np.exp(-0.04 * squared)
    bias = float(published["model"].split("rho ")[1].split("\n")[0])
    expected = (total - bias - intercepts[0]) / slopes[0]
    assert 0 < expected < 100
    assert_allclose(jiqa.vmaf(*images, model=model), expected, rtol=1e-9)


def test_luma_of_color_images(rng):
    """Unrounded BT.709 of 16 to 235, however the image is given."""
    reference = rng.random((40, 48, 3))
    images = reference, np.clip(reference + 0.05 * rng.standard_normal(reference.shape), 0, 1)
    planes = [(16 + 219 * image @ [0.2126, 0.7152, 0.0722])[..., None] for image in images]
    for metric in (jiqa.vmaf, jiqa.adm):
        assert_allclose(metric(*images), metric(*planes, data_range=255), rtol=1e-9)
        channels = [metric(*(image[..., [c]] for image in images)) for c in range(3)]
        assert_allclose(metric(*images, luma=None), np.mean(channels), rtol=1e-9)


def test_enhanced_contrast_counts_up_to_the_limit(rng):
    reference = 0.25 + 0.5 * rng.random((48, 50, 1))
    enhanced = 1.5 * (reference - 0.5) + 0.5
    none, some, all_of_it, free = (
        jiqa.adm(reference, enhanced, gain_limit=limit) for limit in (1.0, 1.25, 1.5 + 1e-9, 100.0)
    )
    assert none < 1  # what is beyond the limit masks the rest
    assert none < some < all_of_it < 1.5
    assert_allclose(all_of_it, free, rtol=1e-9)


def test_the_finest_detail_is_lost_to_the_eye_from_afar(rng):
    reference = rng.random((64, 64, 1))
    blurred = (reference + np.roll(reference, 1, 0)) / 2
    near, far = (jiqa.adm(reference, blurred, view_distance=d) for d in (3.0, 12.0))
    assert near < far
    taller = jiqa.adm(reference, blurred, view_distance=6.0, display_height=2160)
    assert_allclose(taller, far, rtol=1e-12)


def test_errors():
    image = jnp.ones((48, 48, 1))
    with pytest.raises(ValueError, match=r"model='vmaf' is unknown; use one of vmaf_v0\.6\.1,"):
        jiqa.vmaf(image, image, model="vmaf")
    with pytest.raises(ValueError, match="model='v1' is unknown"):
        jiqa.vmaf_features(image, image, model="v1")
    with pytest.raises(ValueError, match="no transform for phones"):
        jiqa.vmaf(image, image, model="vmaf_4k_v0.6.1", phone=True)
    with pytest.raises(ValueError, match=r"adm: .* 31 x 48 pixels; at least 32"):
        jiqa.vmaf(image[:31], image[:31])


def test_weights_look_at_a_side(rng):
    """Damage to the left is not seen from the right, where it is beyond all filters."""
    x = rng.random((40, 300, 1))
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    damaged = np.where(np.arange(300)[:, None] < 80, 0.5, y)
    right = np.broadcast_to(np.arange(300) >= 200, (40, 300))
    for metric in (jiqa.adm, jiqa.vmaf):
        clean = metric(x, y, weights=right)
        assert_allclose(metric(x, damaged, weights=right), clean, rtol=1e-9)
        assert metric(x, damaged) < 0.95 * metric(x, y)
    by_scale = jiqa.adm_scales(x, y, weights=right)
    assert_allclose(jiqa.adm_scales(x, damaged, weights=right), by_scale, rtol=1e-9)
