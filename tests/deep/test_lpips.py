"""LPIPS against the authors' package, official values, and its pure functions among themselves."""

import json

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.deep.lpips import NETWORKS, load_parameters
from jiqa.images import read_image

pytestmark = pytest.mark.usefixtures("pretrained")

SEEDS = {"alex": 101, "vgg": 102, "squeeze": 103}


@pytest.fixture(scope="module")
def goldens(shared_data):
    folder = shared_data / "goldens/deep_random"
    results = json.loads((folder / "results.json").read_text())["lpips"]
    return folder, results, np.load(folder / "inputs.npz")


def draw(shapes, rng):
    """Parameters as the goldens' METHOD.md says, in PyTorch's order of axes, brought to ours."""
    if isinstance(shapes, dict):
        return {key: draw(value, rng) for key, value in shapes.items()}
    if len(shapes) == 1:
        return np.float32(0.05) * rng.standard_normal(shapes, np.float32)
    rows, columns, inputs, outputs = shapes
    kernel = rng.standard_normal((outputs, inputs, rows, columns), np.float32)
    kernel *= np.float32(np.sqrt(2 / (inputs * rows * columns)))
    return np.moveaxis(kernel, (0, 1), (-1, -2))


def make_parameters(trunk, net, version):
    """Real heads on a real trunk, or on one drawn as the goldens'."""
    if trunk == "real":
        return load_parameters(net, version)
    heads = jiqa.weights.load("lpips_heads")["v" + version.replace(".", "_")][net]
    shapes = NETWORKS[net].backbone.shapes["features"]
    features = draw(shapes, np.random.default_rng(SEEDS[net]))
    return {net: {"features": features, "heads": heads}}


@pytest.mark.parametrize(
    ("trunk", "net", "dtype"),
    [
        ("real", "alex", np.float64),
        ("real", "alex", np.float32),
        ("rand", "squeeze", np.float64),
        ("real", "vgg", np.float64),
    ],
)
def test_layers_maps_and_gradients_are_the_authors(goldens, trunk, net, dtype):
    folder, results, inputs = goldens
    names = [f"astronaut_{kind}_crop160x192" for kind in ("jpeg10", "noise", "blur")]
    names = names[:1] if net == "vgg" else names
    x, y = (
        np.stack([inputs[f"{name}/{role}"] for name in names]).astype(dtype) / dtype(255)
        for role in ("ref", "dist")
    )

    @jax.jit
    def everything(new, old, x, y):
        return (
            jiqa.lpips_layers(new, x, y, net=net),
            jiqa.lpips_layers(new, x, y, net=net, linear=False),
            jiqa.lpips_layers(old, x, y, net=net, version="0.0"),
            jiqa.lpips_map(new, x[0], y[0], net=net),
            jax.grad(lambda y: jiqa.lpips(new, x[0], y, net=net))(y[0]),
        )

    parameters = [make_parameters(trunk, net, version) for version in ("0.1", "0.0")]
    *layers, local, gradient = everything(*parameters, x, y)
    assert gradient.dtype == dtype
    precise = dtype == np.float64
    for found, kind in zip(layers, ("v0.1 lin", "v0.1 baseline(no lin)", "v0.0 lin"), strict=True):
        rows = [results[f"{trunk}_{net}"][name][f"lpips0.1.4 {kind} float64"] for name in names]
        expected = [row["per_layer"] for row in rows]
        assert_allclose(found, expected, rtol=1e-12 if precise else 2e-6)
        assert_allclose(
            found.sum(-1), [row["value"] for row in rows], rtol=1e-12 if precise else 1e-6
        )
    golden = np.load(folder / f"{trunk}_{net}_map_grad.npz")
    assert_allclose(local, golden["spatial_map"], rtol=1e-11 if precise else 1e-5)
    expected = np.moveaxis(golden["grad_wrt_dist01_CHW"], 0, -1)
    wrong = np.abs(gradient - expected) > (1e-12 if precise else 1e-5) * np.abs(expected).max()
    # Where neighbours in a flat area are equal, rounding decides which of them is the largest.
    assert wrong.mean() <= (0.004 if net == "squeeze" else 0)


def test_examples_of_the_authors(shared_data):
    """The values in the documentation of the authors' repository."""
    folder = shared_data / "data/weights/lpips"
    reference, *distorted = (read_image(folder / f"ex_{name}.png") for name in ("ref", "p0", "p1"))
    scores = jiqa.load("lpips_alex").prepare(reference)(np.stack(distorted))
    assert_allclose(scores, [0.722, 0.138], atol=5e-4)


