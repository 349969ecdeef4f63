"""Divisive normalisation against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jiqa.networks.gdn import GDN


@pytest.fixture
def layer(rng):
    """A layer whose parameters are nothing special."""
    layer = GDN(4, rngs=nnx.Rngs(0))
    layer.root_of_beta = nnx.Param(jnp.asarray(rng.standard_normal(4)))
    layer.root_of_gamma = nnx.Param(jnp.asarray(rng.standard_normal((4, 4))))
    return layer


def formula(x, beta, gamma):
    """One number at a time."""
    y = np.empty_like(x)
    for place in np.ndindex(x.shape):
        others = x[place[:-1]]
        y[place] = np.sqrt(beta[place[-1]] + (gamma[place[-1]] * others**2).sum())
    return y


@pytest.mark.parametrize("inverse", [False, True])
def test_it_is_the_formula(layer, rng, inverse):
    x = rng.standard_normal((2, 3, 5, 4))
    layer.inverse = inverse
    strength = formula(x, np.asarray(layer.beta), np.asarray(layer.gamma))
    expected = x * strength if inverse else x / strength
    np.testing.assert_allclose(layer(jnp.asarray(x)), expected, rtol=1e-12)


def test_no_step_makes_parameters_invalid(layer, rng):
    x = jnp.asarray(rng.standard_normal((16, 4)))
    graph, parameters = nnx.split(layer)
    loss = lambda parameters: (nnx.merge(graph, parameters)(x) ** 2).sum()  # noqa: E731
    optimizer = optax.sgd(10.0)  # far too long steps
    state = optimizer.init(parameters)
    for _ in range(20):
        updates, state = optimizer.update(jax.grad(loss)(parameters), state)
        parameters = optax.apply_updates(parameters, updates)
        moved = nnx.merge(graph, parameters)
        assert (moved.beta >= 1e-6).all()
        assert (moved.gamma >= 0).all()
        assert jnp.isfinite(moved(x)).all()


def test_channels_learn_to_influence_each_other(rng):
    layer = GDN(3, rngs=nnx.Rngs(0))
    x = jnp.asarray(rng.standard_normal((8, 3)))
    gradient = nnx.grad(lambda layer: (layer(x) ** 2).sum())(layer)
    assert (jnp.abs(gradient["root_of_gamma"][...]) > 1e-3).all()


def test_gradients_of_zeros_are_finite(layer):
    gradient = jax.grad(lambda x: layer(x).sum())(jnp.zeros((2, 4)))
    assert jnp.isfinite(gradient).all()
    assert (gradient > 0).all()


def test_inverse_undoes_it_approximately(rng):
    x = jnp.asarray(0.1 * rng.standard_normal((8, 3)))
    forth, back = (GDN(3, inverse=inverse, rngs=nnx.Rngs(0)) for inverse in (False, True))
    np.testing.assert_allclose(back(forth(x)), x, rtol=1e-3)
