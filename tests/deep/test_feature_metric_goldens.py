"""A-DISTS, DeepDC, DeepWSD, PieAPP and ST-LPIPS against their authors' programs."""

import dataclasses
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.deep import pieapp
from jiqa.deep.backbones.vgg import vgg16, vgg19
from jiqa.deep.st_lpips import NETWORKS, arrange
from tests import goldens
from tests.deep.networks import draw, draw_st_lpips

VALUES = json.loads((Path(__file__).parent / "data/feature_metric_goldens.json").read_text())
# As in data/make_feature_metric_goldens.py.
PAIRS = ("astronaut_jpeg10", "coffee_noise", "rocket_blur")
CROP, LARGE = (slice(100, 196), slice(60, 172)), (slice(0, 160), slice(0, 400))
CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


@functools.cache
def parameters(name):
    match name:
        case "a_dists" | "deepwsd":
            return draw({"features": vgg16.shapes["features"]}, 102)
        case "deepdc":
            return draw({"features": vgg19.shapes["features"]}, 119)
        case "pieapp":
            return draw(pieapp.SHAPES, 203)
    net = name.removeprefix("st_lpips_")
    seed = {"alex": 201, "vgg": 202}[net]
    return draw_st_lpips(NETWORKS[net].backbone.shapes, CHANNELS[net], seed)


OPTIONS = {
    "deepwsd": {"logarithmic": False},
    "pieapp": {"stride": 16},
    "st_lpips_alex": {"net": "alex"},
    "st_lpips_vgg": {"net": "vgg"},
}
# Windows and logarithms that the authors keep in single precision.
TOLERANCE = {"a_dists": 3e-7, "deepdc": 1e-8}


def images(pairs, crop=CROP):
    return (np.stack([goldens.pair_images(pair)[i][crop] for pair in pairs]) / 255 for i in (0, 1))


@pytest.mark.parametrize(
    "name", ["a_dists", "deepdc", "deepwsd", "pieapp", "st_lpips_alex", "st_lpips_vgg"]
)
def test_scores_are_the_authors(name):
    metric = jiqa.find(name).function
    scores = metric(parameters(name), *images(PAIRS), **OPTIONS.get(name, {}))
    expected = [VALUES[name][pair] for pair in PAIRS]
    assert_allclose(scores, expected, rtol=TOLERANCE.get(name, 1e-11))


def test_deepwsd_reduces_large_images():
    x, y = images(PAIRS[:1], LARGE)
    distance = jiqa.deepwsd(parameters("deepwsd"), x, y, logarithmic=False)
    assert_allclose(distance, VALUES["deepwsd"]["large"], rtol=1e-11)


def test_deepwsd_gives_published_scores_of_tid2013(shared_data, pretrained):  # noqa: ARG001
    """Of results/QuaityAssessment/DeepWSD_TID2013.txt, which are squared logarithms."""
    folder = shared_data / "data/tid2013_calibration"
    published = {"i01_01_2": 21.389747619628906, "i03_01_1": 20.509775161743164}
    x, y = (
        np.stack(
            [jiqa.images.read_image(folder / path.format(n, n[:3].upper())) for n in published]
        )
        for path in ("ref/{1}.png", "dist/{0}.png")
    )
    scores = jiqa.load("deepwsd")(x, y) ** 2
    assert_allclose(scores, list(published.values()), rtol=1e-4)


def test_pieapp_has_the_parameters_of_the_authors():
    count = sum(x.size for x in jax.tree.leaves(parameters("pieapp")))
    assert count == VALUES["parameters of pieapp"]


@pytest.mark.parametrize("name", ["st_lpips_alex", "st_lpips_vgg"])
def test_st_lpips_with_the_authors_parameters(name, pretrained):  # noqa: ARG001
    try:
        metric = jiqa.load(name)
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    expected = [VALUES[f"{name} authors"][pair] for pair in PAIRS]
    assert_allclose(metric(*images(PAIRS)), expected, rtol=1e-11)


