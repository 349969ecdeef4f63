"""What every network of one or two images has to do."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.networks import Model
from jiqa.networks.network import split
from tests.networks.multi_task import photographs


def pairs(rng, *shape: int) -> tuple[jax.Array, jax.Array]:
    """References and distorted images `[B, H, W, C]`, the later ones the noisier."""
    reference = photographs(rng, *shape)
    strength = jnp.linspace(0, 0.3, shape[0]).reshape(-1, 1, 1, 1)
    noisy = reference + strength * rng.standard_normal(shape)
    return reference, jnp.clip(noisy, 0, 1).astype(jnp.float32)


def check_predictions(
    model: Model, images: tuple[jax.Array, ...], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Names and shapes; the same compiled, for images alone, and nearly so in double precision."""
    together = model(*images)
    assert {name: value.shape for name, value in together.items()} == dict(shapes)
    compiled = jax.jit(lambda model, *images: model(*images))
    alone = compiled(model, *[x[1:2] for x in images])
    double = model(*[x.astype(jnp.float64) for x in images])
    for name, value in together.items():
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(alone[name], value[1:2], rtol=1e-4, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(double[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def check_gradients(model: Model, *images: jax.Array) -> None:
    """Finite with respect to parameters and images, in inference and in training."""

    def total(parameters: Any, images: tuple[jax.Array, ...]) -> jax.Array:
        graph, _, statistics = split(model.merge())
        results = [
            nnx.merge(graph, parameters, statistics, copy=True)(*images, rngs=rngs)
            for rngs in (None, nnx.Rngs(0))
        ]
        return sum(value.sum() for result in results for value in result.values())

    gradients = jax.jit(jax.grad(total, (0, 1)))(model.parameters, images)
    for leaf in jax.tree.leaves(gradients):
        assert jnp.isfinite(leaf).all()
