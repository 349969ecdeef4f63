"""Convolutions by Winograd's filtering in C++ beside XLA's, with both derivatives.

    python benchmarks/convolution.py [--repeat 9]

Shapes of VGG16 on two images of 256 x 256, of AlexNet on two of 512 x 512, and of patches. Each
round takes the two by turns, in float32, compiled beforehand; times are medians over rounds, ratios
medians of the ratios of each round. The error is that of results, the largest of any, over their
deviation. Writes `benchmarks/results/convolution.json`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from records import RESULTS, machine, write
from rich.console import Console
from rich.progress import track
from rich.table import Table

from jiqa.kernels import native
from jiqa.kernels.winograd import by_library, slopes_by_library, slopes_by_native, winograd

# Images, side, channels, outputs, side of the kernel.
SHAPES = [
    (2, 256, 64, 64, 3),
    (2, 128, 64, 128, 3),
    (2, 128, 128, 128, 3),
    (2, 64, 256, 256, 3),
    (2, 32, 512, 512, 3),
    (2, 16, 512, 512, 3),
    (2, 63, 64, 192, 5),
    (2, 31, 192, 384, 3),
    (64, 32, 32, 32, 3),
    (64, 8, 256, 256, 3),
]
MODES = ("forward", "by maps", "by kernel")


def make(shape: tuple[int, ...]) -> dict[str, tuple[Callable[..., jax.Array], ...]]:
    """For each mode, the computation by C++ and by XLA, ready to be called."""
    images, side, channels, outputs, taps = shape
    rng = np.random.default_rng(0)
    draw = partial(rng.standard_normal, dtype=np.float32)
    x = jnp.asarray(draw((images, side, side, channels)))
    slopes = jnp.asarray(draw((images, side, side, outputs)))
    kernel = jnp.asarray(draw((taps, taps, channels, outputs)) / np.sqrt(taps**2 * channels))
    padding = ((taps // 2, taps // 2),) * 2
    given = {"padding": padding}

    def by_maps(convolve: Callable[..., jax.Array], slopes: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda x: convolve(x, kernel, **given), x)(slopes)[0]

    pairs = {
        "forward": [(partial(f, **given), x, kernel) for f in (winograd, by_library)],
        "by maps": [(partial(by_maps, f), slopes) for f in (winograd, by_library)],
        "by kernel": [
            (partial(f, **given), x, slopes) for f in (slopes_by_native, slopes_by_library)
        ],
    }
    return {mode: tuple(partial(jax.jit(f), *a) for f, *a in pair) for mode, pair in pairs.items()}


def measure(ours: Callable[[], jax.Array], theirs: Callable[[], jax.Array], repeat: int) -> Any:
    """Medians of seconds, of their ratio, and the largest difference."""
    found, expected = ours(), theirs()
    error = float(jnp.abs(found - expected).max() / jnp.std(expected))
    rounds = [[_seconds(call) for call in (ours, theirs)] for _ in range(repeat)]
    mine, other = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(slow / fast for fast, slow in rounds)
    return {"jiqa": mine, "xla": other, "ratio": ratio, "error": error}


def _seconds(call: Callable[[], jax.Array]) -> float:
    start = time.perf_counter()
    call().block_until_ready()
    return time.perf_counter() - start


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9, help="rounds")
    parser.add_argument("--output", type=Path, default=RESULTS / "convolution.json")
    options = parser.parse_args()
    if not native.available():
        raise SystemExit("There are no kernels in C++ here: no compiler, or JIQA_NATIVE=0.")
    table = Table("maps, kernel")
    for mode in MODES:
        for head in (f"{mode} ms", "XLA ms", "ratio"):
            table.add_column(head, justify="right")
    table.add_column("error", justify="right")
    cases = []
    for shape in track(SHAPES, "convolving"):
        case = {mode: measure(*pair, options.repeat) for mode, pair in make(shape).items()}
        cases.append({"shape": shape, **case})
        cells = []
        for row in case.values():
            cells += [f"{1000 * row[name]:.1f}" for name in ("jiqa", "xla")]
            cells.append(f"{row['ratio']:.2f}")
        worst = max(row["error"] for row in case.values())
        images, side, channels, outputs, taps = shape
        label = f"{images}x{side}x{side}x{channels}, {taps}x{taps}x{outputs}"
        table.add_row(label, *cells, f"{worst:.0e}")
    Console(width=140).print(table)
    write(options.output, {**machine(), "cases": cases})


if __name__ == "__main__":
    main()
