"""How fast SSIM, MS-SSIM and GMSD are beside public packages, on a CPU, with the memory they take.

    python benchmarks/ssim.py --peers --repeat 9

Every implementation runs in a process of its own that stays alive, all on the same images and
cores. They take turns: in each round each runs once, after a measurement of what the machine can
do, so that drifts meet all alike. Times are medians over rounds, ratios medians of each round's
ratios. Memory is measured in a second process of each: by how much a call raises the process's peak
resident memory, less the gradient that it returns. The peers of `requirements.txt` are installed
into `.venv-peers` first. Prints a table for each case and a summary, and writes
`benchmarks/results/ssim.json`. Forward is one value an image; gradient is the mean value with its
gradient with respect to the distorted image.
"""

import argparse
import contextlib
import importlib.util
import inspect
import itertools
import json
import math
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from contenders import PEERS
from environments import prepare
from processes import Machine, Worker
from rich.console import Console
from tables import print_agreement, print_case, print_summary

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "ssim.json"
FRAMES = {"1080p": (1, 1080, 1920, 3), "2160p": (1, 2160, 3840, 3)}
MODES = ("forward", "gradient")
REST = 0.02  # seconds between turns, in which threads of the last one fall asleep
RETURN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc then gives free memory back at once

# Floating-point operations for each pixel and channel. Four moments by an 11-tap window along both
# axes are 176, comparing them 24; the gradient filters three maps back, 132, and weighs them, 48.
# MS-SSIM has five scales, each a quarter of the one before. GMSD hardly computes: its floor is that
# of reading.
OPERATIONS = {"ssim": (200, 380), "ms_ssim": (200 * 341 / 256, 380 * 341 / 256), "gmsd": (0, 0)}


class Contender(NamedTuple):
    """An implementation in two processes: one takes time, the other measures memory."""

    worker: Worker
    scale: Worker


def parse_size(text: str) -> tuple[int, int, int, int]:
    """The shape of "1080p", "512" or "8x512"."""
    if text in FRAMES:
        return FRAMES[text]
    match = re.fullmatch(r"(?:(\d+)x)?(\d+)", text)
    if match is None:
        raise SystemExit(f"--sizes: {text!r} is none of {', '.join(FRAMES)}, SIDE or BATCHxSIDE.")
    return int(match[1] or 1), int(match[2]), int(match[2]), 3


def make_images(folder: Path, shape: tuple[int, int, int, int]) -> None:
    """Writes waves of several frequencies with grain, and the same with less contrast and noise."""
    rng = np.random.default_rng(0)
    height, width, channels = shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    reference = np.empty(shape, np.float32)
    for image in reference:
        for channel in range(channels):
            down, across = rng.uniform(0.005, 0.2, (2, 6))
            waves = sum(np.sin(a * rows + b * columns) for a, b in zip(down, across, strict=True))
            image[..., channel] = 0.5 + 0.06 * waves
    reference += 0.03 * rng.standard_normal(shape, np.float32)
    distorted = 0.9 * reference + 0.05 + 0.05 * rng.standard_normal(shape, np.float32)
    np.save(folder / "reference.npy", np.clip(reference, 0, 1))
    np.save(folder / "distorted.npy", np.clip(distorted, 0, 1))


def find_implementations() -> list[str]:
    """The kernels for CPUs that jiqa has and lets one choose."""
    import jiqa

    if "implementation" not in inspect.signature(jiqa.ssim).parameters:
        return []
    package = "jiqa.kernels.ssim_statistics"
    return [form for form in ("native", "xla") if importlib.util.find_spec(f"{package}.{form}")]


def start_contenders(
    options: argparse.Namespace, folder: Path, stack: contextlib.ExitStack
) -> list[Contender]:
    """All that is compared, to be ended with the stack."""
    forms = find_implementations() if options.implementations is None else options.implementations
    pythons = dict.fromkeys(["jiqa", *(f"jiqa:{form}" for form in forms)], Path(sys.executable))
    if options.peers:
        pythons |= dict.fromkeys(options.peers, prepare("peers", HERE / "requirements.txt"))

    def start(name: str, role: str, **settings: str) -> Worker:
        log = folder / f"{name.replace(':', ' ')} {role}.log"
        return stack.enter_context(Worker(name, pythons[name], log, options.patience, **settings))

    return [
        Contender(start(name, "worker"), start(name, "scale", **RETURN_MEMORY)) for name in pythons
    ]


