"""One JAX primitive from several forms of the same computation, chosen where it is compiled.

A primitive, and not a function that asks for the platform, because it is lowered for the platform
it is compiled for, traces only the form that is used there, has a batching rule that makes `vmap`
one more leading axis, and takes the derivative rules of its kernel. Operands are `[..., H, W, C]`,
results have the same leading axes, and where those are sharded over devices they stay so.
"""

import functools
import importlib
import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax._src import dispatch
from jax.core import ShapedArray
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec, use_abstract_mesh

Shapes = Sequence[jax.ShapeDtypeStruct]

IMAGE_AXES = 3  # H, W and C, which every operand ends with

FORMS = ("reference", "xla", "native", "gpu", "tpu")

# In order of preference; a form that cannot do a shape leaves it to the next, and what XLA makes
# of the reference is right everywhere.
PREFERENCES = {
    "cpu": ("native", "xla", "reference"),
    "cuda": ("gpu", "reference"),
    "tpu": ("tpu", "reference"),
}
PALLAS_PLATFORM = {"gpu": "cuda", "tpu": "tpu"}  # elsewhere these forms are interpreted


def make_primitive(package: str, function: str) -> Primitive:
    """The primitive of a function that the form modules of a kernel's package define.

    Args:
        package: The kernel's package, which holds `reference` and other modules of `FORMS`. A form
            takes the operands `[N, ...]` by position and the parameters by keyword and returns one
            array `[N, ...]` or a tuple of them, and captures no array; `gpu` and `tpu` take
            `interpret` too. A module may define `supports(function, operands, **parameters)`, with
            the operands' shapes and dtypes, to decline.
        function: The function's name in these modules.

    Returns:
        A primitive of operands `[..., H, W, C]` with several results, batched, sharded and lowered,
        without derivatives. `implementation`, a name from `FORMS` or None for the platform's best,
        is a parameter of it.
    """
    primitive = Primitive(f"{package.rpartition('.')[2]}_{function}")
    primitive.multiple_results = True

    evaluate_by_itself(primitive)
    primitive.def_abstract_eval(functools.partial(_abstract_results, package, function))
    batching.primitive_batchers[primitive] = functools.partial(_lead_with_batch, primitive)
    mlir.register_lowering(primitive, functools.partial(_lower, package, function))
    dispatch.prim_requires_devices_during_lowering.add(primitive)  # as custom_partitioning does
    return primitive


def evaluate_by_itself(primitive: Primitive) -> None:
    """Lets a primitive that is called outside of compiled functions be compiled by itself.

    Also under `jax.disable_jit`: what is within a primitive is no JAX to be gone through.
    """

    @functools.partial(jax.jit, static_argnames="parameters")
    def compiled(*operands: jax.Array, parameters: tuple[tuple[str, Any], ...]) -> Any:
        return primitive.bind(*operands, **dict(parameters))

    @primitive.def_impl
    def evaluate(*operands: jax.Array, **parameters: Any) -> Any:
        with jax.disable_jit(False):
            return compiled(*operands, parameters=tuple(parameters.items()))


def check_implementation(implementation: str | None) -> None:
    """Raises ValueError where there is no form of that name.

    >>> check_implementation("cuda")
    Traceback (most recent call last):
    ValueError: implementation='cuda' is unknown; use None or one of reference, xla, native, gpu, \
tpu.
    """
    if implementation is not None and implementation not in FORMS:
        raise ValueError(
            f"implementation={implementation!r} is unknown; use None or one of {', '.join(FORMS)}."
        )


def choose_form(
    package: str,
    function: str,
    operands: Shapes,
    platform: str,
    implementation: str | None = None,
    **parameters: Any,
) -> str:
    """The form that computes a function for operands of these shapes on a platform.

    Args:
        package: As in `make_primitive`.
        function: As in `make_primitive`.
        operands: Shapes and dtypes.
        platform: "cpu", "cuda", "tpu" or another name that JAX gives a platform.
        implementation: The form to prefer.
        **parameters: The function's parameters.

    Returns:
        One of `FORMS`.

    >>> image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    >>> choose_form("jiqa.kernels.separable", "correlation", [image], "rocm")
    'reference'
    """
    order = PREFERENCES.get(platform, ("reference",))
    if implementation is not None:
        order = (implementation, *order)
    for form in order:
        module = find_module(package, form)
        if module is None or not hasattr(module, function):
            continue
        supports = getattr(module, "supports", None)
        if supports is None or supports(function, operands, **parameters):
            return form
    return "reference"


@functools.cache
def find_module(package: str, form: str) -> Any:
    """The module of a form, or None where the kernel has no such form."""
    name = f"{package}.{form}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _abstract_results(
    package: str,
    function: str,
    *operands: Any,
    implementation: str | None,  # noqa: ARG001
    **parameters: Any,
) -> list[ShapedArray]:
    """Shapes and dtypes of the reference, with the batch sharded as the first operand's is."""
    reference = getattr(find_module(package, "reference"), function)
    plain = [_fold(operand) for operand in operands]
    results = results_on_one_device(functools.partial(reference, **parameters), *plain)
    first = operands[0]
    batch = first.shape[:-IMAGE_AXES]
    along = tuple(first.sharding.spec)[: len(batch)]

    def describe(result: jax.ShapeDtypeStruct) -> ShapedArray:
        spec = PartitionSpec(*along, *[None] * (len(result.shape) - 1))
        sharding = first.sharding.update(spec=spec)
        return first.update((*batch, *result.shape[1:]), result.dtype, sharding=sharding)

    return [describe(result) for result in jax.tree.leaves(results)]


