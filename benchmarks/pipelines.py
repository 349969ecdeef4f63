"""How many images a second the generator makes, and the pipelines read.

    python benchmarks/pipelines.py PHOTOGRAPHS [--count 4] [--size 512x384] [--threads 2]

A set is generated of some photographs, with all of KADID-10k's distortions at all levels and the
default metrics; the first photograph, for which programs are compiled, is not counted. Then each
pipeline runs over the set, in batches of eight examples, against decoding alone: files of the set
that are in memory, with as many threads. An example of pairs, patches and ranking has two images,
of multi_task one. Writes `benchmarks/results/pipelines.json`.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from records import RESULTS, machine, write
from rich.console import Console
from rich.table import Table

from jiqa.datasets.builders import Prepared
from jiqa.datasets.generator import Plan, generate
from jiqa.datasets.pipelines import Batches, Loading, multi_task, pairs, patches, ranking
from jiqa.images import decode_image
from jiqa.pairs import find_images

CROP, ROUNDS = 224, 5
PIPELINES: dict[str, tuple[int, Callable[[Prepared, Loading], Batches]]] = {
    "pairs": (2, lambda source, loading: pairs(source, loading, crop=CROP)),
    "patches": (2, lambda source, loading: patches(source, loading, size=32, count=32)),
    "ranking": (2, lambda source, loading: ranking(source, loading, crop=CROP)),
    "multi_task": (1, lambda source, loading: multi_task(source, loading, crop=CROP)),
}


def measure_generator(photographs: list[Path], folder: Path, plan: Plan) -> dict[str, float]:
    """Images a second after the first photograph, and its seconds."""
    times = {0: time.perf_counter()}
    generate(
        photographs,
        folder,
        plan,
        progress=lambda made, _: times.setdefault(made, time.perf_counter()),
    )
    each = len(plan.recipes_for(""))
    made = max(times)
    return {
        "images_per_second": (made - each) / (times[made] - times[each]),
        "first_photograph_seconds": times[each] - times[0],
        "images": made,
    }


def rate(steps: Iterator[int], seconds: float) -> float:
    """Images a second of steps that say how many they are, once what was read ahead is used up."""
    for _ in range(2 * Loading().ahead):
        next(steps)
    start, images = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        images += next(steps)
    return images / passed


def measure_reading(source: Prepared, threads: int, seconds: float) -> dict[str, dict[str, Any]]:
    """The median rate of each pipeline and of decoding, by turns."""
    files = [item["distorted"] for item in Prepared(source.folder, "train[:8]", decode=False)]
    loading = Loading(batch_size=8, threads=threads)
    streams = {"decoding": decode(files, threads)}
    for name, (images, make) in PIPELINES.items():
        streams[name] = count(make(source, loading), images)
    rates: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(ROUNDS):
        for name, stream in streams.items():
            rates[name].append(rate(stream, seconds))
    return {
        name: {"images_per_second": statistics.median(found), "rounds": found}
        for name, found in rates.items()
    }


def count(batches: Batches, images: int) -> Iterator[int]:
    """How many images each batch took."""
    return (images * len(next(iter(batch.values()))) for batch in batches)


def decode(files: list[bytes], threads: int) -> Iterator[int]:
    """Decodes files that are in memory, all of them a step."""
    with ThreadPoolExecutor(threads) as pool:
        while True:
            yield len(list(pool.map(decode_image, files)))


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--count", type=int, default=4, help="photographs, at least two")
    parser.add_argument("--size", default="512x384", help="width x height")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--output", type=Path, default=RESULTS / "pipelines.json")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    plan = Plan(crop=(height, width), parts=(1, 0, 0), shards=options.count)
    photographs = find_images(options.photographs)[: options.count]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        results["generator"] = measure_generator(photographs, Path(folder, "set"), plan)
        train = Prepared(Path(folder, "set"))
        results |= measure_reading(train, options.threads, options.seconds)
    decoding = results["decoding"]["images_per_second"]
    table = Table("", title=f"{options.size}, {options.threads} threads, {os.cpu_count()} cores")
    for title in ("images/s", "of decoding"):
        table.add_column(title, justify="right")
    for name, found in results.items():
        value = found["images_per_second"]
        table.add_row(name, f"{value:.1f}", f"{value / decoding:.2f}")
    console = Console(width=90)
    console.print(table)
    first = results["generator"]["first_photograph_seconds"]
    console.print(f"The first photograph, with compilation: {first:.1f} s.")
    write(
        options.output,
        {
            "size": options.size,
            "threads": options.threads,
            **machine(),
            "device": jax.devices()[0].device_kind,
            "metrics": list(plan.metrics),
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
