"""Compiles the form for NVIDIA GPUs, and metrics that use it, with no GPU present.

    python benchmarks/accelerators/gpu.py --output FILE.json [--quick]

in an environment of `requirements-gpu.txt` and the package. Nothing runs: the rows written say what
compiles, with which registers and spills, and a static estimate beside the memory floor. The
estimate counts the instructions that the main loop of a lone kernel issues, as if no load were ever
waited for and no processor idle.
"""

import math
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
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
from programs import SHAPES, Program, compile_program, kernels, metrics, similarity, write_rows

from jiqa.core.filters import uniform_window
from jiqa.kernels.separable import gpu as separable
from jiqa.kernels.ssim_statistics import gpu as statistics

TARGETS = {"sm_80": "sm_80", "sm_90": "sm_90a"}  # and what XLA compiles for there
SCHEDULERS = 4  # of a processor, each issues an instruction a cycle


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


def compile_for(program: Program, target: str) -> dict[str, Any]:
    """One row: a program compiled for a target."""
    for file in DUMP.iterdir():
        file.unlink()
    description = Path(__file__).with_name(f"{target}.txtpb").read_text()
    device = topologies.get_topology_desc(
        "", "cuda", target_config=description, topology="1x1x1"
    ).devices[0]

    def describe(_: Any) -> dict[str, Any]:
        codes = [assemble(file, target) for file in DUMP.glob("*.ptx") if file.stat().st_size]
        found: dict[str, Any] = {
            "registers": max(registers for registers, _, _ in codes),
            "spill_bytes": sum(spills for _, spills, _ in codes),
        }
        if program.kernel:
            found["estimate_us"] = estimate(program, description, [code for *_, code in codes])
        return found

    floor = round(1e6 * program.moved_bytes / read_number(description, "memory_bandwidth"), 1)
    place, context = SingleDeviceSharding(device), jax.default_device(device)
    facts = {"platform": "cuda", "target": target, "floor_us": floor}
    return compile_program(program, place, context, describe, **facts)


def read_number(description: str, field: str) -> float:
    """A number from a target's description."""
    match = re.search(rf"\b{field}: ([\d.]+)", description)
    assert match, field
    return float(match[1])


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
    call = program.pallas_call
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


def compile_all(shapes: list[tuple[int, ...]]) -> list[dict[str, Any]]:
    """The rows of all programs and targets."""
    programs = [each for shape in shapes for each in kernels(statistics, separable, shape)]
    programs += [*largest_windows(SHAPES[0]), *metrics(SHAPES[0])]
    return [compile_for(program, target) for target in TARGETS for program in programs]


if __name__ == "__main__":
    write_rows(__doc__.splitlines()[0], compile_all)
