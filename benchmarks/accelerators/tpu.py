"""Compiles the form for TPUs, and metrics that use it, with no TPU present.

    python benchmarks/accelerators/tpu.py --output FILE.json [--quick]

in an environment of `requirements-tpu.txt` and the package. Nothing runs: the rows written say what
compiles, and for a lone kernel how many bundles of instructions its program has, how many registers
it spills, and a static estimate beside the memory floor. The estimate counts every bundle as one
cycle of an assumed 1.5 GHz, as if no copy were ever waited for.
"""

import argparse
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

DUMP = Path(tempfile.mkdtemp(prefix="jiqa-tpu-"))
os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
    "LIBTPU_INIT_ARGS": f"--xla_jf_dump_to={DUMP} --xla_jf_dump_llo_text=true",
}

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jiqa
from jiqa.core.filters import gaussian_window
from jiqa.kernels.separable import tpu as separable
from jiqa.kernels.ssim_statistics import tpu as statistics
from jiqa.kernels.ssim_statistics.similarity import Similarity

# Name of the smallest topology, arguments of it, and bytes a second of the memory of one chip, as
# Google's documentation gives them.
TARGETS: dict[str, tuple[str, dict[str, Any], float]] = {
    "v4": ("v4:2x2x1", {}, 1228e9),
    "v5e": ("v5e:1x1", {"chips_per_host_bounds": (1, 1, 1)}, 819e9),
    "v5p": ("v5p:2x2x1", {}, 2765e9),
    "v6e": ("v6e:1x1", {"chips_per_host_bounds": (1, 1, 1)}, 1640e9),
}
SHAPES = [(8, 512, 512, 3), (1, 11, 11, 1), (1, 1080, 1920, 3), (1, 2160, 3840, 3)]
CLOCK_GHZ = 1.5
SPILL = 8  # the column of spills in the compiler's table of what a bundle uses


@dataclass(frozen=True)
class Program:
    """What is compiled; `kernel` where it is one Pallas kernel, which is estimated."""

    name: str
    function: Callable[..., Any]
    operands: Sequence[jax.ShapeDtypeStruct]
    kernel: bool = True


def kernels(shape: Sequence[int]) -> Iterator[Program]:
    """Every kernel of the form for images of this shape."""
    gaussian = Similarity(tuple(gaussian_window(11, 1.5).tolist()), 1e-4, 9e-4)
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
    window = {"rows": gaussian.window, "columns": gaussian.window, "stride": 1}
    correlation = partial(separable.correlation, **window)
    yield Program("correlation", correlation, [image])
    size = tuple(shape[1:3])
    yield Program(
        "adjoint",
        partial(separable.adjoint, size=size, **window),
        [jax.eval_shape(correlation, image)],
    )


def metrics(shape: Sequence[int]) -> Iterator[Program]:
    """Metrics that use the kernels, with their gradients."""
    pair = [jax.ShapeDtypeStruct(shape, jnp.float32)] * 2
    for name in ("ssim", "ms_ssim"):
        score = getattr(jiqa, name)
        yield Program(f"jiqa.{name}", score, pair, kernel=False)
        total = jax.value_and_grad(lambda x, y, score=score: score(x, y).mean(), 1)
        yield Program(f"jiqa.{name} value and gradient", total, pair, kernel=False)


def compile_program(program: Program, target: str) -> dict[str, Any]:
    """One row: a program compiled for a target."""
    shutil.rmtree(DUMP, ignore_errors=True)
    DUMP.mkdir()
    topology, arguments, bandwidth = TARGETS[target]
    row = dict.fromkeys(
        ["error", "temporary_bytes", "registers", "spill_bytes", "bundles", "estimate_us"]
    )
    row |= {"platform": "tpu", "target": target, "program": program.name}
    row |= {"shape": list(program.operands[0].shape), "compiled": True}
    row["floor_us"] = round(1e6 * moved_bytes(program) / bandwidth, 1)
    device = topologies.get_topology_desc(
        platform="tpu", topology_name=topology, **arguments
    ).devices[0]
    mesh = Mesh(np.array([device]), ("device",))
    whole = NamedSharding(mesh, PartitionSpec())
    placed = [
        jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=whole) for each in program.operands
    ]
    start = time.perf_counter()
    try:
        with jax.set_mesh(mesh):
            compiled = jax.jit(program.function).lower(*placed).compile()
        row["temporary_bytes"] = compiled.memory_analysis().temp_size_in_bytes
        assert "tpu_custom_call" in compiled.as_text(), "no Pallas kernel is in the program"
    except Exception as error:  # whatever the compiler says is the result
        row |= {"compiled": False, "error": f"{type(error).__name__}: {error}"[:500]}
    row["compile_seconds"] = round(time.perf_counter() - start, 2)
    if row["compiled"] and program.kernel:
        row |= read_schedule(program)
    return row


def moved_bytes(program: Program) -> int:
    """Bytes of the operands and the results, each moved once."""
    results = jax.tree.leaves(jax.eval_shape(program.function, *program.operands))
    return sum(each.size * each.dtype.itemsize for each in (*program.operands, *results))


def read_schedule(program: Program) -> dict[str, Any]:
    """Bundles and spilled bytes of a turn of the kernel, and microseconds for all turns."""
    (table,) = DUMP.glob("*-jiqa_*final_hlo-static-per-bundle-utilization.txt")
    rows = [
        [int(number) for number in line.split()]
        for line in table.read_text().splitlines()
        if line.strip() and all(word.isdigit() for word in line.split())
    ]
    bundles = rows[1:]  # the first row is the capacity
    (call,) = [
        equation
        for equation in jax.make_jaxpr(program.function)(*program.operands).eqns
        if equation.primitive.name == "pallas_call"
    ]
    turns = math.prod(call.params["grid_mapping"].grid)
    return {
        "bundles": len(bundles),
        "spill_bytes": 4096 * sum(bundle[SPILL] for bundle in bundles),
        "estimate_us": round(len(bundles) * turns / (1e3 * CLOCK_GHZ), 1),
    }


def main() -> None:
    """Compiles everything and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one shape")
    arguments = parser.parse_args()
    shapes = SHAPES[:1] if arguments.quick else SHAPES
    programs = [program for shape in shapes for program in kernels(shape)]
    programs += metrics(SHAPES[0])
    rows = [compile_program(program, target) for target in TARGETS for program in programs]
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
    shutil.rmtree(DUMP, ignore_errors=True)


if __name__ == "__main__":
    main()