def _fold(operand: Any) -> jax.ShapeDtypeStruct:
    """The shape and dtype of an operand with its leading axes made one."""
    *batch, height, width, channels = operand.shape
    return jax.ShapeDtypeStruct((math.prod(batch), height, width, channels), operand.dtype)


def vary_alike(*operands: jax.Array) -> list[jax.Array]:
    """Marks operands that are equal on all devices of a `shard_map` as varying, if others vary."""
    axes = [jax.typeof(operand).manual_axis_type.varying for operand in operands]
    everywhere = frozenset().union(*axes)
    return [
        jax.lax.pcast(operand, tuple(everywhere - own), to="varying")
        if own < everywhere
        else operand
        for operand, own in zip(operands, axes, strict=True)
    ]


def _lead_with_batch(
    primitive: Primitive, operands: Sequence[jax.Array], axes: Sequence[Any], **parameters: Any
) -> tuple[list[jax.Array], list[int]]:
    """The batching rule: the mapped axis becomes one more leading axis."""
    mapped = [(each, axis) for each, axis in zip(operands, axes, strict=True) if axis is not None]
    size = mapped[0][0].shape[mapped[0][1]]
    led = [
        jnp.broadcast_to(each, (size, *each.shape)) if axis is None else jnp.moveaxis(each, axis, 0)
        for each, axis in zip(operands, axes, strict=True)
    ]
    results = primitive.bind(*led, **parameters)
    return results, [0] * len(results)


def _lower(
    package: str,
    function: str,
    context: mlir.LoweringRuleContext,
    *operands: Any,
    implementation: str | None,
    **parameters: Any,
) -> Any:
    """The lowering rule: the chosen form, on each device's part of the batch."""
    avals: Sequence[Any] = context.avals_in
    plain = [_fold(aval) for aval in avals]
    platform = (context.platforms or context.module_context.platforms)[0]
    form = choose_form(package, function, plain, platform, implementation, **parameters)
    if form in PALLAS_PLATFORM:
        parameters["interpret"] = platform != PALLAS_PLATFORM[form]
    compute = getattr(find_module(package, form), function)
    batch = avals[0].ndim - IMAGE_AXES
    results: Sequence[Any] = context.avals_out
    split = _split_batch(functools.partial(compute, **parameters), batch, avals, results)
    return lower_for_one_device(split, context, *operands)


def results_on_one_device(function: Callable[..., Any], *operands: Any) -> Any:
    """Shapes and dtypes of a function's results where nothing is known of other devices."""
    plain = [jax.ShapeDtypeStruct(operand.shape, operand.dtype) for operand in operands]
    with use_abstract_mesh(AbstractMesh((), ())):
        return jax.eval_shape(function, *plain)


def lower_for_one_device(
    function: Callable[..., tuple[jax.Array, ...]],
    context: mlir.LoweringRuleContext,
    *operands: Any,
) -> Any:
    """Lowers a function of several results where nothing is known of other devices."""
    before: Sequence[Any] = context.avals_in
    after: Sequence[Any] = context.avals_out
    context = context.replace(
        avals_in=[ShapedArray(aval.shape, aval.dtype) for aval in before],
        avals_out=[ShapedArray(aval.shape, aval.dtype) for aval in after],
    )
    with use_abstract_mesh(AbstractMesh((), ())):
        return mlir.lower_fun(function, multiple_results=True)(context, *operands)


def _split_batch(
    compute: Callable[..., Any], batch: int, operands: Sequence[Any], results: Sequence[Any]
) -> Callable[..., tuple[jax.Array, ...]]:
    """Computes every device's part of a sharded batch, of `batch` axes, where it lies."""

    def folded(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        axes = arrays[0].shape[:batch]
        parts = compute(*(array.reshape(-1, *array.shape[batch:]) for array in arrays))
        return tuple(part.reshape(*axes, *part.shape[1:]) for part in jax.tree.leaves(parts))

    def partition(mesh: Any, arguments: Any, _: Any) -> Any:
        spec = tuple(arguments[0].sharding.spec)[:batch]
        parts = NamedSharding(mesh, PartitionSpec(*spec))
        return mesh, folded, (parts,) * len(results), (parts,) * len(operands)

    def factors(name: str, array: Any) -> str:
        return " ".join(f"n{i}" if i < batch else f"{name}{i}" for i in range(array.ndim))

    split = custom_partitioning(folded)
    split.def_partition(
        partition=partition,
        sharding_rule=" -> ".join(
            ", ".join(factors(f"{side}{place}_", array) for place, array in enumerate(arrays))
            for side, arrays in (("in", operands), ("out", results))
        ),
    )
    return split
