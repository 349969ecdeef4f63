"""Optimisers for parts of a network; all others are Optax's."""

from collections.abc import Mapping
from typing import Any

import jax
import optax


def by_part(optimizers: Mapping[str, optax.GradientTransformation]) -> optax.GradientTransformation:
    """An optimiser for each part of a network.

    Args:
        optimizers: By the beginning of the parameters' paths, whose parts are joined by dots, as in
            "encoder.conv1"; the longest that fits counts, and "" fits all. What is not to be
            changed gets `optax.set_to_zero()`.

    Returns:
        The optimiser, which raises ValueError for a parameter that none fits, and for a beginning
        that fits no parameter.

    >>> optimizer = by_part({"head": optax.sgd(1.0), "": optax.set_to_zero()})
    >>> parameters = {"head": {"bias": 1.0}, "body": {"bias": 1.0}}
    >>> updates, _ = optimizer.update(parameters, optimizer.init(parameters))
    >>> float(updates["head"]["bias"]), float(updates["body"]["bias"])
    (-1.0, 0.0)
    """

    def label(parameters: Any) -> Any:
        used: set[str] = set()

        def of_leaf(path: Any, _: Any) -> str:
            name = ".".join(str(key.key) for key in path)
            fitting = [part for part in optimizers if _begins(name, part)]
            if not fitting:
                raise ValueError(f"no optimiser is given for {name}; '' fits all.")
            used.add(longest := max(fitting, key=len))
            return longest

        labels = jax.tree_util.tree_map_with_path(of_leaf, parameters)
        if unused := sorted(set(optimizers) - used - {""}):
            raise ValueError(f"no parameter begins with {', '.join(unused)}.")
        return labels

    return optax.multi_transform(dict(optimizers), label)


def adamw(
    learning_rate: float, steps: int, *, weight_decay: float = 1e-4
) -> optax.GradientTransformation:
    """Adam with decay of kernels, clipped gradients, a warm start and a cosine to zero.

    Args:
        learning_rate: The highest, after a twentieth of the steps.
        steps: After which it is zero.
        weight_decay: Of kernels.

    >>> optimizer = adamw(1e-3, 100)
    >>> _ = optimizer.init({"kernel": jax.numpy.ones((2, 2))})
    """
    schedule = warm_cosine(learning_rate, steps)
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=weight_decay, mask=are_kernels),
    )


def warm_cosine(learning_rate: float, steps: int) -> optax.Schedule:
    """A learning rate that rises in a twentieth of the steps and falls to zero as a cosine.

    >>> schedule = warm_cosine(1.0, 100)
    >>> float(schedule(0)), float(schedule(5)), float(schedule(100))
    (0.0, 1.0, 0.0)
    """
    return optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 20), steps)


def are_kernels(parameters: Any) -> Any:
    """Which parameters are kernels, those with more than one axis: a mask for Optax.

    >>> are_kernels({"kernel": jax.numpy.ones((2, 2)), "bias": jax.numpy.ones(2)})
    {'bias': False, 'kernel': True}
    """
    return jax.tree.map(lambda parameter: parameter.ndim > 1, parameters)


def _begins(name: str, part: str) -> bool:
    return not part or name == part or name.startswith(f"{part}.")
