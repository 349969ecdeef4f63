"""What the derivative rules of the kernels share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import ad

Operands = Sequence[jax.Array]


def moves(tangent: Any) -> bool:
    """Whether a tangent is not known to be zero."""
    return not isinstance(tangent, ad.Zero)


def change_along(value: jax.Array, gradients: Iterable[jax.Array], tangents: Operands) -> jax.Array:
    """How sums over H and W change: the inner products of their gradients with moving tangents."""
    change = jnp.zeros_like(value)
    for gradient, tangent in zip(gradients, filter(moves, tangents), strict=True):
        change += jnp.sum(gradient * tangent.astype(gradient.dtype), (-3, -2))
    return change


def push_forward(function: Callable[..., Any], primals: Operands, tangents: Operands) -> Any:
    """The change of a function of the primals along those tangents that are not zero."""
    moving = [place for place, tangent in enumerate(tangents) if moves(tangent)]

    def restricted(*values: jax.Array) -> Any:
        operands = list(primals)
        for place, value in zip(moving, values, strict=True):
            operands[place] = value
        return function(*operands)

    values, along = ([each[place] for place in moving] for each in (primals, tangents))
    return jax.jvp(restricted, values, along)[1]
