"""DeepBIQ: its regions, features and fit, and opinions that it predicts on unseen scenes."""

import csv

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.svm import SVR

import jiqa
from jiqa.core.models import save_model
from jiqa.deep.backbones.alexnet import alexnet, caffenet
from jiqa.deep.feature_maps import TAPS
from jiqa.images import read_image


@pytest.fixture(scope="module")
def random():
    return alexnet.initialize(np.random.default_rng(0), ["features"])


def test_features_are_means_of_maps_of_regions(random, rng):
    image = rng.random((2, 230, 241, 3))
    features = jiqa.deepbiq_features(random, image, regions=3)
    places = np.random.default_rng(0)
    rows, columns = places.integers(0, 230 - 223, 3), places.integers(0, 241 - 223, 3)
    second = image[1, rows[1] : rows[1] + 224, columns[1] : columns[1] + 224]
    maps = alexnet(random, alexnet.normalize(second), TAPS)
    expected = np.concatenate([maps[tap].mean((0, 1)) for tap in TAPS])
    assert features.shape == (2, 3, 64 + 192 + 384 + 256 + 256)
    assert_allclose(features[1, 1], expected, rtol=1e-9)
    gray = jiqa.deepbiq_features(random, image[..., :1], regions=1, taps=("relu1",))
    assert gray.shape == (2, 1, 64)
    with pytest.raises(ValueError, match="smaller than the 224 x 224 window"):
        jiqa.deepbiq_features(random, image[:, :200])


def test_fully_connected_features_of_a_whole_network(rng):
    """Cut down to 8 units, as the published layer is for a network with its classifier."""
    shapes = {name: shape for name, shape in caffenet.shapes.items() if name.startswith("conv")}
    network = {
        name: {k: np.zeros(s, np.float32) for k, s in d.items()} for name, d in shapes.items()
    }
    for name, size in (("fc6", (9216, 8)), ("fc7", (8, 8)), ("fc8", (8, 8))):
        bias = np.arange(8, dtype=np.float32) - 3
        network[name] = {"kernel": np.zeros(size, np.float32), "bias": bias}
    features = jiqa.deepbiq_features(
        network, rng.random((230, 230, 3)), net="caffenet", taps=("relu7",), regions=2
    )
    assert features.tolist() == [[0, 0, 0, 0, 1, 2, 3, 4]] * 2
    assert jiqa.find("deepbiq_fc7").choice()["taps"] == ("relu7",)


def test_a_fit_predicts_what_libsvm_predicts(rng, random, tmp_path, monkeypatch):
    n = 64
    features, opinions = rng.random((20, 4, n)) * np.arange(1, n + 1), 30 + 10 * rng.random(20)
    features[..., 5] = 0.25  # a feature that never varies
    model = jiqa.fit_deepbiq(features, opinions, cost=0.02)
    rows, unseen = features.reshape(-1, n), rng.random((9, n))
    deviation = np.where(np.arange(n) == 5, 1, rows.std(0))
    scaled = SVR(kernel="linear", C=0.02, epsilon=0.1).fit(
        (rows - rows.mean(0)) / deviation,
        np.repeat((opinions - opinions.mean()) / opinions.std(), 4),
    )
    expected = scaled.predict((unseen - rows.mean(0)) / deviation)
    found = ((unseen - model.mean) / model.deviation) @ model.coefficients + model.bias
    assert_allclose(found, opinions.mean() + opinions.std() * expected, rtol=1e-9)

    monkeypatch.setattr("jiqa.deep.deepbiq.load_backbone", lambda _: random)
    path = tmp_path / "ours.safetensors"
    save_model(path, model)
    image, options = rng.random((226, 230, 3)), {"taps": ("relu1",), "regions": 2}
    metric = jiqa.load("deepbiq", model=path, **options)
    regions = np.asarray(jiqa.deepbiq_features(random, image, **options))
    each = ((regions - model.mean) / model.deviation) @ model.coefficients + model.bias
    assert_allclose(metric(image), each.mean(), rtol=1e-6)
    assert jiqa.load("deepbiq", model=model, **options)(image) == metric(image)


def test_predicts_opinions_on_scenes_it_has_not_seen(shared_data, pretrained):  # noqa: ARG001
    """LIVE's images at hand, one scene left out in turn: chance is 0.33 in one of twenty times."""
    folder = shared_data / "data/live_subset"
    rows = list(csv.DictReader((folder / "dmos.csv").open()))
    network = jiqa.weights.load("alexnet")
    images = [read_image(folder / row["dist"]) for row in rows]
    features = np.stack([jiqa.deepbiq_features(network, image, regions=4) for image in images])
    opinions = -np.array([float(row["dmos_realigned"]) for row in rows])
    scenes = np.array([row["ref"] for row in rows])
    predicted = np.zeros(len(rows))
    for scene in set(scenes):
        seen = scenes != scene
        model = jiqa.fit_deepbiq(features[seen], opinions[seen])
        scores = (features[~seen] - model.mean) / model.deviation @ model.coefficients + model.bias
        predicted[~seen] = scores.mean(-1)
    assert spearmanr(predicted, opinions).statistic > 0.75


def test_wrong_arguments_are_clear_errors(rng):
    with pytest.raises(ValueError, match=r"no published model: fit one by jiqa\.fit_deepbiq"):
        jiqa.load("deepbiq")
    with pytest.raises(ValueError, match=r"\(10, 3, 4\) and opinions \(9,\)"):
        jiqa.fit_deepbiq(rng.random((10, 3, 4)), np.zeros(9))
    with pytest.raises(ValueError, match="finite"):
        jiqa.fit_deepbiq(rng.random((10, 3, 4)), np.full(10, np.nan))
