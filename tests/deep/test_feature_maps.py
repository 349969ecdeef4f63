"""Metrics on feature maps against loops over maps, and DeepSim, which is one of them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.deep.backbones.alexnet import alexnet, alexnet_caffe
from jiqa.deep.backbones.vgg import vgg11
from jiqa.deep.feature_maps import SURVEYED, TAPS, layer_scores
from jiqa.deep.maps import extract

SHAPE = (49, 57, 3)


@pytest.fixture(scope="module")
def parameters():
    return alexnet.initialize(np.random.default_rng(0), ["features"])


@pytest.fixture
def pair(rng):
    reference = rng.random(SHAPE)
    return reference, np.clip(reference + 0.2 * rng.standard_normal(SHAPE), 0, 1)


def by_hand(name, x, y):
    """A metric of two maps `[h, w]` whose largest value is 1."""
    error = x - y
    if name == "lmse":
        laplacian = [
            sum(z[1 + i : len(z) - 1 + i, 1 + j : z.shape[1] - 1 + j] for i, j in NEIGHBORS)
            - 4 * z[1:-1, 1:-1]
            for z in (x, error)
        ]
        return np.sum(laplacian[1] ** 2) / np.sum(laplacian[0] ** 2)
    return {
        "mse": lambda: np.mean(error**2),
        "psnr": lambda: min(100, 10 * np.log10(1 / np.mean(error**2))),
        "mae": lambda: np.mean(np.abs(error)),
        "nae": lambda: np.abs(error).sum() / np.abs(x).sum(),
        "maximum_difference": lambda: np.abs(error).max(),
        "structural_content": lambda: np.sum(x**2) / np.sum(y**2),
        "ssim": lambda: float(jiqa.ssim(x[..., None], y[..., None], window_size=6)),
    }[name]()


NEIGHBORS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@pytest.mark.parametrize("name", SURVEYED.values())
def test_a_layer_is_the_mean_of_its_maps(name, rng):
    x, y = 3 * rng.random((2, 6, 7, 5))
    y[..., 1] = x[..., 1] + 1e-9  # is capped
    x[..., 2] = y[..., 2] = 0  # does not count
    largest = max(x.max(), y.max())
    expected = [by_hand(name, x[..., i] / largest, y[..., i] / largest) for i in (0, 1, 3, 4)]
    found = layer_scores(jiqa.find(name), x, y)
    assert_allclose(found, np.mean(expected), rtol=1e-9)
    if name in ("lmse", "nae", "structural_content"):  # infinite for a map, which does not count
        (y if name == "structural_content" else x)[..., 0] = 0
        y[..., 4] = largest * rng.random((6, 7))
        y.flat[4] = x.flat[4] = largest
        expected = [by_hand(name, x[..., i] / largest, y[..., i] / largest) for i in (1, 3, 4)]
        assert_allclose(layer_scores(jiqa.find(name), x, y), np.mean(expected), rtol=1e-9)


def test_layers_are_averaged_and_references_prepared(parameters, pair):
    x, y = pair
    metric = dataclasses.replace(jiqa.find("alexnet_ssim"), parameters=parameters)
    maps = extract(parameters, np.stack([x, y]), 1.0, "alexnet", TAPS)
    expected = np.mean([layer_scores(jiqa.find("ssim"), *maps[tap]) for tap in TAPS])
    assert_allclose(metric(x, y), expected, rtol=1e-9)
    assert_allclose(metric.prepare(x)(y), expected, rtol=1e-9)
    local = metric.map_function(x, y)
    assert local.shape == SHAPE[:2]
    assert abs(local.mean() - expected) < 0.1 * (1 - expected)
    with pytest.raises(ValueError, match="compare images of one size"):
        metric.prepare(x)(y[:33])


def test_weights_choose_where_to_look(parameters, pair):
    x, y = pair
    score = functools.partial(jiqa.alexnet_mae, parameters, taps=("conv1",))
    half = np.where(np.arange(SHAPE[1])[:, None] < 20, y, x)
    right = np.ones(SHAPE[:2]) * (np.arange(SHAPE[1]) > 45)
    assert score(x, half, weights=right) < 1e-6 < score(x, half)
    assert_allclose(score(x, y, weights=np.ones(SHAPE[:2])), score(x, y), rtol=1e-9)


def test_maps_below_four_pixels_and_dead_ones(parameters, rng):
    """Of images of 32 pixels the last layers have one."""
    x, y = rng.random((2, 32, 32, 3))
    score = jiqa.find("alexnet_ssim").function
    assert -1 < score(parameters, x, y) < score(parameters, x, x)
    dead = jnp.zeros((4, 4, 3))
    assert layer_scores(jiqa.find("ssim"), dead, dead) == 1
    assert layer_scores(jiqa.find("psnr"), dead, dead) == 100
    gradient = jax.grad(lambda y: layer_scores(jiqa.find("structural_content"), dead, y))(dead)
    assert jnp.all(gradient == 0)


def test_any_metric_any_network(rng):
    """The facts are those of the metric; Caffe's AlexNet has the maps of the paper."""
    x, y = rng.random((2, 40, 40, 3))
    random = vgg11.initialize(np.random.default_rng(0), ["features"])
    metric = jiqa.feature_maps("gmsd", net="vgg11", taps=("relu2_1",), parameters=random)
    assert not metric.higher_is_better
    assert jiqa.as_loss(metric)(x, y) > jiqa.as_loss(metric)(x, x) == 0
    shapes = {name: alexnet_caffe.shapes[name] for name in alexnet_caffe.shapes if "conv" in name}
    caffe = jax.tree.map(np.zeros, shapes, is_leaf=lambda shape: isinstance(shape, tuple))
    maps = extract(caffe, rng.random((67, 67, 3)), 1.0, "alexnet_caffe", TAPS)
    assert [maps[tap].shape[-1] for tap in TAPS] == [96, 256, 384, 384, 256]


