"""How many images a second networks learn from and judge on a CPU, beside twins in PyTorch.

    python benchmarks/networks.py --peers

times a step of training (forward, backward, Adam, float32) and inference of every network, by turns
as `rounds.py` describes, prints a table and writes `benchmarks/results/networks.json`. Crops and
patches have the sizes of the papers, and there are as many of them as a CPU does in about a second:
"4x32x32" are four images of 32 patches of 32 x 32 pixels, "4x224" four of 224 x 224. For inference
all networks are given the same whole images.

With `--peers`, CNNIQA, WaDIQaM and MEON are timed in PyTorch too (`networks_torch.py`): eager, with
channels last in memory, and by `torch.compile`. The fastest of these is in the table. First it is
checked that with the same parameters they give the same scores and gradients in double precision.
"""

import argparse
import contextlib
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from environments import prepare
from processes import Machine, Worker
from records import RESULTS, write
from rich.console import Console
from rich.table import Table
from rounds import (
    HERE,
    Contender,
    describe_machine,
    limit_threads,
    make_images,
    measure_rows,
    split,
    summarize,
    take_turns,
)

from jiqa.networks import Model, count_parameters, list_networks

MODES = ("step", "inference")
FORMS = ("eager", "channels_last", "compiled")  # of twins
TWINS = ("cnniqa", "wadiqam_nr", "wadiqam_fr", "meon")
CHECKED = (2, 256, 384, 3)  # the images of which twins are asked whether they agree
OTHERS = "4x224"  # where nothing else is said
TRAINING = {
    **dict.fromkeys(("cnniqa", "diqam_fr", "diqam_nr"), "4x32x32"),
    **dict.fromkeys(("wadiqam_fr", "wadiqam_nr", "wadiqam_rr"), "4x32x32"),
    "asna": "4x288",
    "biecon": "4x256",
    "bpsqm": "8x144",
    "cnniqa_plus": "16x96",
    "cnniqa_plus_plus": "16x96",
    "deepbiq": "16x1x227",
    "diqa": "8x112",
    "hallucinated": "2x256",
    "meon": "8x256",
    "multitask_cnn": "8x128",
    "personal_cnn": "8x128",
    "quality_cnn": "8x128",
    "quality_siamese": "8x128",
    "recognition": "8x128",
    "several": "8x128",
    "siamese": "4x192",
}


def parse_batch(text: str) -> tuple[int, ...]:
    """The shape of "4x224" or, of patches, "4x32x32"."""
    numbers = [int(number) for number in text.split("x")]
    if len(numbers) not in (2, 3):
        raise ValueError(f"{text!r}: give IMAGESxSIDE or IMAGESxPATCHESxSIDE.")
    return (*numbers, numbers[-1], 3)


def write_batch(folder: Path, shape: tuple[int, ...]) -> None:
    """Writes images, or as many patches."""
    make_images(folder, (math.prod(shape[:-3]), *shape[-3:]))
    for name in ("reference", "distorted"):
        file = folder / f"{name}.npy"
        np.save(file, np.load(file).reshape(shape))


def check_twins(python: Path, folder: Path) -> dict[str, dict[str, float]]:
    """The largest difference of each twin from its network, over the network's largest value."""
    make_images(folder, CHECKED)
    for name in TWINS:
        Model.create(name).save(folder / f"{name}.safetensors")
    subprocess.run([str(python), str(HERE / "networks_torch.py"), str(folder)], check=True)
    found = {}
    for name in TWINS:
        theirs, ours = np.load(folder / f"{name}.npz"), answer(name, folder)
        found[name] = {key: relative_difference(ours[key], theirs[key]) for key in ours}
    return found


def answer(name: str, folder: Path) -> dict[str, np.ndarray]:
    """What a network says in double precision, and the gradient of the mean score."""
    images = [np.load(folder / f"{of}.npy").astype(float) for of in ("reference", "distorted")]

    def judge(distorted: jax.Array, reference: jax.Array, model: Model) -> Any:
        given = (reference, distorted) if model.kind == "full_reference" else (distorted,)
        said = model(*given)
        return said["score"].mean(), said

    with jax.enable_x64(True):
        model = jax.tree.map(lambda x: x.astype(float), Model.load(folder / f"{name}.safetensors"))
        differentiate = jax.jit(jax.value_and_grad(judge, has_aux=True))
        (_, said), gradient = differentiate(*reversed(images), model)
        return {key: np.asarray(x) for key, x in {**said, "gradient": gradient}.items()}


