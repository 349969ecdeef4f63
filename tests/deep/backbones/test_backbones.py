"""Architectures against torchvision's, parameter counts, names of features, errors."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.deep.backbones import BACKBONES
from jiqa.deep.backbones.alexnet import alexnet, alexnet_caffe
from jiqa.deep.backbones.efficientnet import lite_normalize
from jiqa.deep.backbones.squeezenet import squeezenet1_1
from jiqa.deep.backbones.vgg import vgg16

GOLDENS = json.loads((Path(__file__).parents[1] / "data/backbone_goldens.json").read_text())
# As in data/make_backbone_goldens.py, which says what was computed.
SEED, UNITS, SIZE, SIZES = 2012, 16, (70, 85), {"alexnet_caffe": (227, 227), "caffenet": (227, 227)}

# Of the papers and of torchvision's documentation.
COUNTS = {
    "alexnet": 61_100_840,
    "alexnet_caffe": 60_965_224,
    "caffenet": 60_965_224,
    "efficientnet_lite0": 4_652_008,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}


def test_parameter_counts_are_the_published_ones():
    assert {name: net.parameter_count for name, net in BACKBONES.items()} == COUNTS


def draw(kind, shape, rng):
    """A parameter in PyTorch's order of axes, brought to ours."""
    torch_shape = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[len(shape)]
    values = rng.standard_normal([shape[i] for i in torch_shape], np.float32)
    if kind == "kernel":
        values *= np.float32(np.sqrt(2 / np.prod(values.shape[1:])))
        return np.moveaxis(values, (0, 1), (-1, -2))
    values *= np.float32(0.1)
    return values if kind in ("bias", "mean") else np.exp(values)


def fill(shapes, rng, place=""):
    """Draws parameters in the order of the shapes, fully connected layers but for the last cut."""
    if not isinstance(shapes, dict):
        kind = place.rsplit("/", 1)[-1]
        return draw(kind, tuple(min(n, UNITS) if n == 4096 else n for n in shapes), rng)
    return {key: fill(value, rng, f"{place}/{key}") for key, value in shapes.items()}


def summarize(x):
    x = np.moveaxis(np.asarray(x), -1, 0)
    places = (np.array([0.1, 0.5, 0.9]) * x.size).astype(int)
    return [x.mean(), (x**2).mean(), *x.ravel()[places]]


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_those_of_torchvision(name):
    net, golden = BACKBONES[name], GOLDENS[name]
    rng = np.random.default_rng(SEED)
    parameters = fill(net.shapes, rng)
    x = np.moveaxis(rng.standard_normal((3, *SIZES.get(name, SIZE))), 0, -1)
    found = net(parameters, jnp.asarray(x), tuple(golden))
    # Others are rectifiers that a block uses several times, and means.
    others = [tap.rsplit(".", 1)[-1] for tap in net.names if tap not in golden]
    assert all(tap.startswith(("relu", "avgpool")) for tap in others)
    for tap, expected in golden.items():
        assert_allclose(summarize(found[tap]), expected, rtol=1e-9, atol=1e-9, err_msg=tap)


def test_nothing_beyond_the_last_tap_is_needed(rng):
    parameters = vgg16.initialize(rng, ["features"])
    first = {"features": {place: parameters["features"][place] for place in ("0", "2")}}
    images = rng.random((2, 3, 20, 24, 3), np.float32)
    found = vgg16(first, images, ["relu1_2", "conv1_1"])
    assert {tap: x.shape for tap, x in found.items()} == {
        "conv1_1": (2, 3, 20, 24, 64),
        "relu1_2": (2, 3, 20, 24, 64),
    }
    with pytest.raises(ValueError, match="vgg16: the parameters lack '5', which conv2_1 need"):
        vgg16(first, images, ["conv2_1"])
    with pytest.raises(ValueError, match="vgg16: the parameters lack 'classifier', which fc6 need"):
        vgg16(parameters, rng.random((32, 32, 3), np.float32), ["fc6"])
    with pytest.raises(ValueError, match=r"vgg16 has no relu6_1; .* conv1_1, relu1_1"):
        vgg16(first, images, ["relu1_2", "relu6_1"])


def test_small_images_are_a_clear_error(rng):
    parameters = alexnet.initialize(rng, ["features"])
    with pytest.raises(ValueError, match=r"alexnet: images of 30 x 64 are too small.* at pool2"):
        alexnet(parameters, np.zeros((30, 64, 3), np.float32), ["relu5"])
    assert alexnet(parameters, np.zeros((31, 31, 3), np.float32), ["relu5"])["relu5"].size


def test_fully_connected_layers_take_one_size(rng):
    parameters = fill(alexnet_caffe.shapes, rng)
    with pytest.raises(ValueError, match="fc6 takes 9216 features, and the images give 4096"):
        alexnet_caffe(parameters, np.zeros((160, 160, 3), np.float32), ["fc6"])


def test_the_images_precision_is_that_of_the_features(rng):
    parameters = squeezenet1_1.initialize(rng)
    images = rng.random((40, 50, 3))
    for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
        found = squeezenet1_1(parameters, jnp.asarray(images, dtype), ["fire2", "pool10"])
        assert {x.dtype for x in found.values()} == {jnp.dtype(dtype)}
        assert found["pool10"].shape == (1000,)


def test_random_parameters_keep_the_power_of_features():
    net = BACKBONES["resnet18"]
    parameters = net.initialize(np.random.default_rng(3))
    again = net.initialize(np.random.default_rng(3))
    assert jax.tree.all(jax.tree.map(np.array_equal, parameters, again))
    assert jax.tree.map(np.shape, parameters) == net.shapes
    x = np.random.default_rng(4).standard_normal((64, 64, 3)).astype(np.float32)
    found = net(parameters, x, ["conv1", "relu"])
    assert 1.6 < jnp.mean(found["conv1"] ** 2) < 2.2  # less at the borders, where zeros are added
    assert 0.8 < jnp.mean(found["relu"] ** 2) < 1.1


def test_images_are_normalized_as_in_training():
    white = np.ones((1, 1, 3), np.float32)
    expected = np.array([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
    assert_allclose(alexnet.normalize(white)[0, 0], expected, rtol=1e-6)
    red = white * [1, 0, 0]
    assert_allclose(alexnet_caffe.normalize(red)[0, 0], [-104, -117, 132])
    assert_allclose(lite_normalize(white), 1)


def test_batches_vmap_and_gradient(rng):
    parameters = squeezenet1_1.initialize(rng, ["features"])
    images = rng.random((3, 35, 30, 3))

    def mean(x):
        return squeezenet1_1(parameters, x, ["fire4"])["fire4"].mean((-3, -2, -1))

    @jax.jit
    def everything(x):
        step = 1e-6 * jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)
        slope = jax.grad(lambda x: mean(x).sum())(x)
        return (
            mean(x),
            jax.vmap(mean)(x),
            (slope * step).sum(),
            (mean(x + step) - mean(x - step)).sum(),
        )

    batch, mapped, slope, difference = everything(images)
    assert_allclose(mapped, batch, rtol=1e-12)
    assert_allclose(slope, difference / 2, rtol=1e-6)
