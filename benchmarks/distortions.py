"""How many images a second each synthetic distortion makes.

    python benchmarks/distortions.py [--family tid] [--size 512x384] [--seconds 1]

A random image of that size is distorted at level 3, one at a time, in float32, compiled beforehand
(compilation's seconds are in the second column). Types of TID2013 search for the strength that has
the level's PSNR, so that they are made several times over. Writes
`benchmarks/results/distortions.json`.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from records import RESULTS, machine, write
from rich.console import Console
from rich.progress import track
from rich.table import Table

from jiqa.core.filters import correlate_separable, gaussian_window
from jiqa.datasets.distortions import FAMILIES, distort, find_distortion, list_distortions

LEVEL = 3


def make_image(width: int, height: int) -> jax.Array:
    """A smooth random image with some texture, as photographs have both."""
    white = jax.random.normal(jax.random.key(0), (height, width, 3))
    smooth = correlate_separable(white, gaussian_window(61, 10.0), border="circular")
    return jnp.clip(0.5 + 4 * smooth + 0.03 * white, 0, 1)


def measure(name: str, image: jax.Array, seconds: float) -> dict[str, Any]:
    """Images a second by the median call, and seconds of the first call."""

    def call() -> float:
        start = time.perf_counter()
        distort(image, name, LEVEL, jax.random.key(1)).block_until_ready()
        return time.perf_counter() - start

    first, times = call(), []
    while sum(times) < seconds or len(times) < 3:
        times.append(call())
    return {"images_per_second": 1 / statistics.median(times), "first": first, "calls": len(times)}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=list(FAMILIES))
    parser.add_argument("--size", default="512x384", help="width x height")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--output", type=Path, default=RESULTS / "distortions.json")
    options = parser.parse_args()
    image = make_image(*(int(side) for side in options.size.split("x")))
    names = list_distortions(options.family)
    results = {name: measure(name, image, options.seconds) for name in track(names, "distorting")}
    table = Table("distortion", title=f"level {LEVEL}, {options.size}, {os.cpu_count()} cores")
    for title in ("images/s", "first call s", "marks"):
        table.add_column(title, justify="right")
    for name, found in results.items():
        facts = find_distortion(name)
        marks = "host" if facts.host_side else "searches" if facts.between else ""
        table.add_row(name, f"{found['images_per_second']:.1f}", f"{found['first']:.2f}", marks)
    Console(width=90).print(table)
    write(
        options.output,
        {
            "size": options.size,
            "level": LEVEL,
            **machine(),
            "device": jax.devices()[0].device_kind,
            "distortions": results,
        },
    )


if __name__ == "__main__":
    main()
