"""Channels of images taken apart and mixed, with gradients that CPUs compute quickly.

The gradient of a slice is an array padded with zeros, of several slices a sum of them; that of a
product with a matrix is a sum over the last axis. Of both, XLA makes slow loops on CPUs.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

from jiqa.kernels.forms import evaluate_by_itself

Matrix = tuple[tuple[float, ...], ...]


def split_channels(images: jax.Array, *sizes: int) -> Sequence[jax.Array]:
    """Groups of channels, as `images[..., :size]` and so on; the gradient is a concatenation.

    Args:
        images: `[..., H, W, C]`.
        *sizes: How many channels each group has, C in all; none means one.

    Returns:
        `[..., H, W, size]` each.

    Raises:
        ValueError: The sizes do not sum to C.

    >>> [part.shape for part in split_channels(jnp.ones((4, 5, 3)), 1, 2)]
    [(4, 5, 1), (4, 5, 2)]
    """
    return jax.lax.split(images, sizes or (1,) * images.shape[-1], images.ndim - 1)


def unstack_channels(images: jax.Array) -> list[jax.Array]:
    """Each channel `[..., H, W]` of images `[..., H, W, C]`; the inverse of `jnp.stack(..., -1)`.

    >>> [float(channel[0, 0]) for channel in unstack_channels(jnp.array([[[1.0, 2.0]]]))]
    [1.0, 2.0]
    """
    return [channel.squeeze(-1) for channel in split_channels(images)]


def mix_channels(images: jax.Array, matrix: np.ndarray) -> jax.Array:
    """The product of a matrix with each pixel's channels, in full precision.

    Args:
        images: `[..., H, W, C]`, floating.
        matrix: `[K, C]`, known when it is compiled.

    Returns:
        `[..., H, W, K]` of the images' dtype.

    Raises:
        ValueError: The images have another number of channels.

    >>> print(mix_channels(jnp.array([1.0, 2.0]), np.array([[1, 1], [1, -1], [0, 3]])))
    [ 3. -1.  6.]
    """
    return _mix.bind(images, matrix=tuple(tuple(row) for row in matrix.tolist()))


def _compute(images: jax.Array, *, matrix: Matrix) -> jax.Array:
    """As a sum over channels, that XLA fuses; it fuses no product of matrices."""
    columns = jnp.asarray(np.array(matrix).T, images.dtype)
    parts = zip(split_channels(images), columns, strict=True)
    return sum((channel * column for channel, column in parts), jnp.zeros((), images.dtype))


def _describe(images: Any, *, matrix: Matrix) -> ShapedArray:
    spec = PartitionSpec(*tuple(images.sharding.spec)[: images.ndim - 1])
    shape = (*images.shape[:-1], len(matrix))
    return images.update(shape=shape, sharding=images.sharding.update(spec=spec))


def _transpose(cotangent: jax.Array, _: Any, *, matrix: Matrix) -> list[jax.Array]:
    """The transposed matrix, as fast as the matrix: a sum over channels too."""
    return [mix_channels(cotangent, np.array(matrix).T)]


def _batch(arguments: Any, axes: Any, *, matrix: Matrix) -> tuple[jax.Array, int]:
    images = jnp.moveaxis(arguments[0], axes[0], 0)
    return mix_channels(images, np.array(matrix)), 0


_mix = Primitive("mix_channels")
_mix.def_abstract_eval(_describe)
evaluate_by_itself(_mix)
ad.deflinear2(_mix, _transpose)
batching.primitive_batchers[_mix] = _batch
mlir.register_lowering(_mix, mlir.lower_fun(_compute, multiple_results=False))