def measure_rows(
    contenders: list[Contender], request: dict[str, str], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Value, memory and number of rounds of all contenders at a case."""
    rows = {}
    for worker, scale in contenders:
        rows[worker.name] = row = worker.ask("prepare", **request)
        if "seconds" in row:
            row["growth_bytes"] = scale.ask("weigh", **request).get("growth_bytes")
            row["rounds"] = max(1, min(options.repeat, int(options.budget / row["seconds"])))
            row["times"] = []
    return rows


def take_turns(
    contenders: list[Contender], rows: dict[str, dict[str, Any]], machine: Machine, repeat: int
) -> list[list[float]]:
    """Adds each round's times to the rows; the machine's rates in each round."""
    rates = []
    for number in range(repeat):
        if (measured := machine.measure()) is not None:
            rates.append(measured)
        for worker, _ in contenders:
            row = rows[worker.name]
            if number < row.get("rounds", 0) and "error" not in row:
                time.sleep(REST)
                answer = worker.ask("turn")
                row["times"] += [answer["seconds"]] if "seconds" in answer else []
                row |= {"error": answer["error"]} if "error" in answer else {}
    return rates


def find_floor(case: dict[str, Any], rates: list[list[float]]) -> list[float]:
    """Seconds below which the machine cannot do a case, in each round."""
    pixels, mode = math.prod(case["shape"]), MODES.index(case["mode"])
    traffic = 4 * pixels * (2 + mode)  # both images are read, and a gradient is written
    work = OPERATIONS[case["metric"]][mode] * pixels
    return [max(traffic / reading, work / computing) for reading, computing in rates]


def summarize(result: dict[str, Any]) -> dict[str, Any]:
    """Medians, ratios of each round, memory and differences of a case, added to its rows."""
    rows, floors = result["rows"], result["floor"]
    own = rows["jiqa"]
    result["input_bytes"] = 2 * 4 * math.prod(result["shape"])
    result_bytes = result["input_bytes"] // 2 if result["mode"] == "gradient" else 0
    for row in rows.values():
        if not row.get("times"):
            continue
        row["median"] = statistics.median(row["times"])
        if row["growth_bytes"] is not None:
            row["temporary_bytes"] = max(0, row["growth_bytes"] - result_bytes)
        if own.get("times"):
            row["over_jiqa"] = ratio(row["times"], own["times"])
            row["value_difference"] = row["value"] - own["value"]
            if "gradient" in row:
                ours, theirs = np.array(own["gradient"]), np.array(row["gradient"])
                difference = np.max(np.abs(theirs - ours)) / np.max(np.abs(ours))
                row["gradient_difference"] = float(difference)
        if floors:
            row["over_floor"] = ratio(row["times"], floors)
    peers = {name: row["median"] for name, row in rows.items() if name in PEERS and "median" in row}
    result["fastest_peer"] = min(peers, key=peers.__getitem__, default=None)
    for row in rows.values():
        row.pop("gradient", None)
    return result


def ratio(times: list[float], others: list[float]) -> float:
    """Median of the ratios of the rounds that both have."""
    return statistics.median(a / b for a, b in zip(times, others, strict=False))


def split(text: str) -> list[str]:
    """The entries of a list with commas."""
    return [entry for entry in text.split(",") if entry]


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--peers", type=split, nargs="?", const=list(PEERS), default=[], help="all, or these")
    add("--implementations", type=split, help="kernels to force; those for CPUs by default")
    add("--metrics", type=split, default=list(OPERATIONS))
    add("--modes", type=split, default=list(MODES))
    add("--sizes", type=split, default=["512", "8x512", *FRAMES], help="SIDE, BATCHxSIDE, 1080p")
    add("--threads", type=int, help="cores that all may use; all by default")
    add("--repeat", type=int, default=9, help="rounds, fewer for what takes long")
    add("--budget", type=float, default=20, help="seconds for a contender's rounds at a case")
    add("--patience", type=float, default=300, help="seconds until an answer is given up")
    add("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    known = {"peers": PEERS, "metrics": OPERATIONS, "modes": MODES}
    for option, names in known.items():
        for name in getattr(options, option):
            if name not in names:
                parser.error(f"--{option}: {name!r} is none of {', '.join(names)}")
    return options


def limit_threads(threads: int | None) -> int:
    """Keeps this process and those that it starts to so many cores and threads; their number."""
    threads = min(threads or os.cpu_count(), os.cpu_count())
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, cores)
        threads = len(cores)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return threads


def describe_machine(threads: int) -> dict[str, Any]:
    """Facts that belong to a time."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    name = re.search(r"model name\s*: (.*)", text)
    return {
        "processor": name[1] if name else platform.processor(),
        "machine": platform.machine(),
        "threads": threads,
        "python": platform.python_version(),
    }


def main() -> None:
    """Measures, prints and writes."""
    options, console = parse_options(), Console(width=None if sys.stdout.isatty() else 150)
    facts = describe_machine(limit_threads(options.threads))
    console.print(f"{facts}, float32, medians of at most {options.repeat} rounds")
    results: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contenders = start_contenders(options, folder, stack)
        machine = stack.enter_context(Machine(facts["threads"]))
        for size in options.sizes:
            shape = parse_size(size)
            make_images(folder, shape)
            for metric, mode in itertools.product(options.metrics, options.modes):
                case = {"metric": metric, "mode": mode, "size": size, "shape": shape}
                request = {"metric": metric, "mode": mode, "folder": str(folder)}
                rows = measure_rows(contenders, request, options)
                rates = take_turns(contenders, rows, machine, options.repeat)
                case |= {"rows": rows, "rates": rates, "floor": find_floor(case, rates)}
                results.append(summarize(case))
                print_case(console, case)
                versions = {worker.name: worker.versions for worker, _ in contenders}
                write(options.output, {**facts, "versions": versions, "cases": results})
    print_summary(console, results)
    print_agreement(console, results)


def write(path: Path, record: dict[str, Any]) -> None:
    """Writes what there is so far."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
