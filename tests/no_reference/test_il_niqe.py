"""IL-NIQE against its authors' code, retyped for GNU Octave."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.models import load_model, save_model
from jiqa.no_reference.il_niqe import MODELS, IlNiqeModel, _distances, _resize
from tests import goldens

# The authors' computequality.m and computefeature.m, retyped for GNU Octave 7.3 with what it lacks
# (`blockproc`, `wblfit` to the last digit) and the paper's log-Gabor filters, of images resized
# as here: Octave resizes whole levels otherwise than MATLAB.
AUTHOR = {
    "astronaut_noise": 35.716994066542071,
    "rocket_noise": 43.654684639293379,
}
# Printed for TID2013, of images with flat areas, whose coefficients are rounding noise there.
OFFICIAL = {"i03_11_5": 113.4801, "i04_18_5": 23.9968, "i06_18_3": 19.9750}


@pytest.mark.parametrize("pair", AUTHOR)
def test_values_are_the_authors(pair):
    image = goldens.read(pair)
    # The inverse of a covariance with condition number 1e11 leaves 3e-9.
    assert_allclose(jiqa.il_niqe(image / 255.0), AUTHOR[pair], rtol=1e-7)
    assert_allclose(jiqa.il_niqe(image), AUTHOR[pair], rtol=5e-3)


def test_flat_areas_differ_from_the_authors_by_little(shared_data):
    """Under Octave, the authors' code gives 48.8867 and 24.0074 with its rounding noise."""
    assert_allclose(jiqa.il_niqe(goldens.read("coffee_colour") / 255.0), 48.8867, rtol=1e-3)
    folder = shared_data / "data/tid2013_calibration/dist"
    for name, value in OFFICIAL.items():
        score = jiqa.il_niqe(jiqa.images.read_image(folder / f"{name}.png") / 255.0)
        assert_allclose(score, value, rtol=2e-3)


def test_the_longer_axis_is_resized_first(rng):
    levels = jnp.asarray(rng.integers(0, 256, (40, 61, 3)).astype(float))
    square = _resize(levels, 32, rounded=True)
    assert (square == jnp.round(square)).all()
    turned = _resize(levels.swapaxes(0, 1), 32, rounded=True).swapaxes(0, 1)
    np.testing.assert_array_equal(square, turned)
    assert not (square == jnp.round(_resize(levels, 32, rounded=False))).all()


def test_distances_are_those_of_the_paper(rng):
    """Of 12 blocks and 20 features, by the pooled covariance itself; two blocks are incomplete."""
    blocks = rng.standard_normal((12, 20)) * np.linspace(0.5, 3, 20)
    complete = np.arange(12) % 7 != 3
    mean, covariance = blocks[complete].mean(0), np.cov(blocks[complete].T)
    pooled = np.linalg.inv((covariance + np.eye(20)) / 2)
    compared = np.where(complete[:, None], blocks, mean)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", compared, pooled, compared))
    found = _distances(jnp.asarray(blocks), jnp.asarray(complete))
    assert_allclose(found, expected, rtol=1e-12)


def test_gray_is_the_colour_image_of_equal_channels(rng):
    image = rng.random((40, 50, 1))
    options = {"side": 64, "block_size": 16}
    gray = jiqa.il_niqe(image, **options)
    assert_allclose(gray, jiqa.il_niqe(image.repeat(3, -1), **options), rtol=1e-12)


def test_models_are_read_from_files(tmp_path, rng):
    model = load_model(MODELS["pristine"], IlNiqeModel)
    path = tmp_path / "shifted.safetensors"
    save_model(path, IlNiqeModel(model.center, model.components, model.mean + 1, model.covariance))
    image, options = rng.random((40, 50, 3)), {"side": 32, "block_size": 16}
    plain = jiqa.il_niqe(image, **options)
    assert jiqa.il_niqe(image, model=model, **options) == plain
    assert abs(jiqa.il_niqe(image, model=path, **options) - plain) > 1e-3


def test_wrong_options_are_clear_errors(rng):
    image = rng.random((40, 50, 3))
    for block_size in (15, 66):
        with pytest.raises(ValueError, match=f"block_size={block_size} must be even"):
            jiqa.il_niqe(image, side=64, block_size=block_size)
    with pytest.raises(ValueError, match="neither a file nor one of pristine"):
        jiqa.il_niqe(image, model="dead")
