"""BRISQUE against its authors' features and scores, and a fit against libsvm's predictions."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.svm import SVR

import jiqa
from jiqa.core.models import load_model, save_model
from jiqa.no_reference.brisque import MODELS, BrisqueModel, fit_brisque
from tests import goldens
from tests.no_reference.test_niqe import NATURAL

FEATURES = json.loads((goldens.FOLDER / "brisque_features_author.json").read_text())


def author_score(pair):
    return next(iter(goldens.VALUES[pair]["brisque"].values()))


@pytest.mark.parametrize("pair", NATURAL)
def test_features_and_scores_are_the_authors(pair):
    image = goldens.read(pair)
    assert_allclose(jiqa.brisque_features(image / 255.0)[0], FEATURES[pair], rtol=1e-9)
    assert_allclose(jiqa.brisque(image / 255.0), author_score(pair), rtol=1e-9)
    # Float32: some means are differences of two nearly equal scales.
    assert_allclose(jiqa.brisque_features(image)[0], FEATURES[pair], rtol=1e-3)
    assert_allclose(jiqa.brisque(image), author_score(pair), atol=1e-2)


def test_the_regression_is_the_authors_on_all_goldens():
    """From the authors' features, their scores: flat areas make the difference there is."""
    model = load_model(MODELS["live"], BrisqueModel)
    for pair, features in FEATURES.items():
        scaled = 2 * (np.array(features) - model.lowest) / (model.highest - model.lowest) - 1
        assert_allclose(model.predict(scaled), author_score(pair), rtol=1e-9)
        assert_allclose(jiqa.brisque(goldens.read(pair) / 255.0), author_score(pair), atol=5.2)


def test_official_value_on_tid2013(shared_data):
    """-0.107618 is printed of the image without flat areas, by code that scales in six digits."""
    image = jiqa.images.read_image(shared_data / "data/tid2013_calibration/dist/i04_18_5.png")
    assert_allclose(jiqa.brisque(image / 255.0), -0.107618, atol=1e-3)


def test_a_fit_predicts_what_libsvm_predicts(rng, tmp_path):
    features, unseen = rng.random((60, 36)) * np.arange(1, 37), rng.random((9, 36))
    features[:, 5] = 0.25  # a feature that never varies
    opinions = 30 * np.sin(features[:, 0]) + features[:, 1]
    model = fit_brisque(features, opinions, cost=100.0)
    lowest, span = features.min(0), np.ptp(features, 0)
    span[5] = 1
    known = SVR(C=100.0, gamma=0.05).fit(2 * (features - lowest) / span - 1, opinions)
    expected = known.predict(2 * (unseen - lowest) / span - 1)
    found = model.predict(2 * (unseen - model.lowest) / (model.highest - model.lowest) - 1)
    assert_allclose(found, expected, rtol=1e-10)
    path = tmp_path / "ours.safetensors"
    save_model(path, model)
    image = goldens.read("coffee_blur")
    assert jiqa.brisque(image, model=model) == jiqa.brisque(image, model=path)


def test_wrong_arguments_are_clear_errors(rng):
    features = rng.random((10, 36))
    with pytest.raises(ValueError, match=r"\(10, 36\) and opinions \(9,\)"):
        fit_brisque(features, np.zeros(9))
    with pytest.raises(ValueError, match="finite"):
        fit_brisque(features, np.full(10, np.nan))
    with pytest.raises(ValueError, match="neither a file nor one of live"):
        jiqa.brisque(rng.random((40, 40, 1)), model="dead")
    with pytest.raises(ValueError, match="smaller than the"):
        jiqa.brisque(rng.random((7, 40, 1)))