def relative_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest, over the largest of ours."""
    return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(ours)))


def measure(
    name: str, mode: str, contenders: list[Contender], folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """The times of a network, of the peers too, and what follows from them."""
    size = options.inference if mode == "inference" else TRAINING.get(name, OTHERS)
    write_batch(folder, shape := parse_batch(size))
    case = {"network": name, "mode": mode, "size": size, "shape": shape, "floor": []}
    rows = measure_rows(contenders, {"metric": name, "mode": mode, "folder": str(folder)}, options)
    take_turns(contenders, rows, Machine(1), options.repeat)  # a machine that is not measured
    case = summarize({**case, "rows": rows})
    for row in rows.values():
        if "median" in row:
            row["images_per_second"] = shape[0] / row["median"]
    return case


def start_workers(
    options: argparse.Namespace, python: Path | None, folder: Path, stack: contextlib.ExitStack
) -> list[Contender]:
    """A process of jiqa and, if there is a Python for it, one for each form of twins."""
    started = {"jiqa": (Path(sys.executable), {})}
    for form in FORMS if python else ():
        started[f"torch:{form}"] = python, {"JIQA_BENCHMARK_TWINS": form}
    workers = [
        stack.enter_context(
            Worker(
                name,
                interpreter,
                "network_contenders",
                folder / f"{name.replace(':', ' ')}.log",
                options.patience,
                **settings,
            )
        )
        for name, (interpreter, settings) in started.items()
    ]
    return [Contender(worker, worker) for worker in workers]  # none of them weighs memory


def print_table(console: Console, cases: list[dict[str, Any]], threads: int) -> None:
    """A line a network: images a second of training and inference, and how twins compare."""
    table = Table(title=f"images a second, float32, {threads} threads")
    table.add_column("network")
    rates = ("images/s", "torch", "", "x")
    for head in ("parameters", "training", *rates, "inference", *rates):
        table.add_column(head, justify="right", no_wrap=True)
    for name in dict.fromkeys(case["network"] for case in cases):
        of_network = {case["mode"]: case for case in cases if case["network"] == name}
        cells = [cell for mode in MODES for cell in show(of_network.get(mode))]
        table.add_row(name, f"{count_parameters(name):,}", *cells)
    console.print(table)
    console.print("x: how many times as fast as the twin in PyTorch, the median over rounds.")
    for case in cases:
        for name, row in case["rows"].items():
            if "error" in row:
                text = f"{case['network']} {case['mode']}, {name}: {row['error']}"
                console.print(text, markup=False)


def show(case: dict[str, Any] | None) -> list[str]:
    """The cells of a mode."""
    if case is None:
        return [""] * 5
    fastest = case["fastest_peer"]
    own, twin = case["rows"]["jiqa"], case["rows"].get(fastest, {})
    numbers = own.get("images_per_second"), twin.get("images_per_second"), twin.get("over_jiqa")
    rate, of_twin, times = ("" if number is None else f"{number:.3g}" for number in numbers)
    return [case["size"], rate, of_twin, (fastest or "").removeprefix("torch:"), times]


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--peers", action="store_true", help="also time twins in PyTorch")
    add("--networks", type=split, default=list_networks(), help="all by default")
    add("--modes", type=split, default=list(MODES))
    add("--inference", default="2x512", help="IMAGESxSIDE")
    add("--threads", type=int, help="cores that all may use; all by default")
    add("--repeat", type=int, default=7, help="rounds, fewer for what takes long")
    add("--budget", type=float, default=20.0, help="seconds for a contender's rounds at a case")
    add("--patience", type=float, default=600, help="seconds until an answer is given up")
    add("--output", type=Path, default=RESULTS / "networks.json")
    parser.set_defaults(memory=False)
    options = parser.parse_args()
    python = prepare("peers", HERE / "requirements.txt") if options.peers else None
    facts = describe_machine(limit_threads(options.threads))
    console = Console(width=None if sys.stdout.isatty() else 150)
    cases: list[dict[str, Any]] = []
    agreement: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["JIQA_BENCHMARK_MODELS"] = str(folder)
        if python:
            agreement = check_twins(python, folder)
            for name, found in agreement.items():
                text = ", ".join(f"{key} {value:.0e}" for key, value in found.items())
                console.print(f"{name}, largest relative differences of its twin: {text}")
        contenders = start_workers(options, python, folder, stack)
        for name in options.networks:
            Model.create(name).save(folder / f"{name}.safetensors")
            for mode in options.modes:
                cases.append(measure(name, mode, contenders, folder, options))
                own = cases[-1]["rows"]["jiqa"]
                seconds = own.get("median")
                console.print(name, mode, f"{seconds:.3f} s" if seconds else own.get("error"))
                versions = {worker.name: worker.versions for worker, _ in contenders}
                record = {**facts, "versions": versions, "agreement": agreement, "cases": cases}
                write(options.output, record)
            for worker, _ in contenders:
                worker.stop()  # with its memory; it starts again when it is asked
    print_table(console, cases, facts["threads"])


if __name__ == "__main__":
    main()
