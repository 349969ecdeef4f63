"""The feature pyramid against loops over cells."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.deep.backbones.vgg import vgg11
from jiqa.deep.maps import extract

OPTIONS = {"net": "vgg11", "taps": ("relu1_1", "relu2_1"), "levels": 2}


@pytest.fixture(scope="module")
def parameters():
    return vgg11.initialize(np.random.default_rng(0), ["features"])


def by_hand(x, y, normalize, weights):
    """Similarity of maps `[h, w, c]`, in grids of 1, 2 and 4 cells a side."""
    total = 0.0
    for cells in (1, 2, 4):
        scores, places = [], []
        for i in range(cells):
            for j in range(cells):
                bins = [part(z, i, j, cells).sum((0, 1)) for z in (x, y)]
                places.append(part(weights, i, j, cells).sum())
                if normalize:
                    bins = [b / b.sum() for b in bins]
                scores.append(2 * np.minimum(*bins).sum() / (bins[0].sum() + bins[1].sum()))
        total += cells * np.average(scores, weights=places)
    return total / 7


def part(z, i, j, cells):
    rows, columns = (np.arange(n) * cells // n for n in z.shape[:2])
    return z[rows == i][:, columns == j]


@pytest.mark.parametrize("normalize", [True, False])
def test_is_the_geometric_mean_of_layers(parameters, normalize, rng):
    x = rng.random((30, 37, 3))
    y = np.clip(x + 0.2 * rng.standard_normal(x.shape), 0, 1)
    weights = rng.random(x.shape[:2])
    maps = extract(parameters, np.stack([x, y]), 1.0, "vgg11", OPTIONS["taps"])
    options = {**OPTIONS, "side": None}
    for given in (None, weights):
        layers = []
        for tap in OPTIONS["taps"]:
            places = np.ones(x.shape[:2]) if given is None else given
            cells = [[part(places, i, j, 4).sum() for j in range(4)] for i in range(4)]
            if given is None:
                cells = np.ones((4, 4))
            layers.append(by_hand(*np.asarray(maps[tap]), normalize, np.array(cells)))
        score = jiqa.feature_pyramid(
            parameters, x, y, normalize=normalize, weights=given, **options
        )
        assert_allclose(score, np.sqrt(np.prod(layers)), rtol=1e-9)


def test_features_are_strengths_in_cells_of_images_of_one_size(parameters, rng):
    x, y = rng.random((2, 44, 52, 3))
    options = {**OPTIONS, "side": 32}
    features = jiqa.feature_pyramid_features(parameters, x, **options)
    assert features.values["relu2_1"].shape == (4, 4, 128)
    score = jiqa.feature_pyramid_distance(parameters, features, y)
    assert_allclose(jiqa.feature_pyramid(parameters, x, y, **options), score, rtol=1e-9)
    smaller = jiqa.core.filters.imresize(x, (32, 32))
    same = jiqa.feature_pyramid(parameters, smaller, smaller, **{**OPTIONS, "side": None})
    assert_allclose(same, 1, rtol=1e-12)
    with pytest.raises(ValueError, match="smaller than the 4 x 4 window"):
        jiqa.feature_pyramid(parameters, x[:6, :6], y[:6, :6], **{**OPTIONS, "side": None})


def test_cells_without_features():
    """Nothing in both images is alike, nothing in one is unlike."""
    from jiqa.deep.feature_pyramid import _cell_similarity

    strengths = np.array([[[0.0, 0.0], [1.0, 2.0]]])
    for normalize in (True, False):
        alike = _cell_similarity(strengths, strengths[:, ::-1] * [[[1.0], [0.0]]], normalize)
        assert alike.tolist() == [[0.0, 0.0]]
        assert _cell_similarity(strengths, strengths, normalize).tolist() == [[1.0, 1.0]]
