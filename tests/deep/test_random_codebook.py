"""Features of random codebooks against their definition, their fit, and what they predict."""

import csv

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.svm import NuSVR

import jiqa
from jiqa.core.models import save_model
from jiqa.images import read_image


def by_hand(codebook, levels):
    """The features of one grey image of 0 to 255."""
    height, width = levels.shape
    best = np.zeros(2 * codebook.shape[1])
    for i in range(0, height - 6, 7):
        for j in range(0, width - 6, 7):
            block = levels[i : i + 7, j : j + 7].ravel()
            block = (block - block.mean()) / np.sqrt(block.var() + 10)
            best = np.maximum(best, np.concatenate([block @ codebook, -block @ codebook]))
    return best


def test_features_are_the_largest_responses(rng):
    codebook = jiqa.make_codebook("laplace", 12, seed=3)
    image = rng.random((2, 45, 200, 1))  # more than one chunk of blocks
    found = jiqa.random_codebook_features(codebook, np.tile(image, (1, 5, 1, 1)))
    expected = [by_hand(codebook, np.tile(255 * x[..., 0], (5, 1))) for x in image]
    assert_allclose(found, expected, rtol=1e-6)
    color = np.repeat(image[0], 3, -1)
    assert_allclose(
        jiqa.random_codebook_features(codebook, color),
        jiqa.random_codebook_features(codebook, image[0]),
        rtol=1e-4,
    )


def test_codebooks(rng):
    for distribution, deviation in (("uniform", 12**-0.5), ("normal", 1), ("laplace", 2**0.5)):
        codebook = jiqa.make_codebook(distribution, 2000)
        assert_allclose(codebook.std(), deviation, rtol=0.02)
        assert np.array_equal(codebook, jiqa.make_codebook(distribution, 2000))
    levels = 255 * rng.random((2, 30, 30, 1))
    patches = jiqa.patch_codebook(levels, 32)
    assert patches.shape == (49, 32)
    assert_allclose(patches.mean(0), 0, atol=1e-6)
    response = jiqa.random_codebook_features(patches, levels / 255).max(0)[:32]
    assert_allclose(response, (patches**2).sum(0), rtol=1e-3)  # each is found where it came from
    with pytest.raises(ValueError, match="32 blocks are too few for 33 codes"):
        jiqa.patch_codebook(levels, 33)
    with pytest.raises(ValueError, match="use uniform, normal, laplace"):
        jiqa.make_codebook("cauchy")


def test_a_fit_predicts_what_libsvm_predicts(rng, tmp_path):
    codebook = jiqa.make_codebook("normal", 20)
    features, opinions = rng.random((30, 40)) * np.arange(1, 41), 30 + 10 * rng.random(30)
    model = jiqa.fit_random_codebook(codebook, features, opinions)
    scaled = 2 * (features - features.min(0)) / np.ptp(features, 0) - 1
    known = NuSVR(kernel="linear", C=1.0, nu=0.5)
    known.fit(scaled, (opinions - opinions.mean()) / opinions.std())
    expected = opinions.mean() + opinions.std() * known.predict(scaled)
    assert_allclose(scaled @ model.coefficients + model.bias, expected, rtol=1e-9)
    path = tmp_path / "ours.safetensors"
    save_model(path, model)
    image = rng.random((30, 40, 3))
    metric = jiqa.load("random_codebook", model=path)
    own = np.asarray(jiqa.random_codebook_features(codebook, image))
    own = 2 * (own - model.lowest) / (model.highest - model.lowest) - 1
    assert_allclose(metric(image), own @ model.coefficients + model.bias, rtol=1e-5)
    assert jiqa.load("random_codebook", model=model)(image) == metric(image)
    with pytest.raises(ValueError, match="no published model"):
        jiqa.load("random_codebook")
    with pytest.raises(ValueError, match=r"features \(30, 39\)"):
        jiqa.fit_random_codebook(codebook, features[:, 1:], opinions)


def test_predicts_opinions_on_scenes_it_has_not_seen(shared_data):
    """LIVE's images at hand, one scene left out in turn: chance is 0.33 in one of twenty times."""
    folder = shared_data / "data/live_subset"
    rows = list(csv.DictReader((folder / "dmos.csv").open()))
    codebook = jiqa.make_codebook("normal", 5000)
    images = [read_image(folder / row["dist"]) for row in rows]
    features = np.stack([jiqa.random_codebook_features(codebook, image) for image in images])
    opinions = -np.array([float(row["dmos_realigned"]) for row in rows])
    scenes = np.array([row["ref"] for row in rows])
    predicted = np.zeros(len(rows))
    for scene in set(scenes):
        seen = scenes != scene
        model = jiqa.fit_random_codebook(codebook, features[seen], opinions[seen])
        scaled = 2 * (features[~seen] - model.lowest) / (model.highest - model.lowest) - 1
        predicted[~seen] = scaled @ model.coefficients + model.bias
    assert spearmanr(predicted, opinions).statistic > 0.45
