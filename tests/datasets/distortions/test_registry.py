"""Distortions are pure, do the same in every way they are called, and check what they are given."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jiqa.datasets.distortions import (
    FAMILIES,
    LEVELS,
    distort,
    find_distortion,
    list_distortions,
)

# One of every mechanism: filters, Fourier transforms, masks, whole numbers, loops, the host,
# bisection, and all of them.
NAMES = [
    "kadid_gaussian_blur",
    "kadid_motion_blur",
    "kadid_color_shift",
    "kadid_color_quantization",
    "kadid_jpeg2000",
    "kadid_jpeg",
    "kadid_impulse_noise",
    "kadid_denoise",
    "kadid_quantization",
    "kadid_color_block",
    "tid_white_noise",
    "tid_jpeg2000_transmission",
    "tid_local_blocks",
    "dbcnn_pink_noise",
    "camera_chain",
]


@pytest.fixture(scope="module")
def images():
    y, x = np.mgrid[:37, :43] / 40
    smooth = np.stack([x, y, 1 - x * y], -1) * 0.8
    noise = 0.2 * np.random.default_rng(0).random((2, 37, 43, 3))
    return jnp.asarray(np.clip(smooth + noise, 0, 1), jnp.float32)


def test_families_are_complete():
    numbers = {family: [] for family in FAMILIES}
    for name in list_distortions():
        found = find_distortion(name)
        numbers[found.family].append(found.number)
        assert len(found.levels) == 5
        assert sorted(found.severity) == list(LEVELS)
        assert found.summary
        assert (found.between is not None) == (found.family == "tid")
    assert numbers == {
        "kadid": list(range(1, 26)),
        "tid": list(range(1, 25)),
        "dbcnn": list(range(1, 10)),
        "camera": list(range(1, 6)),
    }


@pytest.mark.parametrize("name", NAMES)
def test_batch_equals_images_and_keys_decide(images, name):
    keys = jax.random.split(jax.random.key(5), 2)
    together = distort(images, name, 4, keys)
    single = [distort(image, name, 4, key) for image, key in zip(images, keys, strict=True)]
    assert together.shape == images.shape
    # Sums in another order move a sample across a threshold of rounding now and then.
    # A strength that is searched for differs a little too.
    difference = np.abs(together - jnp.stack(single))
    assert np.mean(difference > (1e-3 if name.startswith("tid") else 1e-5)) < 2e-3
    again = distort(images[0], name, 4, keys[0])
    assert_array_equal(again, single[0])
    if find_distortion(name).random:
        other = distort(images[0], name, 4, keys[1])
        assert np.abs(other - again).max() > 1e-3


@pytest.mark.parametrize("name", ["kadid_gaussian_blur", "kadid_white_noise", "kadid_jpeg2000"])
def test_under_jit_vmap_and_eagerly(images, name):
    keys = jax.random.split(jax.random.key(5), 2)
    expected = distort(images, name, 2, keys)
    mapped = jax.vmap(lambda image, key: distort(image, name, 2, key))(images, keys)
    assert_allclose(mapped, expected, atol=1e-6)
    compiled = jax.jit(lambda image, key: distort(image, name, 2, key))(images[0], keys[0])
    assert_allclose(compiled, expected[0], atol=1e-6)
    with jax.disable_jit():
        assert_allclose(distort(images[0], name, 2, keys[0]), expected[0], atol=1e-6)


def test_one_key_is_folded_with_the_index(images):
    key = jax.random.key(3)
    together = distort(images, "kadid_white_noise", 2, key)
    alone = distort(images[1], "kadid_white_noise", 2, jax.random.fold_in(key, 1))
    assert_array_equal(together[1], alone)
    old = distort(images, "kadid_white_noise", 2, jax.random.PRNGKey(3))
    assert_array_equal(old, together)
    nested = distort(images[None], "kadid_white_noise", 2, key)
    assert_array_equal(nested[0], together)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "bfloat16", "float64"])
def test_dtype_is_kept(images, dtype):
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    given = np.asarray(images[0], np.float64) * top
    given = jnp.asarray(given.round() if top > 1 else given).astype(dtype)
    found = distort(given, "kadid_darken", 3)
    assert found.dtype == dtype
    expected = distort(images[0], "kadid_darken", 3)
    step = {"uint8": 1.5 / 255, "uint16": 1e-4, "float16": 1e-3, "bfloat16": 1e-2}.get(dtype, 1e-6)
    assert_allclose(np.asarray(found, float) / top, expected, atol=step)


@pytest.mark.parametrize("name", ["kadid_jpeg", "kadid_jpeg2000", "tid_displaced_patches"])
def test_grey_images(images, name):
    found = distort(images[..., :1], name, 3, jax.random.key(0))
    assert found.shape == (2, 37, 43, 1)
    assert float(jnp.abs(found - images[..., :1]).max()) > 0


def test_stretch(images):
    narrow = 0.25 + images[0] / 2
    found = distort(narrow, "kadid_mean_shift", 3, stretch=True)
    assert (float(found.min()), float(found.max())) == (0, 1)
    flat = jnp.full((8, 8, 3), 0.5)
    assert_array_equal(distort(flat, "kadid_mean_shift", 3, stretch=True), flat)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "kadid_jpg"}, "did you mean kadid_jpeg"),
        ({"level": 0}, "level=0; levels are 1 to 5"),
        ({"level": 2.5}, "level=2.5; levels are 1 to 5"),
        ({"level": True}, "level=True; levels are 1 to 5"),
        ({"key": None}, "kadid_white_noise is random: give a key"),
        ({"key": jax.random.split(jax.random.key(0), 3)}, r"shape \(3,\); give one key"),
        ({"images": np.zeros((8, 8))}, "Add the channel axis"),
        ({"images": np.full((8, 8, 3), 200.0)}, "divide by 255"),
        ({"images": np.zeros((8, 8, 1)), "name": "kadid_brighten"}, "changes colours"),
        ({"images": np.zeros((20, 40, 3)), "name": "kadid_color_block"}, "must be at least 32"),
    ],
)
def test_errors(change, message):
    given = {"images": np.zeros((8, 8, 3)), "name": "kadid_white_noise", "level": 1}
    given |= {"key": jax.random.key(0), **change}
    with pytest.raises(ValueError, match=message):
        distort(**given)


def test_other_types_are_errors():
    with pytest.raises(TypeError, match="dtype int32"):
        distort(np.zeros((8, 8, 3), np.int32), "kadid_darken", 1)
    with pytest.raises(ValueError, match="family='live' is unknown"):
        list_distortions("live")


def test_distortions_are_loaded_on_use_only():
    code = "import sys, jiqa; assert 'jiqa.datasets' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
