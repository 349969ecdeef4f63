"""Rounding that lets gradients pass."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


@jax.custom_jvp
def pass_through(value: jax.Array, smooth: jax.Array) -> jax.Array:
    """The value, with the gradient of what it was rounded from.

    Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons
    for conditional computation", 2013 (the straight-through estimator).

    Args:
        value: Array of any shape; no gradient flows through it.
        smooth: The same shape and dtype; it has the gradient.

    Returns:
        `value`.

    >>> float(jax.grad(lambda x: pass_through(jnp.round(3 * x), 3 * x))(0.4))
    3.0
    """
    del smooth
    return value


@pass_through.defjvp
def _derivative(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    return pass_through(*primals), tangents[1]


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
