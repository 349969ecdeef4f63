"""How implementations are compared: each in processes of its own, all by turns.

Every implementation runs in a process that stays alive, all on the same images and cores. In each
round each has one turn, so that drifts of the machine meet all alike. Times are medians over
rounds, ratios medians of each round's ratios. Memory is measured in a second process of each: by
how much a call raises the process's peak resident memory, less the gradient that it returns.
"""

import argparse
import contextlib
import importlib
import itertools
import math
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from environments import prepare
from processes import Machine, Worker
from records import write
from rich.console import Console

HERE = Path(__file__).parent
FRAMES = {"1080p": (1, 1080, 1920, 3), "2160p": (1, 2160, 3840, 3)}
MODES = ("forward", "gradient")
REST = 0.02  # seconds between turns, in which threads of the last one fall asleep
FindFloor = Callable[[dict[str, Any], list[list[float]]], list[float]]
RETURN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc then gives free memory back at once


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


def start_contenders(
    options: argparse.Namespace, own: list[str], folder: Path, stack: contextlib.ExitStack
) -> list[Contender]:
    """All that is compared, to be ended with the stack."""
    pythons = dict.fromkeys(own, Path(sys.executable))
    if options.peers:
        pythons |= dict.fromkeys(options.peers, prepare("peers", HERE / "requirements.txt"))

    def start(name: str, role: str, **settings: str) -> Worker:
        log = folder / f"{name.replace(':', ' ')} {role}.log"
        return stack.enter_context(
            Worker(name, pythons[name], options.module, log, options.patience, **settings)
        )

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
            answer = scale.ask("weigh", **request) if options.memory else {}
            row["growth_bytes"] = answer.get("growth_bytes")
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
    others = {n: r["median"] for n, r in rows.items() if n[:4] != "jiqa" and "median" in r}
    result["fastest_peer"] = min(others, key=others.__getitem__, default=None)
    for row in rows.values():
        row.pop("gradient", None)
    return result


def ratio(times: list[float], others: list[float]) -> float:
    """Median of the ratios of the rounds that both have."""
    return statistics.median(a / b for a, b in zip(times, others, strict=False))


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


def split(text: str) -> list[str]:
    """The entries of a list with commas."""
    return [entry for entry in text.split(",") if entry]


def make_parser(
    description: str, module: str = "peers", **defaults: Any
) -> argparse.ArgumentParser:
    """The options that all comparisons have, with their defaults; a module has the peers."""
    peers = list(importlib.import_module(module).PEERS)
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    add = parser.add_argument
    add("--peers", type=split, nargs="?", const=peers, default=[], help="all, or these")
    add("--metrics", type=split)
    add("--modes", type=split, default=list(MODES))
    add("--sizes", type=split, help="SIDE, BATCHxSIDE, 1080p")
    add("--threads", type=int, help="cores that all may use; all by default")
    add("--repeat", type=int, help="rounds, fewer for what takes long")
    add("--budget", type=float, help="seconds for a contender's rounds at a case")
    add("--patience", type=float, default=300, help="seconds until an answer is given up")
    add("--output", type=Path)
    parser.set_defaults(module=module, known_peers=peers, **defaults)
    return parser


def parse_options(parser: argparse.ArgumentParser, metrics: Collection[str]) -> argparse.Namespace:
    """The command line, its names checked."""
    options = parser.parse_args()
    known = {"peers": options.known_peers, "metrics": metrics, "modes": MODES}
    for option, names in known.items():
        for name in getattr(options, option):
            if name not in names:
                parser.error(f"--{option}: {name!r} is none of {', '.join(names)}")
    return options


def compare(
    options: argparse.Namespace, own: list[str], find_floor: FindFloor, console: Console
) -> Iterator[dict[str, Any]]:
    """Measures case after case, and writes what there is so far after each.

    Args:
        options: The command line.
        own: Names of jiqa's contenders, the first of them "jiqa".
        find_floor: Seconds below which the machine cannot do a case, in each round, from the case
            and the machine's rates.
        console: Where the machine's facts are printed.

    Yields:
        Each case with its rows.
    """
    facts = describe_machine(limit_threads(options.threads))
    console.print(f"{facts}, float32, medians of at most {options.repeat} rounds")
    results: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contenders = start_contenders(options, own, folder, stack)
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
                versions = {worker.name: worker.versions for worker, _ in contenders}
                write(options.output, {**facts, "versions": versions, "cases": results})
                yield case
