"""Optimisers by part: the longest beginning counts, and none is forgotten."""

import jax.numpy as jnp
import optax
import pytest

from jiqa.training.optimizers import by_part

PARAMETERS = {
    "head": {"kernel": jnp.ones(2), "bias": jnp.ones(1)},
    "header": {"bias": jnp.ones(1)},
    "blocks": {0: {"bias": jnp.ones(1)}},
}


def step(optimizers):
    optimizer = by_part(optimizers)
    updates, _ = optimizer.update(PARAMETERS, optimizer.init(PARAMETERS), PARAMETERS)
    return updates


def test_the_longest_beginning_counts():
    sgd = {"head": optax.sgd(2.0), "head.bias": optax.sgd(3.0), "": optax.set_to_zero()}
    updates = step({**sgd, "blocks.0": optax.sgd(5.0)})
    assert updates["head"]["kernel"].tolist() == [-2, -2]
    assert updates["head"]["bias"].tolist() == [-3]
    assert updates["header"]["bias"].tolist() == [0]
    assert updates["blocks"][0]["bias"].tolist() == [-5]


def test_parts_must_fit():
    with pytest.raises(ValueError, match=r"no optimiser is given for blocks\.0\.bias"):
        step({"head": optax.sgd(1.0), "header": optax.sgd(1.0)})
    with pytest.raises(ValueError, match="no parameter begins with tail"):
        step({"tail": optax.sgd(1.0), "": optax.sgd(1.0)})
