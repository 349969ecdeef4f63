"""Compiles the form for TPUs, and metrics that use it, with no TPU present.

    python benchmarks/accelerators/tpu.py --output FILE.json [--quick]

in an environment of `requirements-tpu.txt` and the package. Nothing runs: the rows written say what
compiles, and for a lone kernel how many bundles of instructions its program has, how many bytes of
registers it spills, and a static estimate beside the memory floor. The estimate counts a bundle as
one cycle of an assumed 1.5 GHz, as often as the loops around it turn, as if no copy were ever
waited for.
"""

import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

DUMP = Path(tempfile.mkdtemp(prefix="jiqa-tpu-"))
os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": str(DUMP),
    "LIBTPU_INIT_ARGS": f"--xla_jf_dump_to={DUMP} --xla_jf_dump_llo_text=true",
}

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from programs import SHAPES, Program, compile_program, kernels, metrics, write_rows

from jiqa.kernels.separable import tpu as separable
from jiqa.kernels.ssim_statistics import tpu as statistics

# Name of the smallest topology, arguments of it, and bytes a second of the memory of one chip, as
# Google's documentation gives them.
TARGETS: dict[str, tuple[str, dict[str, Any], float]] = {
    "v4": ("v4:2x2x1", {}, 1228e9),
    "v5e": ("v5e:1x1", {"chips_per_host_bounds": (1, 1, 1)}, 819e9),
    "v5p": ("v5p:2x2x1", {}, 2765e9),
    "v6e": ("v6e:1x1", {"chips_per_host_bounds": (1, 1, 1)}, 1640e9),
}
CLOCK_GHZ = 1.5
SPILL = 8  # the column of spills in the compiler's table of what a bundle uses


def compile_for(program: Program, target: str) -> dict[str, Any]:
    """One row: a program compiled for a target."""
    shutil.rmtree(DUMP, ignore_errors=True)
    DUMP.mkdir()
    topology, arguments, bandwidth = TARGETS[target]
    device = topologies.get_topology_desc(
        platform="tpu", topology_name=topology, **arguments
    ).devices[0]
    mesh = Mesh(np.array([device]), ("device",))

    def describe(compiled: Any) -> dict[str, Any]:
        if "tpu_custom_call" not in compiled.as_text():
            return {"compiled": False, "error": "no Pallas kernel is in the program"}
        return read_schedule() if program.kernel else {}

    floor = round(1e6 * program.moved_bytes / bandwidth, 1)
    whole = NamedSharding(mesh, PartitionSpec())
    facts = {"platform": "tpu", "target": target, "floor_us": floor}
    return compile_program(program, whole, jax.set_mesh(mesh), describe, **facts)


def read_schedule() -> dict[str, Any]:
    """Bundles and spilled bytes of the kernel, and microseconds with every loop's turns."""
    (table,) = DUMP.glob("*-jiqa_*final_hlo-static-per-bundle-utilization.txt")
    (listing,) = (
        file for file in DUMP.glob("*-jiqa_*final_bundles.txt") if "analysis" not in file.name
    )
    uses = [
        [int(number) for number in line.split()]
        for line in table.read_text().splitlines()
        if line.strip() and all(word.isdigit() for word in line.split())
    ][1:]  # the first row is the capacity
    bundles = re.split(r"\n(?=\s*0x[0-9a-f]+ )", listing.read_text())
    return {
        "bundles": len(uses),
        "spill_bytes": 4096 * sum(use[SPILL] for use in uses),
        "estimate_us": round(count_cycles(bundles) / (1e3 * CLOCK_GHZ), 1),
    }


def count_cycles(bundles: list[str]) -> int:
    """Bundles, each as often as the loops around it turn; the grid of the kernel is one of them.

    A loop is a branch back to the region that begins where it does, and counts from zero to a
    constant, in steps of another.
    """
    starts, ends, loops = {}, {}, []
    for place, bundle in enumerate(bundles):
        starts |= dict.fromkeys(re.findall(r"Start region (\d+)", bundle), place)
        ends |= dict.fromkeys(re.findall(r"End region (\d+)", bundle), place)
    for place, bundle in enumerate(bundles):
        for region in re.findall(r"sbr\.rel \([^)]*\) target = \$region(\d+)", bundle):
            if starts.get(region, place) < place:
                loops.append(range(starts[region], max(ends.get(region, 0), place) + 1))
    turns = [1] * len(bundles)
    for loop in loops:
        inner = [other for other in loops if other != loop and other[0] in loop]
        own = (bundles[place] for place in loop if not any(place in other for other in inner))
        count = _count_turns("".join(own))
        for place in loop:
            turns[place] *= count
    return sum(turns)


def _count_turns(body: str) -> int:
    """Turns of a loop; one where it has no constant end, as copies of ragged blocks have none."""
    ends = re.findall(r"scmp\.ge\S* %(s\d+)(?:_s\d+)?, (\d+) /\* loop exit test", body)
    if not ends:
        return 1
    counter, end = ends[-1]
    steps = re.findall(rf"%{counter}(?:_s\d+)? = sadd\.s32 (\d+),", body)
    return math.ceil(int(end) / int(steps[-1] if steps else 1))


def compile_all(shapes: list[tuple[int, ...]]) -> list[dict[str, Any]]:
    """The rows of all programs and targets."""
    programs = [each for shape in shapes for each in kernels(statistics, separable, shape)]
    programs += metrics(SHAPES[0])
    rows = [compile_for(program, target) for target in TARGETS for program in programs]
    shutil.rmtree(DUMP, ignore_errors=True)
    return rows


if __name__ == "__main__":
    write_rows(__doc__.splitlines()[0], compile_all)
