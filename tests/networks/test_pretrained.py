"""Published classifiers as parts of networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jiqa
from jiqa.deep.backbones.alexnet import alexnet
from jiqa.deep.backbones.resnet import resnet18
from jiqa.networks import Model
from jiqa.networks.network import split
from jiqa.networks.pretrained import Trunk, use_pretrained


def test_a_trunk_is_the_published_network(rng):
    trunk = Trunk("alexnet", rngs=nnx.Rngs(0))
    images = jnp.asarray(rng.random((2, 70, 80, 3)), jnp.float32)
    published = jiqa.weights.load("alexnet")
    for place, layer in published["features"].items():
        for leaf, value in layer.items():
            trunk.layers["features"][place][leaf][...] = value
    normalized = alexnet.normalize(images)
    expected = alexnet(published, normalized, ["relu5"])["relu5"]
    np.testing.assert_array_equal(trunk(trunk.normalize(images), ["relu5"])["relu5"], expected)


def test_statistics_are_not_parameters():
    _, parameters, statistics = split(nnx.eval_shape(lambda: Trunk("resnet18", rngs=nnx.Rngs(0))))
    assert set(parameters["layers"]["bn1"]) == {"scale", "bias"}
    assert set(statistics["layers"]["bn1"]) == {"mean", "var"}
    assert "fc" not in parameters["layers"]
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    assert count == resnet18.parameter_count - 513 * 1000


def test_a_narrow_trunk_has_fewer_channels_and_other_inputs():
    trunk = Trunk("resnet18", inputs=6, narrow=16, rngs=nnx.Rngs(0))
    assert trunk.layers["conv1"]["kernel"].shape == (7, 7, 6, 4)
    assert trunk(jnp.ones((1, 32, 40, 6)), ["avgpool"])["avgpool"].shape == (1, 32)


def test_gray_images_are_neutral(rng):
    trunk = Trunk("vgg11", narrow=32, rngs=nnx.Rngs(0))
    gray = jnp.asarray(rng.random((1, 8, 8, 1)))
    np.testing.assert_array_equal(
        trunk.normalize(gray), trunk.normalize(jnp.repeat(gray, 3, axis=-1))
    )


def test_an_unknown_network_is_an_error():
    with pytest.raises(ValueError, match="vgg17"):
        Trunk("vgg17", rngs=nnx.Rngs(0))


def test_published_parameters_take_the_place_of_random_ones():
    model = Model.create("deepbiq", net="alexnet", hidden=8)
    pretrained = use_pretrained(model)
    found = pretrained.parameters["trunk"]["layers"]
    published = jiqa.weights.load("alexnet")
    assert jax.tree.all(jax.tree.map(np.array_equal, found, published))
    assert pretrained.parameters["fc6"] is model.parameters["fc6"]


def test_parameters_that_do_not_fit_are_an_error():
    narrow = Model.create("deepbiq", net="alexnet", hidden=8, narrow=16)
    with pytest.raises(ValueError, match="alexnet: 10 arrays do not fit"):
        use_pretrained(narrow)
