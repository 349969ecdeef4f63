"""The process in which one implementation runs, jiqa or a peer.

    python benchmarks/contenders.py peers

takes what other packages have from `peers.py` (or from `deep_peers.py`, if that is named), reads
requests from standard input, one JSON object a line, and answers each with one: `{"start": {"name":
"kornia"}}` imports a package; `{"prepare": {...}}` loads images, compiles and gives value and
gradient of a case; `{"turn": {}}` times it; `{"weigh": {...}}` measures a case's memory.
Peers live in an environment of their own, without jiqa.
"""

import gc
import importlib
import inspect
import json
import os
import statistics
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from peers import Call, Peer, alone, jax_calls

TURN_SECONDS, TURN_CALLS = 0.1, 7  # a turn is a median over at most these


def jiqa(implementation: str | None = None) -> Peer:
    """Every metric of jiqa, with the platform's best kernels or those asked for.

    As implementation "prepared", learned metrics that have the features of the reference already.
    """
    import jiqa as package

    metrics = {name: package.find(name) for name in package.list_metrics()}
    learned = {name: metric for name, metric in metrics.items() if metric.learned}
    if implementation is None:
        return metrics, metric_calls
    if implementation == "prepared":
        return learned, prepared_calls
    return {
        name: replace(metric, options={**metric.options, "implementation": implementation})
        for name, metric in metrics.items()
        if "implementation" in inspect.signature(metric.function).parameters
    }, metric_calls


def metric_calls(metric: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward of a metric, and the gradient that it has as a loss."""
    if metric.learned:
        loaded = load(metric.name)
        return jax_calls(lambda metric, x, y: metric(x, y), reference, distorted, loaded)
    smooth = replace(metric, options={**metric.loss_options, **metric.options})
    score, loss = ((m if m.needs_reference else alone(m)) for m in (metric, smooth))
    calls = {"forward": jax_calls(score, reference, distorted)["forward"]}
    if metric.differentiable:
        calls["gradient"] = jax_calls(loss, reference, distorted)["gradient"]
    return calls


def prepared_calls(metric: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward and gradient of a learned metric with a fixed reference."""
    prepared = load(metric.name).prepare(reference)
    return jax_calls(lambda prepared, _, y: prepared(y), reference, distorted, prepared)


def load(name: str) -> Any:
    """A metric of jiqa with its parameters; peers have no jiqa to import."""
    return importlib.import_module("jiqa").load(name)


class Contender:
    """One implementation in this process, with the case it was last prepared for."""

    call: Call | None = None
    seconds = 0.0

    def __init__(self, peers: str) -> None:
        """Names the module that has the builders of peers."""
        self.peers = importlib.import_module(peers).PEERS

    def start(self, name: str) -> dict[str, Any]:
        """Imports the package; its version and those of what it stands on."""
        package, _, implementation = name.partition(":")
        build = (
            self.peers[package] if package in self.peers else partial(jiqa, implementation or None)
        )
        self.scores, self.make_calls = build()
        used = [package, "numpy", *({"jax", "torch"} & set(sys.modules))]
        return {"versions": {package: version(package) for package in used}}

    def load(self, metric: str, mode: str, folder: str) -> dict[str, Any]:
        """Makes the call of a case and runs it once, which compiles it; its first answer."""
        self.call = None
        if metric not in self.scores:
            return {"absent": f"has no {metric}"}
        images = [np.load(f"{folder}/{name}.npy") for name in ("reference", "distorted")]
        calls = self.make_calls(self.scores[metric], *images)
        if mode not in calls:
            return {"absent": f"has no {mode}"}
        self.call = calls[mode]
        start = time.perf_counter()
        answer = describe(self.call())
        return {**answer, "first_seconds": time.perf_counter() - start}

    def prepare(self, **case: str) -> dict[str, Any]:
        """Loads a case; its value, a sample of its gradient, and the seconds of a second call."""
        answer = self.load(**case)
        if self.call is not None:
            answer["seconds"] = self.seconds = measure_seconds(self.call)
        return answer

    def weigh(self, **case: str) -> dict[str, Any]:
        """Loads a case, measures the memory of a second call, and lets go of it."""
        self.load(**case)
        growth = None if self.call is None else measure_growth(self.call)
        self.call = None
        return {"growth_bytes": growth}

    def turn(self) -> dict[str, float]:
        """Median seconds of a turn, after a call that is not timed where calls are short."""
        if self.seconds < TURN_SECONDS:
            self.call()
        times: list[float] = []
        while not times or (sum(times) < TURN_SECONDS and len(times) < TURN_CALLS):
            times.append(measure_seconds(self.call))
        return {"seconds": statistics.median(times)}


def measure_seconds(call: Call) -> float:
    """Wall-clock seconds of a call; its result is let go of afterwards."""
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    del result
    return seconds


def describe(result: Any) -> dict[str, Any]:
    """Mean value, and the gradient at a grid of positions, of a call's result."""
    value, gradient = result if isinstance(result, tuple) else (result, None)
    answer: dict[str, Any] = {"value": float(np.mean(np.asarray(value), dtype=np.float64))}
    if gradient is not None:
        gradient = np.asarray(gradient)
        rows, columns = (np.linspace(0, size - 1, 16).astype(int) for size in gradient.shape[1:3])
        answer["gradient"] = gradient[:, rows][:, :, columns].astype(float).ravel().tolist()
    return answer


def measure_growth(call: Call) -> int | None:
    """Bytes by which a call raises resident memory at its peak, its result included.

    The system's record of the peak is set to what is resident before the call. Where it keeps none
    (Linux does) the answer is None. `MALLOC_MMAP_THRESHOLD_` makes the allocator return what is
    free at once, without which a call would live on what the one before left behind.
    """
    gc.collect()
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = read_status("VmRSS")
    except OSError:
        return None
    result = call()
    growth = max(0, read_status("VmHWM") - before)
    del result
    return growth


def read_status(key: str) -> int:
    """A number of bytes from this process's status."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key + ":"))
    return 1024 * int(line.split()[1])


def main() -> None:
    """Answers requests, each the name of a method and its arguments, until there are none."""
    # Answers go out where standard output was; what packages print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender = Contender(sys.argv[1])
    for line in sys.stdin:
        ((method, arguments),) = json.loads(line).items()
        try:
            answer = getattr(contender, method)(**arguments)
        except Exception as error:  # a row of the table, with its reason
            answer = {"error": f"{type(error).__name__}: {str(error).strip()}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
