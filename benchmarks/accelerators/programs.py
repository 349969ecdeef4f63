"""What `tpu.py` and `gpu.py` compile, and the rows that they write."""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import jiqa
from jiqa.core.filters import gaussian_window
from jiqa.kernels.ssim_statistics.similarity import Similarity

SHAPES = [(8, 512, 512, 3), (1, 11, 11, 1), (1, 1080, 1920, 3), (1, 2160, 3840, 3)]


@dataclass(frozen=True)
class Program:
    """What is compiled; `kernel` where it is one Pallas kernel, which is estimated."""

    name: str
    function: Callable[..., Any]
    operands: Sequence[jax.ShapeDtypeStruct]
    kernel: bool = True

    @property
    def pallas_call(self) -> Any:
        """The kernel's equation in the traced program."""
        (call,) = [
            equation
            for equation in jax.make_jaxpr(self.function)(*self.operands).eqns
            if equation.primitive.name == "pallas_call"
        ]
        return call

    @property
    def moved_bytes(self) -> int:
        """Bytes of the operands and the results, each moved once."""
        results = jax.tree.leaves(jax.eval_shape(self.function, *self.operands))
        return sum(each.size * each.dtype.itemsize for each in (*self.operands, *results))


def similarity(window: Sequence[float]) -> Similarity:
    """SSIM with this window and the usual constants."""
    return Similarity(tuple(map(float, window)), 1e-4, 9e-4)


def kernels(statistics: Any, separable: Any, shape: Sequence[int]) -> Iterator[Program]:
    """Every kernel of a form, given by its two modules, for images of this shape."""
    gaussian = similarity(gaussian_window(11, 1.5))
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    weights = jax.ShapeDtypeStruct((shape[0], shape[1] - 10, shape[2] - 10, shape[3]), jnp.float32)
    for dtype in (jnp.float32, jnp.bfloat16, jnp.uint8):
        pair = [jax.ShapeDtypeStruct(shape, dtype)] * 2
        yield Program(
            f"sums {pair[0].dtype.name}", partial(statistics.sums, similarity=gaussian), pair
        )
    pair = [image, image]
    yield Program("sums weighted", partial(statistics.sums, similarity=gaussian), [*pair, weights])
    show = partial(statistics.comparison_map, similarity=gaussian, luminance=True)
    yield Program("comparison_map", show, pair)
    for name, wrt in (("distorted", (False, True)), ("both", (True, True))):
        slope = partial(statistics.gradient, similarity=gaussian, luminance=True, wrt=wrt)
        yield Program(f"gradient {name}", slope, pair)
    for stride in (1, 2):
        window = {"rows": gaussian.window, "columns": gaussian.window, "stride": stride}
        correlation = partial(separable.correlation, **window)
        yield Program(f"correlation stride {stride}", correlation, [image])
        adjoint = partial(separable.adjoint, size=tuple(shape[1:3]), **window)
        yield Program(f"adjoint stride {stride}", adjoint, [jax.eval_shape(correlation, image)])


def metrics(shape: Sequence[int]) -> Iterator[Program]:
    """Metrics that use the kernels, with their gradients."""
    pair = [jax.ShapeDtypeStruct(shape, jnp.float32)] * 2
    for name in ("ssim", "ms_ssim"):
        score = getattr(jiqa, name)
        yield Program(f"jiqa.{name}", score, pair, kernel=False)
        total = jax.value_and_grad(lambda x, y, score=score: score(x, y).mean(), 1)
        yield Program(f"jiqa.{name} value and gradient", total, pair, kernel=False)


def compile_program(
    program: Program,
    place: jax.sharding.Sharding,
    context: Any,
    describe: Callable[[Any], dict[str, Any]],
    **facts: Any,
) -> dict[str, Any]:
    """One row: a program compiled for a target.

    Args:
        program: The program.
        place: The device of the target on which its operands lie.
        context: A context manager under which it is lowered and compiled.
        describe: What more of the row the compiled program tells.
        **facts: The platform, the target and the memory floor.
    """
    nothing = ["error", "temporary_bytes", "registers", "spill_bytes", "bundles", "estimate_us"]
    row: dict[str, Any] = {**dict.fromkeys(nothing), **facts, "program": program.name}
    row |= {"shape": list(program.operands[0].shape), "compiled": True}
    placed = [
        jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=place) for each in program.operands
    ]
    start = time.perf_counter()
    try:
        with context:
            compiled = jax.jit(program.function).lower(*placed).compile()
    except Exception as error:  # whatever the compiler says is the result
        row |= {"compiled": False, "error": f"{type(error).__name__}: {error}"[:500]}
    row["compile_seconds"] = round(time.perf_counter() - start, 2)
    if row["compiled"]:
        row["temporary_bytes"] = compiled.memory_analysis().temp_size_in_bytes
        row |= describe(compiled)
    return row


def write_rows(description: str, make: Callable[[list[tuple[int, ...]]], list[Any]]) -> None:
    """The command line of a script: compiles for these shapes and writes the rows."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one shape")
    arguments = parser.parse_args()
    rows = make(SHAPES[:1] if arguments.quick else SHAPES)
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
