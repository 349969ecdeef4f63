"""One JAX primitive from several forms of the same computation, chosen where it is compiled.

A primitive, and not a function that asks for the platform, because it is lowered for the platform
it is compiled for, traces only the form that is used there, has a batching rule that folds `vmap`
into the batch, and takes the derivative rules of its kernel. Every operand and result carries the
batch as its first axis, and a batch that is sharded over devices stays so.
"""

import functools
import importlib
import importlib.util
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
            `interpret` too. A module may
            define `supports(function, operands, **parameters)`, with the operands' shapes and
            dtypes, to decline.
        function: The function's name in these modules.

    Returns:
        A primitive with several results, batched, sharded and lowered, without derivatives.
        `implementation`, a name from `FORMS` or None for the platform's best, is a parameter of it.
    """
    primitive = Primitive(f"{package.rpartition('.')[2]}_{function}")
    primitive.multiple_results = True

    @functools.partial(jax.jit, static_argnames="parameters")
    def evaluate(*operands: jax.Array, parameters: tuple[tuple[str, Any], ...]) -> list[jax.Array]:
        return primitive.bind(*operands, **dict(parameters))

    primitive.def_impl(
        lambda *operands, **parameters: evaluate(*operands, parameters=tuple(parameters.items()))
    )
    primitive.def_abstract_eval(functools.partial(_abstract_results, package, function))
    batching.primitive_batchers[primitive] = functools.partial(_fold_batch, primitive)
    mlir.register_lowering(primitive, functools.partial(_lower, package, function))
    dispatch.prim_requires_devices_during_lowering.add(primitive)  # as custom_partitioning does
    return primitive


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
        module = _find_module(package, form)
        if module is None or not hasattr(module, function):
            continue
        supports = getattr(module, "supports", None)
        if supports is None or supports(function, operands, **parameters):
            return form
    return "reference"


@functools.cache
def _find_module(package: str, form: str) -> Any:
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
    reference = getattr(_find_module(package, "reference"), function)
    plain = _shapes(operands)
    with use_abstract_mesh(AbstractMesh((), ())):
        results = jax.eval_shape(functools.partial(reference, **parameters), *plain)
    sharding = operands[0].sharding
    batch = sharding.spec[0] if len(sharding.spec) else None

    def describe(result: jax.ShapeDtypeStruct) -> ShapedArray:
        spec = PartitionSpec(batch, *[None] * (len(result.shape) - 1))
        return operands[0].update(result.shape, result.dtype, sharding=sharding.update(spec=spec))

    return [describe(result) for result in jax.tree.leaves(results)]


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


def _fold_batch(
    primitive: Primitive, operands: Sequence[jax.Array], axes: Sequence[Any], **parameters: Any
) -> tuple[list[jax.Array], list[int]]:
    """The batching rule: `[B, N, ...]` is computed as `[B * N, ...]`."""
    size = next(
        operand.shape[axis]
        for operand, axis in zip(operands, axes, strict=True)
        if axis is not None
    )
    folded = []
    for operand, axis in zip(operands, axes, strict=True):
        if axis is None:
            operand = jnp.broadcast_to(operand, (size, *operand.shape))
        else:
            operand = jnp.moveaxis(operand, axis, 0)
        folded.append(operand.reshape(-1, *operand.shape[2:]))
    results = primitive.bind(*folded, **parameters)
    return [result.reshape(size, -1, *result.shape[1:]) for result in results], [0] * len(results)


def _lower(
    package: str,
    function: str,
    context: mlir.LoweringRuleContext,
    *operands: Any,
    implementation: str | None,
    **parameters: Any,
) -> Any:
    """The lowering rule: the chosen form, on each device's part of the batch."""
    plain, results = map(_shapes, (context.avals_in, context.avals_out))
    platform = (context.platforms or context.module_context.platforms)[0]
    form = choose_form(package, function, plain, platform, implementation, **parameters)
    if form in PALLAS_PLATFORM:
        parameters["interpret"] = platform != PALLAS_PLATFORM[form]
    compute = getattr(_find_module(package, form), function)
    split = _split_batch(functools.partial(compute, **parameters), plain, results)
    context = context.replace(
        avals_in=[ShapedArray(operand.shape, operand.dtype) for operand in plain],
        avals_out=[ShapedArray(result.shape, result.dtype) for result in results],
    )
    with use_abstract_mesh(AbstractMesh((), ())):
        return mlir.lower_fun(split, multiple_results=True)(context, *operands)


def _shapes(abstract_values: Sequence[Any]) -> Shapes:
    return [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in abstract_values]


def _split_batch(
    compute: Callable[..., Any], operands: Shapes, results: Shapes
) -> Callable[..., tuple[jax.Array, ...]]:
    """Computes every device's part of a sharded batch where it lies."""

    def flat(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(jax.tree.leaves(compute(*arrays)))

    def partition(mesh: Any, arguments: Any, _: Any) -> Any:
        spec = arguments[0].sharding.spec
        parts = NamedSharding(mesh, PartitionSpec(spec[0] if len(spec) else None))
        return mesh, flat, (parts,) * len(results), (parts,) * len(operands)

    def factors(arrays: Shapes, prefix: str) -> str:
        return ", ".join(
            " ".join(["n", *(f"{prefix}{i}{axis}" for axis in range(1, array.ndim))])
            for i, array in enumerate(arrays)
        )

    split = custom_partitioning(flat)
    split.def_partition(
        partition=partition,
        sharding_rule=f"{factors(operands, 'a')} -> {factors(results, 'r')}",
    )
    return split
