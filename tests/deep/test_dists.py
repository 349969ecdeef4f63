"""DISTS against the authors' package and official values."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

import jiqa
from jiqa.images import read_image


@pytest.fixture(scope="module")
def dists(pretrained):  # noqa: ARG001
    return jiqa.load("dists")


def read_pair(shared_data, name):
    inputs = np.load(shared_data / "goldens/deep_random/inputs.npz")
    return [inputs[f"astronaut_{name}_crop160x192/{role}"] / 255 for role in ("ref", "dist")]


def test_stages_are_the_authors(shared_data, dists):
    results = json.loads((shared_data / "goldens/deep_random/results.json").read_text())
    golden = results["dists"]["real"]["astronaut_jpeg10_crop160x192"]
    x, y = read_pair(shared_data, "jpeg10")

    @jax.jit
    def everything(metric, x, y):
        return jiqa.dists_layers(metric.parameters, x, y), jiqa.dists_features(metric.parameters, x)

    layers, features = everything(dists, x, y)
    assert_allclose(layers.sum(), golden["DISTS_pytorch float64"], rtol=1e-10)
    weights = np.stack([dists.parameters["alpha"], dists.parameters["beta"]]).astype(np.float64)
    shares = np.split(weights / weights.sum(), np.cumsum([3, 64, 128, 256, 512]), axis=1)
    values = features.values.values()
    for stage, share, value, row in zip(layers, shares, values, golden["per_stage"], strict=True):
        assert_allclose(share.sum(1) - stage, [row["alpha_term"], row["beta_term"]], rtol=1e-10)
        assert value.shape == (*row["shape"][2:], row["shape"][1])
        assert_allclose(value.mean(), row["feat_mean"], rtol=1e-10)
    single = jiqa.dists(dists.parameters, x.astype(np.float32), y.astype(np.float32))
    assert_allclose(single, layers.sum(), rtol=1e-6)


def test_official_values_of_tid2013(shared_data, dists):
    folder = shared_data / "data/tid2013_calibration"
    rows = dict(line.split(",", 1) for line in (folder / "results_official.csv").open())
    names = {"I03": "i03_11_5", "I04": "i04_18_5", "I06": "i06_18_3"}
    expected = [float(value) for value in rows["dists"].split(",")]
    for (reference, distorted), value in zip(names.items(), expected, strict=True):
        images = [
            read_image(folder / f"{n}.png") for n in (f"ref/{reference}", f"dist/{distorted}")
        ]
        assert_allclose(dists(*images), value, atol=5.1e-5)


def test_a_prepared_reference_gives_the_same_scores(dists, rng):
    images = rng.random((3, 17, 22, 3))
    prepared = dists.prepare(images[0])
    assert_allclose(prepared(images[1:]), dists(np.stack([images[0]] * 2), images[1:]), rtol=1e-12)
    with pytest.raises(ValueError, match=r"dists: the features have shape \(17, 22, 3\)"):
        prepared(images[1:, :16])


def test_resizing_is_that_of_the_command_line(dists, rng):
    """The authors resize by Pillow, with floating numbers here and bytes there."""
    smooth = Image.fromarray(rng.random((9, 8)).astype(np.float32)).resize((320, 390))
    images = [np.asarray(smooth), np.asarray(smooth) ** 2]
    small = [
        np.asarray(Image.fromarray(each).resize((256, 312), Image.BILINEAR)) for each in images
    ]
    resized = jiqa.dists_features(dists.parameters, images[0][..., None], resize=True)
    assert_allclose(resized.values["image"][..., 0], small[0], atol=1e-6)
    same = jiqa.dists_features(dists.parameters, small[0][..., None], resize=True)
    assert same.values["image"].shape == (312, 256, 3)


def test_half_precision_of_the_network_is_close(shared_data, dists):
    pair = [image[:64, :64].astype(np.float32) for image in read_pair(shared_data, "noise")]
    half = dists(*pair, dtype="bfloat16")
    assert half.dtype == jnp.float32
    assert_allclose(half, dists(*pair), rtol=1e-2)
    assert half != dists(*pair)
