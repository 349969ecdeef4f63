"""In which precision images are computed."""

from typing import Any

import jax.numpy as jnp


def compute_dtype(dtype: Any) -> Any:
    """Double precision is computed in double, everything else in single precision.

    >>> compute_dtype(jnp.bfloat16), compute_dtype("float64")
    (dtype('float32'), dtype('float64'))
    """
    return jnp.dtype("float64" if jnp.dtype(dtype) == jnp.float64 else "float32")
