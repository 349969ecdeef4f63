"""Pooling over time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.video import METHODS, motion, pool_frames


@pytest.mark.parametrize("method", METHODS)
def test_constant_scores_stay(method):
    assert_allclose(pool_frames(jnp.full((3, 20), 0.7), method), 0.7, rtol=1e-6)
    lower = pool_frames(jnp.full((3, 20), 0.7), method, higher_is_better=False)
    assert_allclose(lower, 0.7, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_batches_and_gradients(method, rng):
    scores = jnp.asarray(rng.random((4, 25)))
    pooled = pool_frames(scores, method)
    assert_allclose(jax.vmap(lambda x: pool_frames(x, method))(scores), pooled, rtol=1e-12)
    assert jnp.isfinite(jax.grad(lambda x: pool_frames(x, method).sum())(scores)).all()


def test_worst_and_minkowski_are_the_definitions(rng):
    scores = rng.random(40)
    assert_allclose(pool_frames(scores, "worst", percent=10), np.sort(scores)[:4].mean())
    highest = pool_frames(scores, "worst", percent=10, higher_is_better=False)
    assert_allclose(highest, np.sort(scores)[-4:].mean())
    expected = (scores**3).mean() ** (1 / 3)
    assert_allclose(pool_frames(scores, "minkowski", exponent=3.0), expected)


def test_hysteresis_remembers_bad_frames(rng):
    good = jnp.ones(60)
    drop = good.at[30:33].set(0.2)
    pooled = pool_frames(drop, "hysteresis")
    assert pooled < pool_frames(drop, "mean")
    scores, memory = rng.random(30), 5
    fall = np.exp(-((np.arange(memory + 1) / (memory / 2)) ** 2) / 2)
    expected = []
    for now in range(30):
        past = scores[max(0, now - memory) : now].min() if now else scores[0]
        ahead = np.sort(scores[now : now + memory + 1])
        weights = fall[: len(ahead)]
        expected.append(0.8 * past + 0.2 * (ahead * weights).sum() / weights.sum())
    assert_allclose(pool_frames(scores, "hysteresis", memory=memory), np.mean(expected), rtol=1e-9)


def test_motion_weighs_frames():
    frames = jnp.zeros((6, 8, 9, 3)).at[3:].set(0.5)
    weights = motion(frames)
    assert_allclose(weights, [0, 0, 0, 0.5, 0, 0])
    scores = jnp.arange(6.0)
    assert pool_frames(scores, weights=weights) == 3


def test_a_metric_on_a_video(rng):
    video, distorted = rng.random((2, 5, 16, 18, 3))
    scores = jiqa.ssim(video, distorted)
    assert scores.shape == (5,)
    assert_allclose(jiqa.pool_frames(scores), scores.mean(), rtol=1e-12)


def test_an_unknown_method_is_an_error():
    with pytest.raises(ValueError, match="method='median' is unknown"):
        pool_frames(jnp.ones(4), "median")
