"""Convolution by Winograd's minimal filtering (Lavin and Gray, CVPR 2016), for CPUs.

Tiles of maps are transformed, multiplied with transformed kernels and transformed back: four times
fewer products for kernels of 3 x 3, three times fewer for those of 5 x 5. The derivative by the
maps is a convolution too, that by the kernel the adjoint of the same steps. All is done in C++;
where there is none, XLA's convolution computes the same. There are two primitives, each bilinear
and each the other's derivative, so that there are derivatives of any order.
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
from jax.sharding import NamedSharding, PartitionSpec

from jiqa.kernels import native
from jiqa.kernels.forms import (
    evaluate_by_itself,
    lower_for_one_device,
    results_on_one_device,
    vary_alike,
)

Borders = tuple[tuple[int, int], tuple[int, int]]

SIDES = (3, 5)  # of kernels
CHANNELS = 16  # a multiple of which comes in, and goes out
LEAST_PIXELS = 64  # of all maps, or transforming kernels takes longer than it saves
LEAST_SLOPES = 2048  # the same, where kernels are also what is added up


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
        and min(result_size(x, kernel, padding)) > 0
        and min(channels, outputs) > 0
        and channels % CHANNELS == outputs % CHANNELS == 0
        and x.dtype == kernel.dtype == jnp.float32
        and all(0 <= side < rows for ends in padding for side in ends)
    )


def result_size(
    x: jax.ShapeDtypeStruct | jax.Array,
    kernel: jax.ShapeDtypeStruct | jax.Array,
    padding: Borders,
    stride: int = 1,
) -> tuple[int, int]:
    """Rows and columns of a convolution's result, below 1 where the kernel does not fit.

    >>> result_size(jnp.ones((1, 8, 9, 2)), jnp.ones((3, 3, 2, 2)), ((1, 1), (0, 0)), 2)
    (4, 4)
    """
    rows, columns = (
        (length + sum(ends) - side) // stride + 1
        for length, ends, side in zip(x.shape[1:3], padding, kernel.shape[:2], strict=True)
    )
    return rows, columns


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
        precision: Of XLA's convolution, on accelerators.

    Returns:
        `[N, H', W', O]`; rounding is two to four times coarser than that of a plain sum.

    >>> x, kernel = jnp.ones((1, 4, 4, 32), "float32"), jnp.ones((3, 3, 32, 32), "float32")
    >>> print(winograd(x, kernel, padding=((0, 0), (1, 1)))[0, 0, :, 0].round(2))
    [192. 288. 288. 192.]
    """
    return _convolution.bind(*vary_alike(x, kernel), padding=padding, precision=precision)


