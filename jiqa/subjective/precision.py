"""Double precision for fits, whatever JAX is set to: likelihoods of many votes need the digits."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax

F = TypeVar("F", bound=Callable[..., Any])


def in_double_precision(function: F) -> F:
    """Makes a function compute in float64; what it returns should be NumPy arrays.

    >>> in_double_precision(lambda: jax.numpy.zeros(2).dtype.name)()
    'float64'
    """

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        with jax.enable_x64(True):
            return function(*arguments, **options)

    return wrapped  # type: ignore[return-value]