def test_official_values_of_tid2013(shared_data):
    folder = shared_data / "data/tid2013_calibration"
    rows = dict(line.split(",", 1) for line in (folder / "results_official.csv").open())
    names = {"I03": "i03_11_5", "I04": "i04_18_5", "I06": "i06_18_3"}
    reference = np.stack([read_image(folder / f"ref/{name}.png") for name in names])
    distorted = np.stack([read_image(folder / f"dist/{name}.png") for name in names.values()])
    scores = jiqa.load("lpips_alex")(reference, distorted)
    # Four digits are printed.
    expected = [float(value) for value in rows["lpips"].split(",")]
    assert_allclose(scores, expected, atol=5.1e-5)


@pytest.fixture(scope="module")
def alex(pretrained):  # noqa: ARG001
    return jiqa.load("lpips_alex")


@pytest.fixture
def pair(rng):
    reference = rng.random((2, 40, 47, 3))
    return reference, np.clip(reference + 0.2 * rng.standard_normal(reference.shape), 0, 1)


def test_a_prepared_reference_gives_the_same_scores(alex, pair):
    reference, distorted = pair
    prepared = alex.prepare(reference)
    assert set(prepared.features.values) == {f"alex.relu{i}" for i in range(1, 6)}
    score = jax.jit(lambda prepared, images: prepared(images))
    assert_allclose(score(prepared, distorted), alex(reference, distorted), rtol=1e-12)
    one = alex.prepare(reference[0])
    assert_allclose(one(np.stack([reference[0], distorted[0]]))[0], 0, atol=1e-15)
    with pytest.raises(ValueError, match=r"are of an image of 40 x 47 pixels, .* has 40 x 46"):
        prepared(distorted[:, :, 1:])
    other = jiqa.load("rred").prepare(np.tile(reference, (1, 2, 2, 1))).features
    with pytest.raises(ValueError, match="the features are those of rred"):
        jiqa.lpips_distance(alex.parameters, other, distorted)


def test_several_networks_are_averaged(pair):
    names = ("alex", "squeeze")
    parameters = {}
    for name in names:
        parameters |= make_parameters("rand", name, "0.1")
    both = jiqa.lpips_layers(parameters, *pair, net=names)
    assert both.shape == (2, 12)
    alone = [jiqa.lpips(parameters, *pair, net=name) for name in names]
    assert_allclose(both.sum(-1), np.mean(alone, 0), rtol=1e-12)
    assert_allclose(jiqa.lpips(parameters, *pair, net=list(names)), both.sum(-1), rtol=1e-12)


def test_weights_choose_where_to_look(alex, pair):
    reference, distorted = pair
    half_good = np.where(np.arange(47)[:, None] < 24, distorted, reference)
    ones, right = np.ones((40, 47)), np.arange(47) >= np.full((40, 1), 36)
    plain = alex(reference, half_good)
    assert_allclose(alex(reference, half_good, weights=ones), plain, rtol=1e-12)
    assert_allclose(alex(reference, half_good, weights=0 * ones), plain, rtol=1e-12)
    assert np.all(alex(reference, half_good, weights=right) < 0.6 * plain)


def test_half_precision_of_the_network_is_close(alex, pair):
    x, y = (images.astype(np.float32) for images in pair)
    half = alex(x, y, dtype="bfloat16")
    assert half.dtype == np.float32
    assert_allclose(half, alex(x, y), rtol=1e-2)
    assert np.any(half != alex(x, y))


def test_a_map_is_as_large_as_the_image(alex, pair):
    local = alex.map_function(*pair)
    assert local.shape == (2, 40, 47)
    assert_allclose(local.mean((-2, -1)), alex(*pair), rtol=2e-2)


def test_parameters_get_gradients_only_if_asked(alex, pair):
    images = jax.jit(jax.grad(jiqa.as_loss(alex)))(pair[0][0], pair[1][0])
    assert images.shape == (40, 47, 3)
    slopes = jax.jit(jax.grad(lambda metric, x, y: metric(x, y).sum()))(alex, *pair)
    # The score is linear in the heads.
    heads = alex.parameters["alex"]["heads"]
    products = jax.tree.map(lambda a, b: (a * b).sum(), heads, slopes.parameters["alex"]["heads"])
    assert_allclose(sum(jax.tree.leaves(products)), alex(*pair).sum(), rtol=1e-5)
    assert np.abs(slopes.parameters["alex"]["features"]["0"]["kernel"]).max() > 0


def test_unknown_options_are_clear_errors(alex, pair):
    with pytest.raises(ValueError, match=r"net='resnet' is unknown; use .* alex, vgg, squeeze"):
        jiqa.load("lpips", net="resnet")
    with pytest.raises(ValueError, match=r"version='2' is unknown; use one of 0.1, 0.0"):
        jiqa.lpips(alex.parameters, *pair, version="2")
    with pytest.raises(ValueError, match="lpips_alex: net, version chose the parameters"):
        alex(*pair, net="vgg")
    with pytest.raises(ValueError, match="alexnet: images of 30 x 47 are too small"):
        alex(*(images[:, :30] for images in pair))
