"""Whether every metric worsens as an image is degraded more, on photographs.

    JIQA_TEST_DATA=FOLDER python benchmarks/monotonicity.py

FOLDER holds `data/pristine_kodak`. Twelve photographs are blurred, noised, compressed as JPEG and
robbed of contrast, each at five rising levels, and scored in float32. For each metric and
distortion, prints how many of the twelve ladders rise at every step, and how many end worse than
they began; writes `benchmarks/results/monotonicity.json`. What that file holds is not computed
again unless --anew is given, so that a stopped run goes on.
"""

import argparse
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image
from records import RESULTS, write
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.ndimage import gaussian_filter

import jiqa

PHOTOGRAPHS = 12


def blur(image: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian blur of a deviation in pixels."""
    return gaussian_filter(image, (deviation, deviation, 0), mode="nearest")


def noise(image: np.ndarray, deviation: float) -> np.ndarray:
    """White Gaussian noise, the same at every level but for its deviation."""
    return image + deviation * np.random.default_rng(0).standard_normal(image.shape)


def jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """JPEG of a libjpeg quality, colour at half the resolution."""
    file = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file)) / 255


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Contrast about the mean of the image, times a factor."""
    return image.mean() + factor * (image - image.mean())


LADDERS: dict[str, tuple[Callable[[np.ndarray, float], np.ndarray], tuple[float, ...]]] = {
    "blur": (blur, (0.7, 1.2, 2.0, 3.5, 6.0)),
    "noise": (noise, (0.02, 0.04, 0.08, 0.16, 0.32)),
    "jpeg": (jpeg, (80, 50, 25, 12, 5)),
    "contrast": (contrast, (0.85, 0.7, 0.55, 0.4, 0.25)),
}


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Levels from 0 to 255."""
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def make_ladder(image: np.ndarray, distortion: str) -> np.ndarray:
    """The image and its five degraded forms, as 8-bit images."""
    degrade, levels = LADDERS[distortion]
    return np.stack([to_bytes(step) for step in (image, *(degrade(image, x) for x in levels))])


def measure(name: str, ladders: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Badness of every rung of the ladders, the undistorted image first."""
    metric = jiqa.load(name)
    score = jax.jit(lambda x, y: metric(x, y) if metric.needs_reference else metric(y))
    badness = {}
    for distortion, photographs in ladders.items():
        scores = [[float(score(rungs[0], rung)) for rung in rungs] for rungs in photographs]
        badness[distortion] = [to_badness(metric, row) for row in scores]
    return badness


def to_badness(metric: jiqa.Metric, scores: list[float]) -> list[float]:
    """Scores turned so that more is worse."""
    if metric.higher_is_better is None:
        return [abs(score - (metric.identical or 0.0)) for score in scores]
    return [-score if metric.higher_is_better else score for score in scores]


def count(rows: list[list[float]]) -> tuple[int, int]:
    """How many ladders rise from the first level on, and how many end above their first level."""
    levels = np.array(rows)[:, 1:]
    return int((np.diff(levels) > 0).all(1).sum()), int((levels[:, -1] > levels[:, 0]).sum())


def print_table(results: dict[str, Any]) -> None:
    """Metrics that keep every ladder last."""
    table = Table(
        "metric", title="ladders of 12 that rise at every step / end worse than they began"
    )
    for distortion in LADDERS:
        table.add_column(distortion, justify="right")
    counts = {name: {d: count(rows) for d, rows in row.items()} for name, row in results.items()}
    for name, row in sorted(counts.items(), key=lambda item: sum(n for n, _ in item[1].values())):
        table.add_row(name, *(f"{rising} / {worse}" for rising, worse in row.values()))
    Console(width=110).print(table)


def main() -> None:
    """Scores what is missing, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("JIQA_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=data / "data" / "pristine_kodak")
    handcrafted = [name for name in jiqa.list_metrics() if not jiqa.find(name).learned]
    parser.add_argument("--metrics", type=lambda text: text.split(","), default=handcrafted)
    parser.add_argument("--anew", action="store_true", help="score everything again")
    parser.add_argument("--output", type=Path, default=RESULTS / "monotonicity.json")
    options = parser.parse_args()
    files = sorted(options.data.glob("*.png"))[:PHOTOGRAPHS]
    photographs = [np.asarray(Image.open(file)) / 255 for file in files]
    ladders = {d: [make_ladder(image, d) for image in photographs] for d in LADDERS}
    known = {}
    if options.output.exists() and not options.anew:
        known = json.loads(options.output.read_text())
    for name in track([name for name in options.metrics if name not in known], "scoring"):
        known[name] = measure(name, ladders)
        write(options.output, known)
    print_table({name: known[name] for name in options.metrics})


if __name__ == "__main__":
    main()
