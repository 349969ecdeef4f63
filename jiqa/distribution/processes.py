"""What the processes of a `jax.distributed` program know, brought together."""

from collections.abc import Callable
from functools import reduce
from typing import TypeVar

import jax
import numpy as np

State = TypeVar("State")


def merge_processes(state: State, merge: Callable[[State, State], State]) -> State:
    """Merges the states of all processes; every process has to call it.

    Args:
        state: This process's state, a pytree of arrays on its own devices.
        merge: Merges two states.

    Returns:
        The merged state, on every process; the state itself where there is only one.

    >>> import jax.numpy as jnp
    >>> merge_processes(jnp.ones(2), jnp.add).tolist()
    [1.0, 1.0]
    """
    count = jax.process_count()
    if count == 1:
        return state
    from jax.experimental.multihost_utils import process_allgather

    gathered = process_allgather(state)
    parts = [jax.tree.map(lambda leaf, i=i: leaf[i], gathered) for i in range(count)]
    return reduce(merge, parts)


def gather_features(features: np.ndarray) -> np.ndarray:
    """The features of all processes in the order of their ranks; every process has to call it.

    Args:
        features: This process's `[N, D]`; N may differ between processes and may be 0, D not.

    Returns:
        All features, on every process.

    >>> gather_features(np.zeros((3, 2))).shape
    (3, 2)
    """
    if jax.process_count() == 1:
        return features
    from jax.experimental.multihost_utils import process_allgather

    counts = process_allgather(np.int32(len(features)))
    padded = np.pad(features, ((0, int(counts.max()) - len(features)), (0, 0)))
    gathered = process_allgather(padded)
    return np.concatenate([rows[:n] for rows, n in zip(gathered, counts, strict=True)])