def test_st_lpips_arranges_what_is_published():
    published = {
        f"lin{i}": {"model": {"1": {"kernel": np.full((1, 1, 2, 1), i)}}} for i in range(5)
    }
    convolution = {"kernel": 0, "bias": 0}
    published["net"] = {
        "slice1": {"0": {**convolution, "bias": 1}, "1": {"filt": 0}},
        "slice2": {"4": {"filt": 0}, "5": {**convolution, "bias": 2}},
        "slice3": {"10": {**convolution, "bias": 3}, "8": {"filt": 0}},
        "slice4": {"11": {**convolution, "bias": 4}},
        "slice5": {"13": {**convolution, "bias": 5}},
    }
    tree = arrange(published, "alex")
    assert [layer["bias"] for layer in tree["features"].values()] == [1, 2, 3, 4, 5]
    assert list(tree["features"]) == ["0", "3", "6", "8", "10"]
    assert [head.tolist() for head in tree["heads"].values()] == [[i, i] for i in range(5)]


def test_st_lpips_bears_shifts_better_than_it_bears_noise(rng):
    """Of two crops that are a pixel apart."""
    photo = goldens.read("coffee_ref")[100:165, 60:125] / 255
    x, shifted = photo[:-1, :-1], photo[1:, 1:]
    noisy = np.clip(x + 0.05 * rng.standard_normal(x.shape), 0, 1)
    scores = jiqa.st_lpips(
        parameters("st_lpips_alex"), np.stack([x, x]), np.stack([shifted, noisy])
    )
    assert scores[0] < scores[1]


MAPS = ["a_dists", "st_lpips_alex", "pieapp"]


@pytest.mark.parametrize("name", MAPS)
def test_maps_and_weights_agree_with_scores(name):
    """Where only the left of an image is changed, the map is higher and weights count it more."""
    function, options = jiqa.find(name).function, OPTIONS.get(name, {})
    x, changed = (image[0] for image in images(PAIRS[1:2]))
    y = np.where(np.arange(x.shape[1])[:, None] < 30, changed, x)
    ones = np.ones(x.shape[:2])
    weights = np.stack([ones * (np.arange(x.shape[1]) < 30), ones, 0 * ones])
    mine = parameters(name)

    @jax.jit
    def scores_and_map(x, y):
        pairs = (jnp.broadcast_to(image, (3, *image.shape)) for image in (x, y))
        local = getattr(jiqa, f"{function.__name__}_map")(mine, x, y, **options)
        weighted = function(mine, *pairs, weights=weights, **options)
        return function(mine, x, y, **options), weighted, local

    score, (on_left, everywhere, nowhere), local = scores_and_map(x, y)
    assert_allclose([everywhere, nowhere], score, rtol=1e-9)
    half = local.shape[1] // 2
    if name == "pieapp":  # of random parameters errors have any sign
        assert local.shape == (3, 4)
        assert not np.allclose(local[:, :1], local[:, -1:])
        assert on_left != score
    else:
        assert local.shape == x.shape[:2]
        assert local[:, :half].mean() > local[:, half:].mean()
        assert on_left > score
        assert abs(local.mean() - score) < 0.25 * score


@pytest.mark.parametrize("name", ["a_dists", "deepdc", "deepwsd", "st_lpips_alex"])
def test_prepared_references_give_the_same_scores(name):
    metric = dataclasses.replace(jiqa.find(name), parameters=parameters(name))
    x, y = images(PAIRS[:2])
    options = {"logarithmic": False} if name == "deepwsd" else {}
    assert_allclose(metric.prepare(x)(y, **options), metric(x, y, **options), rtol=1e-9)
    if name != "deepdc":  # whose features do not depend on the size
        with pytest.raises(ValueError, match=f"{name.removesuffix('_alex')}: the features"):
            metric.prepare(x)(y[:, :-8])
