"""Images to learn from, and a few steps of learning."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jiqa.networks import Model
from jiqa.networks.network import split

Batch = Mapping[str, jax.Array]


def photographs(rng, *shape: int) -> jax.Array:
    """Smooth images `[B, H, W, C]` with a little noise, in single precision."""
    batch, height, width, channels = shape
    y, x = jnp.mgrid[:height, :width]
    waves = rng.uniform(0.02, 0.2, (2, batch, 1, 1, channels))
    smooth = jnp.sin(waves[0] * x[..., None] + waves[1] * y[..., None])
    noise = rng.standard_normal(shape) * rng.uniform(0, 0.1, (batch, 1, 1, 1))
    return jnp.clip(0.5 + 0.4 * smooth + noise, 0, 1).astype(jnp.float32)


def train(
    model: Model,
    loss: Callable[[Any, Batch, nnx.Rngs], tuple[jax.Array, Any]],
    batch: Batch,
    *,
    steps: int,
    learning_rate: float,
) -> tuple[Model, list[float]]:
    """Adam on one batch: the trained model, and the loss at each step."""
    graph, parameters, statistics = split(model.merge())
    optimizer = optax.adam(learning_rate)

    @jax.jit
    def step(parameters, statistics, state, key):
        def objective(parameters):
            network = nnx.merge(graph, parameters, statistics, copy=True)
            value, _ = loss(network, batch, nnx.Rngs(key))
            return value, split(network)[2]

        (value, after), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(parameters, updates), after, state, value

    state, values = optimizer.init(parameters), []
    for key in jax.random.split(jax.random.key(0), steps):
        parameters, statistics, state, value = step(parameters, statistics, state, key)
        values.append(float(value))
    trained = Model(model.network, model.options, model.higher_is_better, parameters, statistics)
    return trained, values
