"""One step of training, a pure function of the state: compiled once, on all devices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jiqa.networks.network import Model, split
from jiqa.training.recipe import Recipe, Stage

State = dict[str, Any]
Batch = Mapping[str, jax.Array]
Step = Callable[[State, Batch, jax.Array], tuple[State, dict[str, jax.Array]]]


def begin(recipe: Recipe, stage: Stage, parameters: Any, statistics: Any) -> State:
    """The state before the first step of a stage, of copies, as a step uses up what it is given."""
    state = {
        "parameters": parameters,
        "statistics": statistics,
        "optimizer": stage.optimizer.init(parameters),
    }
    if recipe.average is not None:
        state["average"] = parameters
    return jax.tree.map(np.array, state)


def result(state: State) -> dict[str, Any]:
    """Parameters, or their running average, and statistics, on this process' first device."""
    parameters = state.get("average", state["parameters"])
    trees = {"parameters": parameters, "statistics": state["statistics"]}
    return jax.tree.map(lambda x: x.addressable_data(0), trees)


def make_step(recipe: Recipe, stage: Stage, model: Model) -> Step:
    """The step of a stage.

    Args:
        recipe: For seed, precision and average.
        stage: For loss, optimiser and accumulation.
        model: Of the network, for its structure.

    Returns:
        A compiled function of state, batch and the step's random key, which gives the next state
        and what is to be logged. The state it is given is used up.
    """
    graph, _, _ = split(model.merge())
    dtype = jnp.dtype(recipe.precision)

    def objective(parameters: Any, statistics: Any, batch: Batch, key: jax.Array) -> Any:
        network = nnx.merge(graph, _cast(parameters, dtype), statistics, copy=True)
        loss, logs = stage.loss(network, _cast(batch, dtype), nnx.Rngs(key))
        _, _, statistics = split(network)
        logs = {"loss": loss, **logs}
        logs = {name: value.astype(jnp.float32) for name, value in logs.items()}
        return loss.astype(jnp.float32), (logs, statistics)

    differentiate = jax.value_and_grad(objective, has_aux=True)

    def step(state: State, batch: Batch, key: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        parameters, statistics, count = state["parameters"], state["statistics"], stage.accumulate
        parts = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)
        gradients, logged = [], []
        # No scan: on CPUs, gradients of convolutions within one take 25 times as long.
        for number, random in enumerate(jax.random.split(key, count)):
            part = jax.tree.map(lambda x, n=number: x[n], parts)
            (_, (logs, statistics)), gradient = differentiate(parameters, statistics, part, random)
            gradients.append(gradient)
            logged.append(logs)
        gradient = _mean(gradients)
        updates, optimizer = stage.optimizer.update(gradient, state["optimizer"], parameters)
        parameters = optax.apply_updates(parameters, updates)
        new = {"parameters": parameters, "statistics": statistics, "optimizer": optimizer}
        if recipe.average is not None:
            share = 1 - recipe.average
            new["average"] = optax.incremental_update(parameters, state["average"], share)
        return new, {**_mean(logged), "gradient": optax.tree.norm(gradient)}

    return jax.jit(step, donate_argnums=0)


class Placement:
    """Where arrays lie: the state on every device, batches divided among all."""

    def __init__(self, devices: Sequence[jax.Device] | None) -> None:
        """Devices of all processes; None means all there are."""
        mesh = Mesh(np.array(devices or jax.devices()), ("data",))
        self.devices = mesh.size
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._divided = NamedSharding(mesh, PartitionSpec("data"))

    def replicate(self, tree: Any) -> Any:
        """The same arrays on every device."""
        return jax.tree.map(lambda x: jax.device_put(x, self._everywhere), tree)

    def divide(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        """This process' share of a batch, on its devices."""
        make = jax.make_array_from_process_local_data
        return {name: make(self._divided, array) for name, array in batch.items()}


def _mean(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *trees)


def _cast(tree: Any, dtype: jnp.dtype) -> Any:
    """Single precision as another; all else as it is."""
    return jax.tree.map(lambda x: x.astype(dtype) if x.dtype == jnp.float32 else x, tree)
