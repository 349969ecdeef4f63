"""NIQE against its authors' code, and against their formulas where that gives rounding noise."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage, special

import jiqa
from jiqa.core.color import luma
from jiqa.core.filters import imresize
from jiqa.core.models import load_model, save_model
from jiqa.no_reference.niqe import MODELS, NiqeModel, fit_niqe
from tests import goldens
from tests.core.test_statistics import grid_search_aggd

# The photographs without flat areas, in which the authors' coefficients are rounding noise.
NATURAL = ["astronaut_noise", "coffee_block", "coffee_colour", "coffee_noise", "rocket_noise"]


def author_value(pair):
    values = goldens.VALUES[pair]["niqe"]
    return next(value for source, value in values.items() if source.startswith("AUTHOR"))


def retyped_fit(values):
    """Shape and scales of the asymmetric distribution, by the authors' search of a table."""
    shape, left, right = grid_search_aggd(values)
    scale = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, left * scale, right * scale


def retyped_block(block):
    shape, left, right = retyped_fit(block)
    features = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = retyped_fit(block * np.roll(block, shift, (0, 1)))
        mean = (right - left) * special.gamma(2 / shape) / special.gamma(1 / shape)
        features += [shape, mean, left, right]
    return features


def retyped_features(gray):
    """Features of all blocks; coefficients that are rounding noise are zero."""
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    scales = []
    for side in (96, 48):
        mean, square = (
            ndimage.correlate1d(
                ndimage.correlate1d(image, window, 0, mode="nearest"), window, 1, mode="nearest"
            )
            for image in (gray, gray**2)
        )
        coefficients = (gray - mean) / (np.sqrt(np.abs(square - mean**2)) + 1)
        coefficients[np.abs(coefficients) < 1e-9] = 0
        rows, columns = (length // side for length in gray.shape)
        blocks = coefficients.reshape(rows, side, columns, side).swapaxes(1, 2)
        scales.append([retyped_block(block) for block in blocks.reshape(-1, side, side)])
        gray = np.asarray(imresize(jnp.asarray(gray[..., None]), 0.5))[..., 0]
    return np.concatenate(scales, 1)


def distance(features, model):
    difference = features.mean(0) - model.mean
    pooled = (np.cov(features, rowvar=False) + model.covariance) / 2
    return np.sqrt(difference @ np.linalg.pinv(pooled) @ difference)


@pytest.mark.parametrize("pair", NATURAL)
def test_values_are_the_authors(pair):
    image = goldens.read(pair)
    assert_allclose(jiqa.niqe(image / 255.0), author_value(pair), rtol=1e-9)
    # A float32 is good to a few of the thousandths in which shapes are counted.
    assert_allclose(jiqa.niqe(image), author_value(pair), rtol=1e-3)


@pytest.mark.parametrize("pair", ["coffee_jpeg10", "rocket_jpeg50"])
def test_flat_areas_count_neither_as_dark_nor_as_bright(pair):
    """The authors' code gives 10.25 and 12.13, and 10.06 for the first without rounding noise."""
    gray = np.asarray(luma(goldens.read(pair).astype(float), "matlab", data_range=255.0))[..., 0]
    gray = gray[: gray.shape[0] // 96 * 96, : gray.shape[1] // 96 * 96]
    expected = distance(retyped_features(gray), load_model(MODELS["live"], NiqeModel))
    found = jiqa.niqe(goldens.read(pair) / 255.0)
    assert_allclose(found, expected, rtol=1e-9)
    assert_allclose(found, author_value(pair), rtol=0.09)


def test_all_goldens_are_near_the_authors():
    for pair in goldens.PAIRS:
        assert_allclose(jiqa.niqe(goldens.read(pair)), author_value(pair), rtol=0.09)


def test_official_value_on_tid2013(shared_data):
    """Of three official values, that of the image without flat areas."""
    image = jiqa.images.read_image(shared_data / "data/tid2013_calibration/dist/i04_18_5.png")
    assert_allclose(jiqa.niqe(image / 255.0), 3.65492152353770, rtol=1e-9)


def test_what_is_left_of_whole_blocks_is_not_seen(rng):
    image = rng.random((96 + 20, 192 + 95, 3))
    cut = image[:96, :192]
    image[96:], image[:, 192:] = 0, 1
    assert jiqa.niqe(image) == jiqa.niqe(cut)


def test_black_blocks_are_left_out(rng):
    image = rng.random((192, 288, 1))
    image[:96, 96:192] = 0
    blocks = jiqa.niqe_blocks(image)
    assert blocks.complete[0].tolist() == [True, False, True, True, True, True]
    kept = np.asarray(blocks.features)[0, np.asarray(blocks.complete[0])]
    expected = distance(kept, load_model(MODELS["live"], NiqeModel))
    assert_allclose(jiqa.niqe(image), expected, rtol=1e-9)


def test_a_model_is_fitted_to_sharp_blocks(tmp_path):
    photographs = [goldens.read(f"{name}_ref") for name in goldens.PHOTOGRAPHS]
    model = fit_niqe(photographs, block_size=48, sharpness=0.5)
    chosen = []
    for photograph in photographs:
        features, _, sharpness = (
            np.asarray(a)[0] for a in jiqa.niqe_blocks(photograph, block_size=48)
        )
        chosen.append(features[sharpness > 0.5 * sharpness.max()])
    chosen = np.concatenate(chosen).astype(float)
    assert 37 < len(chosen) < 200
    assert_allclose(model.mean, chosen.mean(0), rtol=1e-12)
    assert_allclose(model.covariance, np.cov(chosen.T), rtol=1e-9, atol=1e-12)
    path = tmp_path / "ours.safetensors"
    save_model(path, model)
    image = goldens.read("coffee_blur")
    scores = [jiqa.niqe(image, model=given, block_size=48) for given in (model, path, str(path))]
    assert scores[0] == scores[1] == scores[2]
    assert scores[0] > jiqa.niqe(goldens.read("coffee_ref"), model=model, block_size=48)


def test_wrong_options_are_clear_errors(rng):
    image = rng.random((100, 100, 1))
    with pytest.raises(ValueError, match="must be even"):
        jiqa.niqe(image, block_size=31)
    with pytest.raises(ValueError, match="smaller than the"):
        jiqa.niqe(image[:95])
    with pytest.raises(ValueError, match="neither a file nor one of live"):
        jiqa.niqe(image, model="dead")
    with pytest.raises(ValueError, match="not NiqeModel"):
        jiqa.niqe(image, model=MODELS["live"].with_name("brisque_live.safetensors"))
    with pytest.raises(ValueError, match="1 sharp blocks"):
        fit_niqe([image])