def by_library(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 1,
    padding: Borders,
    groups: int = 1,
    precision: jax.lax.PrecisionLike = "highest",
) -> jax.Array:
    """XLA's own convolution, of which `winograd` does a part; see `convolution`."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision=precision,
    )


def by_native(x: jax.Array, kernel: jax.Array, *, padding: Borders, **_: Any) -> jax.Array:
    """`winograd` in C++."""
    shape = (x.shape[0], *result_size(x, kernel, padding), kernel.shape[-1])
    return _call("jiqa_winograd", shape, x, kernel, padding)


def slopes_by_library(x: jax.Array, cotangent: jax.Array, **parameters: Any) -> jax.Array:
    """The derivative by the kernel, of the sum of the convolution times `cotangent`, by XLA."""
    shape = _kernel_shape(x, cotangent, parameters["padding"])
    (zeros,) = vary_alike(x, jnp.zeros(shape, x.dtype))[1:]
    return jax.linear_transpose(partial(by_library, x, **parameters), zeros)(cotangent)[0]


def slopes_by_native(
    x: jax.Array, cotangent: jax.Array, *, padding: Borders, **_: Any
) -> jax.Array:
    """The same in C++, but for few pixels."""
    if cotangent[..., 0].size < LEAST_SLOPES:
        return slopes_by_library(x, cotangent, padding=padding)
    shape = _kernel_shape(x, cotangent, padding)
    return _call("jiqa_winograd_slopes", shape, x, cotangent, padding)


def _kernel_shape(x: jax.Array, result: jax.Array, padding: Borders) -> tuple[int, ...]:
    side = x.shape[1] + sum(padding[0]) - result.shape[1] + 1
    return side, side, x.shape[-1], result.shape[-1]


def _call(
    target: str, shape: tuple[int, ...], x: jax.Array, other: jax.Array, padding: Borders
) -> jax.Array:
    call = jax.ffi.ffi_call(target, jax.ShapeDtypeStruct(shape, jnp.float32))
    return call(x, other, top=np.int64(padding[0][0]), left=np.int64(padding[1][0]))


def _turn(kernel: jax.Array, padding: Borders) -> tuple[jax.Array, Borders]:
    """Kernel and padding of the adjoint convolution."""
    reach = kernel.shape[0] - 1
    (top, bottom), (left, right) = padding
    margins = (reach - top, reach - bottom), (reach - left, reach - right)
    return kernel[::-1, ::-1].swapaxes(2, 3), margins


def _apply_adjoint(cotangent: Any, kernel: Any, *, padding: Borders, precision: Any) -> Any:
    turned, margins = _turn(kernel, padding)
    return winograd(cotangent, turned, padding=margins, precision=precision)


def _find_slopes(cotangent: Any, x: Any, **parameters: Any) -> Any:
    return _slopes.bind(*vary_alike(x, cotangent), **parameters)


def _batch_convolution(
    operands: Sequence[jax.Array], axes: Sequence[int | None], **parameters: Any
) -> tuple[jax.Array, int]:
    """Mapped maps are more maps; of mapped kernels each has maps of its own."""
    if axes[1] is not None:
        return _batch_by_library(by_library, operands, axes, **parameters)
    x = jnp.moveaxis(operands[0], axes[0] or 0, 0)
    result = winograd(x.reshape(-1, *x.shape[2:]), operands[1], **parameters)
    return result.reshape(*x.shape[:2], *result.shape[1:]), 0


def _batch_by_library(
    compute: Callable[..., jax.Array],
    operands: Sequence[jax.Array],
    axes: Sequence[int | None],
    **parameters: Any,
) -> tuple[jax.Array, int]:
    mapped: Callable[..., jax.Array] = partial(compute, **parameters)
    return jax.vmap(mapped, in_axes=tuple(axes))(*operands), 0


def _define(
    name: str,
    library: Callable[..., jax.Array],
    of_native: Callable[..., jax.Array],
    *,
    gathers: bool,
) -> Primitive:
    """A primitive of maps and a kernel, or of maps and maps whose images it `gathers` into one."""
    primitive = Primitive(name)

    def describe(x: Any, other: Any, **parameters: Any) -> ShapedArray:
        result = results_on_one_device(partial(library, **parameters), x, other)
        images = None if gathers else (*x.sharding.spec, None)[0]
        sharding = x.sharding.update(spec=PartitionSpec(images, None, None, None))
        return x.update(result.shape, result.dtype, sharding=sharding)

    def lower(context: mlir.LoweringRuleContext, *operands: Any, **parameters: Any) -> Any:
        if not native.available():
            return lower_library(context, *operands, **parameters)
        compute = _split_images(partial(of_native, **parameters), gathers)
        return lower_for_one_device(lambda *given: (compute(*given),), context, *operands)

    lower_library = mlir.lower_fun(library, multiple_results=False)
    evaluate_by_itself(primitive)
    primitive.def_abstract_eval(describe)
    mlir.register_lowering(primitive, lower_library)
    mlir.register_lowering(primitive, lower, platform="cpu")
    dispatch.prim_requires_devices_during_lowering.add(primitive)  # as custom_partitioning does
    return primitive


def _split_images(compute: Callable[..., jax.Array], gathers: bool) -> Callable[..., jax.Array]:
    """Every device computes its part of a sharded batch where it lies."""

    def whole(x: jax.Array, other: jax.Array) -> jax.Array:
        return compute(x, other)

    def partition(mesh: Any, arguments: Any, _: Any) -> Any:
        axes = (*arguments[0].sharding.spec, None)[0]
        maps, alone = (NamedSharding(mesh, PartitionSpec(each)) for each in (axes, None))

        def part(x: jax.Array, other: jax.Array) -> jax.Array:
            result = compute(x, other)
            return jax.lax.psum(result, axes) if gathers and axes is not None else result

        return mesh, part, *((alone, (maps, maps)) if gathers else (maps, (maps, alone)))

    split = custom_partitioning(whole)
    rule = "n h w c, n y x o -> i j c o" if gathers else "n h w c, i j c o -> n y x o"
    split.def_partition(partition=partition, sharding_rule=rule)
    return split


_convolution = _define("winograd", by_library, by_native, gathers=False)
_slopes = _define("winograd_slopes", slopes_by_library, slopes_by_native, gathers=True)

batching.primitive_batchers[_convolution] = _batch_convolution
batching.primitive_batchers[_slopes] = partial(_batch_by_library, slopes_by_library)
ad.defbilinear(
    _convolution,
    lambda cotangent, _, kernel, **given: _apply_adjoint(cotangent, kernel, **given),
    lambda cotangent, x, _, **given: _find_slopes(cotangent, x, **given),
)
ad.defbilinear(
    _slopes,
    lambda kernel, _, cotangent, **given: _apply_adjoint(cotangent, kernel, **given),
    lambda kernel, x, _, **given: winograd(x, kernel, **given),
)
