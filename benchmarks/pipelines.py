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
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from records import RESULTS, write
from rich.console import Console
from rich.table import Table

from jiqa.datasets.builders import Prepared
from jiqa.datasets.generator import Plan, generate
from jiqa.datasets.pipelines import Batches, Loading, multi_task, pairs, patches, ranking
from jiqa.images import decode_image
from jiqa.pairs import find_images

CROP = 224
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
    """Images a second of steps that say how many they are; the first few start what reads ahead."""
    for _ in range(3):
        next(steps)
    start, images = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        images += next(steps)
    return images / passed


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
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--output", type=Path, default=RESULTS / "pipelines.json")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    plan = Plan(crop=(height, width), parts=(1, 0, 0), shards=options.count)
    photographs = find_images(options.photographs)[: options.count]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        results["generator"] = measure_generator(photographs, Path(folder, "set"), plan)
        train = Prepared(Path(folder, "set"))
        loading = Loading(batch_size=8, threads=options.threads)
        files = [item["distorted"] for item in Prepared(train.folder, "train[:32]", decode=False)]
        decoding = rate(decode(files, options.threads), options.seconds)
        results["decoding"] = {"images_per_second": decoding}
        for name, (images, make) in PIPELINES.items():
            steps = (images * len(next(iter(batch.values()))) for batch in make(train, loading))
            results[name] = {"images_per_second": rate(steps, options.seconds)}
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
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "device": jax.devices()[0].device_kind,
            "metrics": list(plan.metrics),
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
