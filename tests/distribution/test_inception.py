"""Resizing and features against clean-fid, pytorch-fid and torch-fidelity."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.deep.backbones.inception_v3 import inception_v3_fid
from jiqa.distribution.inception import features_of_levels, inception_features
from jiqa.distribution.resizing import PROTOCOLS, resize, resize_on_host
from tests.deep.backbones.test_inception_v3 import fill
from tests.distribution.data.parameters import images

GOLDENS = json.loads((Path(__file__).parent / "data/goldens.json").read_text())
IMAGES = dict(images())


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_resizing_is_the_packages(protocol, name):
    image = IMAGES[name]
    expected = np.reshape(GOLDENS["resizing"][protocol][name], (13, 13, 3))
    found = resize(jnp.asarray(image, jnp.float32), protocol)
    assert_allclose(found[::23, ::23], expected, atol=2e-4)
    assert_allclose(resize_on_host(image, protocol), found, atol=2e-4)
    exact = resize(jnp.asarray(image, jnp.float64), protocol)
    assert_allclose(found, exact, atol=2e-4)


def test_an_image_of_the_size_is_left_alone(rng):
    image = rng.integers(0, 256, (299, 299, 3)).astype(np.float32)
    for protocol in PROTOCOLS:
        assert_allclose(resize(jnp.asarray(image), protocol), image, atol=1e-4)
        assert_allclose(resize_on_host(image, protocol), image, atol=1e-4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_features_are_the_packages(protocol):
    """From files' pixels to features, in single precision like theirs."""
    parameters = fill(inception_v3_fid.shapes)
    levels = jnp.stack(
        [resize(jnp.asarray(image, jnp.float32), protocol) for image in IMAGES.values()]
    )
    found = features_of_levels(parameters, levels, protocol, ("avgpool", "logits_unbiased"))
    names = [protocol, f"{protocol}_logits"] if protocol == "tensorflow" else [protocol]
    for key, tap in zip(names, found, strict=False):
        expected = list(GOLDENS["inception"]["features"][key].values())
        assert_allclose(found[tap][:, :8], expected, rtol=2e-4, atol=2e-5)


def test_ranges_dtypes_gray_and_batches(rng):
    parameters = inception_v3_fid.initialize(rng)
    image = rng.integers(0, 256, (2, 1, 299, 299, 3)).astype(np.uint8)

    def compute(x, **options):
        return np.asarray(inception_features(parameters, x, tap="maxpool1", **options))

    expected = compute(image)
    assert expected.shape == (2, 1, 64)
    assert_allclose(compute(image.astype(np.uint16) * 257), expected, rtol=1e-5, atol=1e-5)
    assert_allclose(compute(image / np.float32(255)), expected, rtol=1e-5, atol=1e-5)
    assert_allclose(compute(image * 1.0, data_range=255.0), expected, rtol=1e-5, atol=1e-5)
    gray = image[..., :1]
    assert_allclose(compute(gray), compute(gray.repeat(3, -1)), rtol=1e-6, atol=1e-6)
    assert np.isfinite(
        jax.grad(lambda x: inception_features(parameters, x, tap="maxpool1").sum())(
            jnp.zeros((299, 299, 3))
        )
    ).all()


def test_wrong_images_are_clear_errors():
    image = np.zeros((8, 8, 3), np.float32)
    with pytest.raises(ValueError, match="protocol='legacy' is unknown; use one of clean_fid"):
        inception_features({}, image, protocol="legacy")
    with pytest.raises(ValueError, match=r"shape \(3, 8, 8\).*channels first"):
        inception_features({}, np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match="pass data_range=255"):
        inception_features({}, image + 200)
    with pytest.raises(ValueError, match="has no pool3"):
        inception_features({}, image, tap="pool3")