def test_wrong_choices_are_clear_errors(parameters, pair):
    with pytest.raises(ValueError, match="on feature maps of 2 x 2: images are 2 x 2 pixels"):
        jiqa.alexnet_lmse(parameters, *pair)
    for name in ("alexnet_ssim", "niqe", "rred", "ifc"):
        with pytest.raises(ValueError, match=f"{name} cannot be applied"):
            jiqa.feature_maps(name, parameters=parameters)
    with pytest.raises(ValueError, match="net='alexnot' is unknown"):
        jiqa.feature_maps("mse", net="alexnot", parameters=parameters)(*pair)
    with pytest.raises(ValueError, match="alexnet has no relu9"):
        jiqa.feature_maps("mse", taps=("relu9",), parameters=parameters)(*np.zeros((2, 70, 70, 3)))


def test_deepsim_pools_local_similarities(rng):
    random = vgg11.initialize(np.random.default_rng(0), ["features"])
    taps, x = ("relu2_1", "relu3_1"), rng.random((50, 61, 3))
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    maps = extract(random, np.stack([x, y]), 1.0, "vgg11", taps)
    expected = {"mean": [], "deviation": []}
    for tap in taps:
        a, b = np.moveaxis(np.asarray(maps[tap] / maps[tap].max()), -1, 1)[..., None]
        lives = a.any((1, 2, 3)) | b.any((1, 2, 3))
        local = np.asarray(jiqa.ssim_map(a[lives], b[lives]))
        expected["mean"].append(local.mean((1, 2)).mean())
        expected["deviation"].append((1 - local.std((1, 2))).mean())
    options = {"net": "vgg11", "taps": taps}
    for pool, layers in expected.items():
        score = jiqa.deepsim(random, x, y, pool=pool, **options)
        assert_allclose(score, np.mean(layers), rtol=1e-9)
    ones = np.ones(x.shape[:2])
    score = jiqa.deepsim(random, x, y, weights=ones, **options)
    assert_allclose(score, np.mean(expected["mean"]), rtol=1e-9)
    features = jiqa.deepsim_features(random, x, **options)
    assert_allclose(jiqa.deepsim_distance(random, features, y), score, rtol=1e-9)
    assert_allclose(jiqa.deepsim_map(random, x, y, **options).mean(), score, atol=0.02)
    with pytest.raises(ValueError, match="use mean or deviation"):
        jiqa.deepsim(random, x, y, pool="max", **options)
