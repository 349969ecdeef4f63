"""PIQE against official values, and against its definition block by block."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.color import luma
from jiqa.core.statistics import mscn
from tests import goldens


@pytest.mark.parametrize(
    ("name", "value"), [("i03_11_5", 100.00), ("i04_18_5", 21.62), ("i06_18_3", 35.86)]
)
def test_official_values_on_tid2013(shared_data, name, value):
    image = jiqa.images.read_image(shared_data / f"data/tid2013_calibration/dist/{name}.png")
    assert round(float(jiqa.piqe(image / 255.0)), 2) == value


def retyped(block):
    """Whether a block of coefficients counts, has an artifact, is noisy; and its distortion."""
    variance = block.var(ddof=1)
    deviation = block.std(ddof=1)
    edges = block[0], block[-1], block[:, 0], block[:, -1]
    artifact = any(edge[i : i + 6].std(ddof=1) < 0.1 for edge in edges for i in range(11))
    surround = np.delete(np.delete(block, 7, 1), 8, 1)
    ratio = block[:, 7:9].std(ddof=1) / surround.std(ddof=1)
    noise = deviation > 2 * abs(deviation - ratio) / max(deviation, ratio)
    active = variance > 0.1
    distortion = active * (artifact * (1 - variance) + noise * variance)
    return active, active and artifact, active and noise, distortion


@pytest.mark.parametrize("pair", ["coffee_jpeg10", "rocket_noise", "coffee_blur"])
def test_blocks_are_judged_one_by_one(pair):
    image = goldens.read(pair)[150:291, 200:330]  # neither side a multiple of 16
    gray = np.asarray(luma(image.astype(float), "matlab", data_range=255.0))[..., 0]
    gray = np.pad(gray, ((0, 3), (0, 14)), mode="symmetric")
    blocks = np.asarray(mscn(jnp.asarray(gray[..., None])))[..., 0].reshape(9, 16, 9, 16)
    judged = np.array([[retyped(blocks[i, :, j]) for j in range(9)] for i in range(9)])
    masks = jiqa.piqe_masks(image / 255.0)
    for place, mask in enumerate(masks):
        assert mask.shape == (141, 130, 1)
        assert_allclose(mask[::16, ::16, 0], judged[..., place], rtol=1e-9)
        assert_allclose(mask[8::16, 1::16, 0], judged[..., place][:, :9], rtol=1e-9)
    expected = 100 * (judged[..., 3].sum() + 1) / (judged[..., 0].sum() + 1)
    assert_allclose(jiqa.piqe(image / 255.0), expected, rtol=1e-9)


def test_public_code_is_near():
    """Pyiqa has its grey unrounded and stretched to 255: 2 % at most."""
    for pair in goldens.PAIRS:
        if "piqe" in goldens.VALUES[pair]:
            value = goldens.VALUES[pair]["piqe"]["pyiqa"]
            assert_allclose(jiqa.piqe(goldens.read(pair)), value, rtol=0.025)


def test_masks_show_the_noisy_half(rng):
    image = np.full((64, 64, 1), 0.5)
    image[:, 32:] += 0.2 * rng.standard_normal((64, 32, 1))
    masks = jiqa.piqe_masks(image.clip(0, 1))
    assert not masks.noise[:, :16].any()
    assert masks.noise[:, 48:].all()
    assert jiqa.piqe(np.full((20, 20, 3), 0.5)) == 100


def test_weights_count_blocks(rng):
    """A region of whole blocks: as many of each kind as in it, relative to the whole."""
    image = np.full((64, 80, 1), 0.5)
    image[:, 32:] += 0.2 * rng.standard_normal((64, 48, 1))
    image = image.clip(0, 1)
    weights = np.zeros((64, 80))
    weights[16:48, 16:64] = 0.3
    masks = jiqa.piqe_masks(image)
    inside = [20 * np.asarray(mask)[16:48:16, 16:64:16].mean() for mask in masks]
    expected = 100 * (inside[3] + 1) / (inside[0] + 1)
    assert_allclose(jiqa.piqe(image, weights=weights), expected, rtol=1e-9)
