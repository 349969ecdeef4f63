"""Compiles the form for NVIDIA GPUs, and metrics that use it, with no GPU present.

    python benchmarks/accelerators/gpu.py --output FILE.json [--quick]

in an environment of `requirements-gpu.txt` and the package. Nothing runs: the rows written say what
compiles, with which registers and spills, and a static estimate beside the memory floor. The
estimate counts the instructions that the main loop of a lone kernel issues, as if no load were ever
waited for and no processor idle.
"""

import argparse
import json
import math
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = tempfile.TemporaryDirectory(prefix="jiqa-gpu-")
DUMP = Path(FOLDER.name)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to={DUMP}"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

import jiqa
from jiqa.core.filters import gaussian_window, uniform_window
from jiqa.kernels.separable import gpu as separable
from jiqa.kernels.ssim_statistics import gpu as statistics
from jiqa.kernels.ssim_statistics.similarity import Similarity

TARGETS = {"sm_80": "sm_80", "sm_90": "sm_90a"}  # and what XLA compiles for there
SHAPES = [(8, 512, 512, 3), (1, 11, 11, 1), (1, 1080, 1920, 3), (1, 2160, 3840, 3)]
SCHEDULERS = 4  # of a processor, each issues an instruction a cycle


@dataclass(frozen=True)
class Program:
    """What is compiled; `kernel` where it is one Pallas kernel, which is estimated."""

    name: str
    function: Callable[..., Any]
    operands: Sequence[jax.ShapeDtypeStruct]
    kernel: bool = True


def similarity(window: Sequence[float]) -> Similarity:
    """SSIM with this window and the usual constants."""
    return Similarity(tuple(map(float, window)), 1e-4, 9e-4)


def kernels(shape: Sequence[int]) -> Iterator[Program]:
    """Every kernel of the form for images of this shape."""
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
    window = gaussian.window
    for stride in (1, 2):
        parameters = {"rows": window, "columns": window, "stride": stride}
        correlation = partial(separable.correlation, **parameters)
        yield Program(f"correlation stride {stride}", correlation, [image])
        size = tuple(shape[1:3])
        yield Program(
            f"adjoint stride {stride}",
            partial(separable.adjoint, size=size, **parameters),
            [jax.eval_shape(correlation, image)],
        )


def largest_windows(shape: Sequence[int]) -> Iterator[Program]:
    """The kernels with as many taps as they say they support."""
    pair = [jax.ShapeDtypeStruct(shape, jnp.float32)] * 2
    for taps in (statistics.TAPS_OF_TWO_PIXELS, statistics.MOST_TAPS):
        sums = partial(statistics.sums, similarity=similarity(uniform_window(taps)))
        yield Program(f"sums {taps} taps", sums, pair)
    taps = statistics.MOST_GRADIENT_TAPS
    comparison = similarity(uniform_window(taps))
    slope = partial(statistics.gradient, similarity=comparison, luminance=True, wrt=(True, True))
    yield Program(f"gradient both {taps} taps", slope, pair)
    taps = separable.MOST_TAPS
    window = tuple(uniform_window(taps).tolist())
    correlation = partial(separable.correlation, rows=window, columns=window, stride=1)
    yield Program(f"correlation {taps} taps", correlation, pair[:1])


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
    for file in DUMP.iterdir():
        file.unlink()
    row = dict.fromkeys(
        ["error", "temporary_bytes", "registers", "spill_bytes", "bundles", "estimate_us"]
    )
    row |= {"platform": "cuda", "target": target, "program": program.name}
    row |= {"shape": list(program.operands[0].shape), "compiled": True}
    description = Path(__file__).with_name(f"{target}.txtpb").read_text()
    device = topologies.get_topology_desc(
        "", "cuda", target_config=description, topology="1x1x1"
    ).devices[0]
    placed = [
        jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=SingleDeviceSharding(device))
        for each in program.operands
    ]
    row["floor_us"] = floor(program, description)
    start = time.perf_counter()
    try:
        with jax.default_device(device):
            compiled = jax.jit(program.function).lower(*placed).compile()
    except Exception as error:  # whatever the compiler says is the result
        row |= {"compiled": False, "error": f"{type(error).__name__}: {error}"[:500]}
    row["compile_seconds"] = round(time.perf_counter() - start, 2)
    if row["compiled"]:
        row["temporary_bytes"] = compiled.memory_analysis().temp_size_in_bytes
        codes = [assemble(file, target) for file in DUMP.glob("*.ptx") if file.stat().st_size]
        row["registers"] = max(registers for registers, _, _ in codes)
        row["spill_bytes"] = sum(spills for _, spills, _ in codes)
        if program.kernel:
            row["estimate_us"] = estimate(program, description, [code for *_, code in codes])
    return row


