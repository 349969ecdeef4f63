"""Content, style and contextual losses against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.deep.backbones.vgg import vgg11
from jiqa.deep.contextual import contextual_similarity
from jiqa.deep.maps import extract

TAPS = ("relu1_1", "relu2_1")
OPTIONS = {"net": "vgg11", "taps": TAPS}


@pytest.fixture(scope="module")
def parameters():
    return vgg11.initialize(np.random.default_rng(0), ["features"])


@pytest.fixture
def pair(rng):
    return rng.random((2, 12, 17, 3))


def test_content_and_style(parameters, pair):
    x, y = pair
    maps = extract(parameters, pair, 1.0, "vgg11", TAPS)
    a, b = ([np.asarray(maps[tap][i]) for tap in TAPS] for i in (0, 1))
    content = [np.mean((p - q) ** 2) for p, q in zip(a, b, strict=True)]
    style = []
    for p, q in zip(a, b, strict=True):
        places, channels = p.shape[0] * p.shape[1], p.shape[2]
        grams = [z.reshape(places, channels).T @ z.reshape(places, channels) for z in (p, q)]
        style.append(np.sum((grams[0] - grams[1]) ** 2) / (4 * channels**2 * places**2))
    for name, layers in (("content_loss", content), ("style_loss", style)):
        assert_allclose(
            getattr(jiqa, name)(parameters, x, y, **OPTIONS), np.mean(layers), rtol=1e-9
        )
        features = getattr(jiqa, f"{name}_features")(parameters, x, **OPTIONS)
        score = getattr(jiqa, f"{name}_distance")(parameters, features, y)
        assert_allclose(score, np.mean(layers), rtol=1e-9)
    ones = np.ones(x.shape[:2])
    weighted = jiqa.content_loss(parameters, x, y, weights=ones, **OPTIONS)
    assert_allclose(weighted, np.mean(content), rtol=1e-9)
    assert jiqa.content_loss_map(parameters, x, y, **OPTIONS).shape == x.shape[:2]


def test_style_is_of_any_place_and_size(parameters, pair):
    x, _ = pair
    features = jiqa.style_loss_features(parameters, np.tile(x, (2, 1, 1)), **OPTIONS)
    near = jiqa.style_loss_distance(parameters, features, x)
    far = jiqa.style_loss_distance(parameters, features, x**3)
    assert near < far / 10


def definition(x, y, bandwidth):
    """CX of vectors `[n, c]`, as the authors' code computes it."""
    x, y = x - x.mean(0), y - x.mean(0)
    cosine = (y / np.linalg.norm(y, axis=1)[:, None]) @ (x / np.linalg.norm(x, axis=1)[:, None]).T
    distances = (1 - cosine) / 2
    likeness = np.exp((1 - distances / (distances.min(1, keepdims=True) + 1e-5)) / bandwidth)
    return (likeness / likeness.sum(1, keepdims=True)).max(0).mean()


def test_contextual_similarity(rng):
    x, y = rng.random((13, 6)), rng.random((10, 6))
    expected = definition(x, y, 0.5)
    gradients = []
    for at_once in (10**6, 13 * 4, 1):  # all rows of distances, four, one
        value, gradient = jax.value_and_grad(contextual_similarity, argnums=(0, 1))(
            x, y, at_once=at_once
        )
        assert_allclose(value, expected, rtol=1e-9)
        gradients.append(jnp.concatenate(gradient))
    assert_allclose(gradients[1], gradients[0], rtol=1e-9, atol=1e-12)
    assert_allclose(gradients[2], gradients[0], rtol=1e-9, atol=1e-12)
    batch = contextual_similarity(np.stack([x, x]), np.stack([y, x[:10]]))
    assert_allclose(batch[0], expected, rtol=1e-9)
    assert batch[1] > batch[0]


def test_contextual_loss_does_not_ask_where(parameters, pair):
    x, y = pair
    maps = extract(parameters, pair, 1.0, "vgg11", TAPS)
    vectors = [np.asarray(maps[tap]).reshape(2, -1, maps[tap].shape[-1]) for tap in TAPS]
    expected = np.mean([-np.log(definition(*both, 0.5)) for both in vectors])
    assert_allclose(jiqa.contextual_loss(parameters, x, y, **OPTIONS), expected, rtol=1e-9)
    features = jiqa.contextual_loss_features(parameters, x, **OPTIONS)
    assert_allclose(jiqa.contextual_loss_distance(parameters, features, y), expected, rtol=1e-9)
    moved = np.roll(x, 5, 1)
    scores = jiqa.contextual_loss(parameters, np.stack([x, x]), np.stack([moved, y]), **OPTIONS)
    assert scores[0] < scores[1] / 3
    few = jiqa.contextual_loss(parameters, x, y, places=50, **OPTIONS)
    assert 0 < few != scores[1]


def test_memory_of_the_contextual_loss_is_bounded():
    """Of 20,000 places all distances would take 1.6 GB."""
    vectors = jax.ShapeDtypeStruct((20_000, 8), jnp.float32)
    loss = jax.jit(jax.grad(lambda x, y: -jnp.log(contextual_similarity(x, y)), 1))
    needed = loss.lower(vectors, vectors).compile().memory_analysis().temp_size_in_bytes
    assert needed < 200e6
