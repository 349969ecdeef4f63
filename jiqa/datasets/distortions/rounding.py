"""Images of whole levels, and functions of the host that take them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def to_bytes(image: jax.Array) -> jax.Array:
    """Whole levels from 0 to 255 of an image in [0, 1], as int32.

    >>> print(to_bytes(jnp.array([0.0, 0.5, 1.0])))
    [  0 128 255]
    """
    return jnp.round(255 * jnp.clip(image, 0, 1)).astype(jnp.int32)


def on_host(
    work: Callable[[np.ndarray, float], np.ndarray], image: jax.Array, parameter: ArrayLike
) -> jax.Array:
    """What a function of the host makes of an image, also under `jit` and `vmap`.

    Args:
        work: Takes a uint8 image `[H, W, C]` and a float, and returns such an image.
        image: `[H, W, C]` in [0, 1].
        parameter: A number.

    Returns:
        The same shape and dtype, multiples of 1/255. Its gradient is zero.

    >>> image = jnp.zeros((2, 2, 1))
    >>> print(on_host(lambda image, offset: image + np.uint8(offset), image, 51.0)[0, 0])
    [0.2]
    """

    def call(levels: np.ndarray, number: np.ndarray) -> np.ndarray:
        return np.asarray(work(np.asarray(levels, np.uint8), float(number)), np.int32)

    levels = to_bytes(image)
    shape = jax.ShapeDtypeStruct(levels.shape, levels.dtype)
    changed = jax.pure_callback(
        call, shape, levels, jnp.asarray(parameter, jnp.float32), vmap_method="sequential"
    )
    return changed.astype(image.dtype) / 255