def read_number(description: str, field: str) -> float:
    """A number from a target's description."""
    match = re.search(rf"\b{field}: ([\d.]+)", description)
    assert match, field
    return float(match[1])


def floor(program: Program, description: str) -> float:
    """Microseconds to read the operands and write the results once."""
    results = jax.tree.leaves(jax.eval_shape(program.function, *program.operands))
    size = sum(each.size * each.dtype.itemsize for each in (*program.operands, *results))
    return round(1e6 * size / read_number(description, "memory_bandwidth"), 1)


def tool(name: str) -> str:
    """The path of a program of the CUDA wheels."""
    spec = find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else []
    found = [path for folder in folders or [] for path in Path(folder).glob(f"*/bin/{name}")]
    if not found:
        raise FileNotFoundError(f"no {name}; install requirements-gpu.txt.")
    return str(found[0])


def assemble(file: Path, target: str) -> tuple[int, int, str]:
    """The most registers of a thread, bytes spilled, and the machine code of a dumped module."""
    binary = file.with_suffix(".cubin")
    command = [tool("ptxas"), "-v", f"-arch={TARGETS[target]}", file, "-o", binary]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", said)]
    spills = [int(number) for number in re.findall(r"(\d+) bytes spill", said)]
    command = [tool("nvdisasm"), "-c", binary]
    code = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return max(registers, default=0), sum(spills), code


def main_loop(code: str) -> list[str]:
    """The instructions of the last loop of the Pallas kernel."""
    instructions: list[str] = []
    labels: dict[str, int] = {}
    loop: list[str] = []
    inside = False
    for line in code.splitlines():
        if re.match(r"\s*\.section\s", line):
            inside = re.search(r"\.text\.\w*kernel\b", line) is not None
            instructions, labels = [], {}
        elif inside and (label := re.match(r"\s*(\.L_\w+):", line)):
            labels[label[1]] = len(instructions)
        elif inside and (match := re.match(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?(\w.*);", line)):
            instructions.append(match[1])
            jump = re.search(r"^BRA.*?`\((\.L_\w+)\)", match[1])
            if jump and labels.get(jump[1], math.inf) < len(instructions) - 1:
                loop = instructions[labels[jump[1]] :]
    return loop


def estimate(program: Program, description: str, codes: Sequence[str]) -> float | None:
    """Microseconds to issue the main loop as often as both loops turn, on all processors."""
    loop = next((loop for loop in map(main_loop, codes) if loop), None)
    if loop is None:
        return None
    (call,) = [
        equation
        for equation in jax.make_jaxpr(program.function)(*program.operands).eqns
        if equation.primitive.name == "pallas_call"
    ]
    turns = sum(
        equation.params["length"]
        for equation in call.params["jaxpr"].eqns
        if equation.primitive.name == "scan"
    )
    warps = math.prod(call.params["grid_mapping"].grid) * call.params["compiler_params"].num_warps
    floating = sum(each.split(".")[0].split()[0] in ("FFMA", "FMUL", "FADD") for each in loop)
    lanes = read_number(description, "fpus_per_core") / SCHEDULERS
    cycles = max(len(loop), floating * 32 / lanes) * turns * warps / SCHEDULERS
    clock = read_number(description, "clock_rate_ghz") * 1e3
    return round(cycles / (read_number(description, "core_count") * clock), 1)


def main() -> None:
    """Compiles everything and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one shape")
    arguments = parser.parse_args()
    shapes = SHAPES[:1] if arguments.quick else SHAPES
    programs = [program for shape in shapes for program in kernels(shape)]
    programs += [*largest_windows(SHAPES[0]), *metrics(SHAPES[0])]
    rows = [compile_program(program, target) for target in TARGETS for program in programs]
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
