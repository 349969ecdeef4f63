"""Butteraugli: the values of libjxl, its map and norms, small images, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

# Largest difference and 3-norm that `butteraugli_main` of libjxl 0.11.2 (Debian) prints for the
# images as PNG. It computes in single precision and approximates the logarithm.
LIBJXL = {
    "astronaut_block": (105.609268, 27.662436),
    "astronaut_blur": (14.1606579, 5.803103),
    "astronaut_colour": (22.5916538, 12.375178),
    "astronaut_contrast": (40.2663345, 23.127526),
    "astronaut_jpeg10": (10.2944365, 4.248804),
    "astronaut_jpeg50": (3.91192245, 1.604372),
    "astronaut_noise": (8.49650383, 4.249253),
    "coffee_block": (94.0945358, 24.375538),
    "coffee_blur": (15.0822668, 5.616433),
    "coffee_colour": (36.2756538, 21.605094),
    "coffee_contrast": (36.9826965, 22.275208),
    "coffee_jpeg10": (11.3019295, 4.510683),
    "coffee_jpeg50": (4.91151047, 1.875642),
    "coffee_noise": (9.31183529, 4.234386),
    "rocket_block": (43.4391785, 12.801183),
    "rocket_blur": (11.0223064, 4.184567),
    "rocket_colour": (39.4564743, 22.806143),
    "rocket_contrast": (30.8513603, 13.400047),
    "rocket_jpeg10": (8.25113869, 3.771187),
    "rocket_jpeg50": (4.89803171, 1.644288),
    "rocket_noise": (9.77786827, 5.616704),
}


def part(pair, rows, columns):
    return tuple(image[rows, columns] / 255.0 for image in goldens.pair_images(pair))


def norm(local, p=3.0, weights=None):
    """Pooling as in libjxl."""
    return np.mean([np.average(local**q, weights=weights) ** (1 / q) for q in (p, 2 * p, 4 * p)])


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_map_equals_libjxl(photograph):
    for pair in goldens.pairs_of(photograph):
        local = np.asarray(jiqa.butteraugli_map(*(x / 255.0 for x in goldens.pair_images(pair))))
        assert_allclose((local.max(), norm(local)), LIBJXL[pair], rtol=5e-5)


def test_single_precision_equals_libjxl():
    score = jiqa.load("butteraugli_p3")(*goldens.pair_images("rocket_jpeg50"))
    assert score.dtype == jnp.float32
    assert_allclose(score, LIBJXL["rocket_jpeg50"][1], rtol=5e-5)


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({}, [(7.5413579941, 4.098181, 3.89731), (8.8463144302, 5.867605, 5.762837)]),
        ({"intensity_target": 250.0}, [(11.019490242, 5.470072), (13.3139877319, 8.718821)]),
    ],
)
def test_brightness_and_norms_equal_libjxl_on_odd_sizes(options, known):
    pairs = [
        part(pair, slice(49, 170), slice(59, 212)) for pair in ("astronaut_jpeg10", "rocket_noise")
    ]
    reference, distorted = (np.stack(images) for images in zip(*pairs, strict=True))
    maps = np.asarray(jiqa.butteraugli_map(reference, distorted, **options))
    for local, values in zip(maps, known, strict=True):
        found = (local.max(), norm(local), norm(local, 2.0))[: len(values)]
        assert_allclose(found, values, rtol=5e-5)


def test_grey_images_equal_libjxl():
    reference, distorted = part("coffee_jpeg10", slice(49, 170), slice(59, 212))
    local = jiqa.butteraugli_map(reference[..., 1:2], distorted[..., 1:2])
    assert_allclose(local.max(), 10.9848842621, rtol=5e-5)


@pytest.mark.parametrize(("side", "known"), [(14, 5.0763888359), (15, 5.9553289413)])
def test_small_images_equal_libjxl(side, known):
    """From 15 pixels on the halved images count too."""
    pair = part("coffee_jpeg10", slice(100, 100 + side), slice(100, 103 + side))
    assert_allclose(jiqa.butteraugli(*pair), known, rtol=5e-5)


def test_norms_pool_the_map(rng):
    reference = rng.random((2, 9, 12, 3))
    distorted = np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1)
    local = np.asarray(jiqa.butteraugli_map(reference, distorted))
    assert local.shape == (2, 9, 12)
    weights = rng.random((9, 12)) * (np.arange(12) > 7)
    largest = jiqa.butteraugli(reference, distorted, weights=weights)
    assert_allclose(largest, local[..., 8:].max((1, 2)), rtol=1e-12)
    for given in (None, weights):
        score = jiqa.butteraugli(reference, distorted, norm=2.5, weights=given)
        assert_allclose(score, [norm(each, 2.5, given) for each in local], rtol=1e-12)


def test_order_matters(rng):
    smooth, rough = np.full((9, 12, 3), 0.5), 0.5 + 0.1 * rng.standard_normal((9, 12, 3))
    assert jiqa.butteraugli(smooth, rough) > 1.2 * jiqa.butteraugli(rough, smooth)


def test_gradient_with_the_halved_images(rng):
    reference = 0.1 + 0.8 * rng.random((16, 18, 3))
    distorted = np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0.05, 0.95)
    direction = rng.standard_normal(reference.shape)

    @jax.jit
    @jax.value_and_grad
    def along(step):
        return jiqa.butteraugli(reference, distorted + step * direction, norm=3.0)

    difference = (along(1e-6)[0] - along(-1e-6)[0]) / 2e-6
    assert_allclose(along(0.0)[1], difference, rtol=1e-6)


def test_high_powers_stay_in_single_precision():
    """Far differences to the power 4 p would leave the range of float32."""
    reference = jnp.zeros((9, 12, 3), jnp.float32)
    distorted = jnp.stack([reference + 1, reference.at[3, 4].set(1e-5)])
    reference = jnp.stack([reference, reference])
    score, pull_back = jax.vjp(lambda y: jiqa.butteraugli(reference, y, norm=8.0), distorted)
    (slope,) = pull_back(jnp.ones(2, jnp.float32))
    assert jnp.isfinite(slope).all()
    assert (jnp.abs(slope).max((1, 2, 3)) > 0).all()
    assert jnp.isfinite(score).all()
    assert (score > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 0.0}, "norm=0.0 must be positive"),
        ({"norm": float("nan")}, "norm=nan must be positive"),
        ({"intensity_target": -1.0}, "positive number of nits"),
    ],
)
def test_impossible_options_are_errors(options, message):
    image = jnp.ones((16, 16, 3))
    with pytest.raises(ValueError, match=message):
        jiqa.butteraugli(image, image, **options)


def test_too_small_images_are_an_error():
    with pytest.raises(ValueError, match="both sides must be at least 8"):
        jiqa.butteraugli(jnp.ones((7, 20, 3)), jnp.ones((7, 20, 3)))
