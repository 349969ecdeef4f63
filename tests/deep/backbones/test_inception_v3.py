"""Inception V3 of FID against pytorch-fid's, part by part, with the same random parameters."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.deep.backbones.inception_v3 import average_within, inception_v3_fid
from tests.distribution.data.parameters import draw

GOLDENS = json.loads((Path(__file__).parents[2] / "distribution/data/goldens.json").read_text())[
    "inception"
]


def fill(shapes, place=""):
    """The parameters of data/parameters.py."""
    if isinstance(shapes, tuple):
        return draw(place, shapes)
    return {key: fill(value, f"{place}.{key}" if place else key) for key, value in shapes.items()}


def summarize(x):
    x = np.asarray(x[0])
    places = (np.array([0.1, 0.5, 0.9]) * x.size).astype(int)
    return [x.mean(), (x**2).mean(), *x.ravel()[places]]


def test_every_part_is_that_of_pytorch_fid():
    """In float64, so that nothing but the architecture could differ."""
    expected = GOLDENS["taps"]
    assert inception_v3_fid.names == tuple(
        name
        for tap in expected
        for name in (["logits_unbiased", tap] if tap == "logits" else [tap])
    )
    parameters = fill(inception_v3_fid.shapes)
    x = jnp.asarray(np.random.default_rng(3).uniform(-1, 1, (1, 79, 97, 3)))
    found = inception_v3_fid(parameters, x, inception_v3_fid.names)
    for tap, numbers in expected.items():
        assert_allclose(summarize(found[tap]), numbers, rtol=1e-9, atol=1e-12, err_msg=tap)
    bias = parameters["fc"]["bias"]
    assert_allclose(found["logits"] - found["logits_unbiased"], bias[None], atol=1e-12)


def test_parameter_count_is_that_of_pytorch_fid():
    assert inception_v3_fid.parameter_count == GOLDENS["parameter_count"]


def test_averages_count_what_is_there(rng):
    x = rng.random((2, 4, 1, 3))
    expected = [x[:, max(0, i - 1) : i + 2].mean(1) for i in range(4)]
    assert_allclose(average_within(jnp.asarray(x)), np.stack(expected, 1), rtol=1e-12)
    ones = jnp.ones((1, 5, 6, 2))
    assert_allclose(average_within(ones), 1, rtol=1e-12)


def test_shapes_batches_and_errors():
    images = jax.ShapeDtypeStruct((2, 3, 299, 299, 3), jnp.float32)
    parameters = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
        inception_v3_fid.shapes,
        is_leaf=lambda x: isinstance(x, tuple),
    )
    taps = ("maxpool1", "maxpool2", "Mixed_6e", "Mixed_7c", "avgpool", "logits")
    found = jax.eval_shape(lambda p, x: inception_v3_fid(p, x, taps), parameters, images)
    assert [found[tap].shape[2:] for tap in taps] == [
        (73, 73, 64),
        (35, 35, 192),
        (17, 17, 768),
        (8, 8, 2048),
        (2048,),
        (1008,),
    ]
    with pytest.raises(ValueError, match="inception_v3_fid has no pool3; its features are Conv2d"):
        inception_v3_fid({}, jnp.zeros((299, 299, 3)), ("pool3",))
    with pytest.raises(
        ValueError, match="images of 74 x 80 are too small: nothing is left at Mixe"
    ):
        jax.eval_shape(
            lambda p, x: inception_v3_fid(p, x, ("Mixed_7c",)),
            parameters,
            jax.ShapeDtypeStruct((74, 80, 3), jnp.float32),
        )
