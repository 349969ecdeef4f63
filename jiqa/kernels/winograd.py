"""Convolution by Winograd's minimal filtering (Lavin and Gray, CVPR 2016), for CPUs.

Tiles of maps are transformed, multiplied with transformed kernels and transformed back: four times
fewer products for kernels of 3 x 3, three times fewer for those of 5 x 5. That is done in C++;
where there is no C++, XLA's convolution computes the same. It is a bilinear primitive, so it has
derivatives of any order, and that with respect to the maps is a convolution by itself.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import dispatch
from jax.core import ShapedArray
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec, use_abstract_mesh

from jiqa.kernels import native
from jiqa.kernels.forms import vary_alike

Borders = tuple[tuple[int, int], tuple[int, int]]

SIDES = (3, 5)  # of kernels
CHANNELS = 32  # a multiple of which comes in, and goes out
LEAST_PIXELS = 64  # of all maps, or transforming kernels takes longer than it saves


def supports(
    x: jax.ShapeDtypeStruct | jax.Array, kernel: jax.ShapeDtypeStruct | jax.Array, padding: Borders
) -> bool:
    """Whether maps and kernels like these can be convolved so, and gain by it.

    >>> x, kernel = jnp.ones((1, 8, 8, 32)), jnp.ones((3, 3, 32, 64))
    >>> supports(x.astype(jnp.float32), kernel.astype(jnp.float32), ((1, 1), (1, 1)))
    True
    """
    rows, columns, channels, outputs = kernel.shape
    images, height, width, _ = x.shape
    return (
        rows == columns
        and rows in SIDES
        and images * height * width >= LEAST_PIXELS
        and channels % CHANNELS == outputs % CHANNELS == 0
        and x.dtype == kernel.dtype == jnp.float32
        and all(0 <= side < rows for ends in padding for side in ends)
    )


def winograd(
    x: jax.Array,
    kernel: jax.Array,
    *,
    padding: Borders,
    precision: jax.lax.PrecisionLike = "highest",
) -> jax.Array:
    """Convolution with steps of 1, without flipping the kernel.

    Args:
        x: `[N, H, W, C]` in float32.
        kernel: `[k, k, C, O]` in float32, see `supports`.
        padding: Zeros at the top and bottom, left and right, fewer than k.
        precision: Of XLA's convolution on accelerators.

    Returns:
        `[N, H', W', O]`; rounding is some three times coarser than that of a plain sum.

    >>> x, kernel = jnp.ones((1, 4, 4, 32), "float32"), jnp.ones((3, 3, 32, 32), "float32")
    >>> print(winograd(x, kernel, padding=((0, 0), (1, 1)))[0, 0, :, 0].round(2))
    [192. 288. 288. 192.]
    """
    return _winograd.bind(*vary_alike(x, kernel), padding=padding, precision=precision)


def by_library(
    x: jax.Array,
    kernel: jax.Array,
    *,
    padding: Borders,
    precision: jax.lax.PrecisionLike = "highest",
) -> jax.Array:
    """The same by XLA."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )


def by_native(x: jax.Array, kernel: jax.Array, *, padding: Borders) -> jax.Array:
    """The same in C++."""
    size = (
        length + sum(ends) - side + 1
        for length, ends, side in zip(x.shape[1:3], padding, kernel.shape[:2], strict=True)
    )
    shape = jax.ShapeDtypeStruct((x.shape[0], *size, kernel.shape[-1]), jnp.float32)
    call = jax.ffi.ffi_call("jiqa_winograd", shape)
    return call(x, kernel, top=np.int64(padding[0][0]), left=np.int64(padding[1][0]))


_winograd = Primitive("winograd")


@partial(jax.jit, static_argnames=("padding", "precision"))
def _evaluate(x: jax.Array, kernel: jax.Array, **parameters: Any) -> jax.Array:
    return _winograd.bind(x, kernel, **parameters)


def _abstract_result(x: Any, kernel: Any, **parameters: Any) -> ShapedArray:
    plain = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in (x, kernel)]
    with use_abstract_mesh(AbstractMesh((), ())):
        result = jax.eval_shape(partial(by_library, **parameters), *plain)
    sharding = x.sharding.update(spec=PartitionSpec(*tuple(x.sharding.spec)[:1], None, None, None))
    return x.update(result.shape, result.dtype, sharding=sharding)


def _batched(
    operands: Sequence[jax.Array], axes: Sequence[int | None], **parameters: Any
) -> tuple[jax.Array, int]:
    """Mapped maps are more maps; of mapped kernels each has maps of its own."""
    x, kernel = operands
    if axes[1] is not None:
        compute: Callable[..., jax.Array] = partial(by_library, **parameters)
        return jax.vmap(compute, in_axes=tuple(axes))(x, kernel), 0
    x = jnp.moveaxis(x, axes[0] or 0, 0)
    result = winograd(x.reshape(-1, *x.shape[2:]), kernel, **parameters)
    return result.reshape(*x.shape[:2], *result.shape[1:]), 0


def _lower_for_cpu(
    context: mlir.LoweringRuleContext, *operands: Any, padding: Borders, precision: Any
) -> Any:
    """Every device's part of a sharded batch is computed where it lies."""
    if not native.available():
        return _lower_by_library(context, *operands, padding=padding, precision=precision)

    def compute(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return by_native(x, kernel, padding=padding)

    def partition(mesh: Any, arguments: Any, _: Any) -> Any:
        maps = NamedSharding(mesh, PartitionSpec(*tuple(arguments[0].sharding.spec)[:1]))
        return mesh, compute, maps, (maps, NamedSharding(mesh, PartitionSpec()))

    split = custom_partitioning(compute)
    split.def_partition(partition=partition, sharding_rule="n h w c, i j d o -> n y x o")
    before: Sequence[Any] = context.avals_in
    after: Sequence[Any] = context.avals_out
    context = context.replace(
        avals_in=[ShapedArray(aval.shape, aval.dtype) for aval in before],
        avals_out=[ShapedArray(aval.shape, aval.dtype) for aval in after],
    )
    with use_abstract_mesh(AbstractMesh((), ())):
        return mlir.lower_fun(split, multiple_results=False)(context, *operands)


def _transpose_maps(
    cotangent: Any, _: Any, kernel: Any, *, padding: Borders, precision: Any
) -> Any:
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    (top, bottom), (left, right) = padding
    reach = kernel.shape[0] - 1
    margins = (reach - top, reach - bottom), (reach - left, reach - right)
    return winograd(cotangent, turned, padding=margins, precision=precision)


def _transpose_kernel(cotangent: Any, x: Any, kernel: Any, **parameters: Any) -> Any:
    return jax.linear_transpose(partial(by_library, x, **parameters), kernel.aval)(cotangent)[0]


_lower_by_library = mlir.lower_fun(by_library, multiple_results=False)
_winograd.def_impl(_evaluate)
_winograd.def_abstract_eval(_abstract_result)
batching.primitive_batchers[_winograd] = _batched
ad.defbilinear(_winograd, _transpose_maps, _transpose_kernel)
mlir.register_lowering(_winograd, _lower_by_library)
mlir.register_lowering(_winograd, _lower_for_cpu, platform="cpu")
dispatch.prim_requires_devices_during_lowering.add(_winograd)  # as custom_partitioning does
