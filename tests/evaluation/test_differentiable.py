"""Losses from correlations: values, gradients, degenerate batches, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from jiqa.evaluation import plcc, plcc_loss, soft_rank, srocc, srocc_loss

LOSSES = [plcc_loss, srocc_loss]


def test_values(rng):
    x, y = rng.normal(size=(2, 30)).round(1)
    assert plcc_loss(x, y) == pytest.approx(1 - plcc(x, y))
    assert srocc_loss(x, y, temperature=1e-3) == pytest.approx(1 - srocc(x, y), abs=1e-9)
    assert srocc_loss(x, y) == pytest.approx(1 - srocc(x, y), abs=0.1)


def test_soft_ranks_become_exact_and_keep_their_sum(rng):
    x = rng.integers(0, 6, 20) * 1.0
    np.testing.assert_allclose(soft_rank(x, temperature=1e-3), stats.rankdata(x), atol=1e-9)
    for temperature in (0.05, 1.0):
        soft = soft_rank(x, temperature=temperature)
        np.testing.assert_allclose(soft.sum(), 210)
        np.testing.assert_allclose(soft_rank(5 - 3 * x, temperature=temperature), 21 - soft)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(rng, loss):
    x, y = jnp.asarray(rng.normal(size=(2, 3, 8)))
    check_grads(jax.jit(lambda x: loss(x, y)), (x,), order=1, rtol=1e-4)
    stepped = x - 0.1 * jax.jit(jax.grad(lambda x: loss(x, y).sum()))(x)
    assert (loss(stepped, y) < loss(x, y)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_degenerate_batches(loss):
    varied, constant = jnp.arange(6.0), jnp.full(6, 3.0)
    pairs = [(constant, varied), (varied, constant), (constant, constant), (varied, varied)]
    compiled = jax.jit(jax.value_and_grad(loss))
    for x, y in pairs:
        value, gradient = compiled(x, y)
        assert jnp.isfinite(value)
        assert jnp.isfinite(gradient).all()
        assert value == pytest.approx(0 if x is y is varied else 1, abs=0.02)


@pytest.mark.parametrize("loss", LOSSES)
def test_leading_axes_and_transformations(rng, loss):
    x, y = jnp.asarray(rng.normal(size=(2, 2, 3, 10)))
    batched = loss(x, y)
    assert batched.shape == (2, 3)
    np.testing.assert_allclose(jax.jit(loss)(x, y), batched, atol=1e-12)
    np.testing.assert_allclose(jax.vmap(loss)(x, y), batched, atol=1e-12)
    np.testing.assert_allclose(loss(x[1, 2], y[1, 2]), batched[1, 2], atol=1e-12)
    assert loss(x.astype(jnp.float32), y.astype(jnp.float32)).dtype == jnp.float32


def test_training_with_it_orders_scores(rng):
    y = jnp.asarray(rng.normal(size=40))
    step = jax.jit(lambda x: x - 20 * jax.grad(srocc_loss)(x, y))
    x = jnp.asarray(rng.normal(size=40))
    for _ in range(300):
        x = step(x)
    assert srocc(x, y) > 0.95


@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_use(loss):
    with pytest.raises(ValueError, match=r"predictions are \[3\] and opinions \[4\]"):
        loss(jnp.zeros(3), jnp.zeros(4))
    with pytest.raises(ValueError, match="N at least 2"):
        loss(jnp.zeros(1), jnp.zeros(1))
    with pytest.raises(ValueError, match="it must be positive"):
        soft_rank(jnp.zeros(3), temperature=0)
