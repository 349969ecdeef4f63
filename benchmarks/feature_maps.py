"""Whether traditional metrics gain by being applied to feature maps, as the literature claims.

    JIQA_TEST_DATA=FOLDER python benchmarks/feature_maps.py

FOLDER holds `data/live_subset`, images of LIVE release 2 with their realigned DMOS. Amirshahi,
Pedersen and Beghdadi ("Reviving traditional image quality metrics using CNNs", Color and Imaging
Conference 2018) report gains of up to 23 % for eight metrics on the maps of AlexNet. Prints
Spearman's rank correlation with DMOS of each on pixels and on maps after and before rectification,
the gain with a bootstrap interval over images, and below them metrics made for feature maps; writes
`benchmarks/results/feature_maps.json`. Few images of few scenes: intervals are wide.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from live_subset import correlate, read_rows
from records import RESULTS, write
from rich.console import Console
from rich.progress import track
from rich.table import Table

import jiqa
from jiqa.deep.feature_maps import SURVEYED
from jiqa.images import read_image

RESAMPLES = 2000
BEFORE = {"taps": ("conv1", "conv2", "conv3", "conv4", "conv5")}
OTHERS = ("feature_pyramid", "deepsim_alexnet", "lpips_alex")


def score_images(folder: Path, rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """The scores of all images, by metric and what it was applied to."""
    metrics = {name: jiqa.load(name) for name in (*SURVEYED.values(), *SURVEYED, *OTHERS)}
    metrics |= {f"{name} before": jiqa.load(name, **BEFORE) for name in SURVEYED}
    scores: dict[str, list[float]] = {name: [] for name in metrics}
    for row in track(rows, "scoring"):
        x, y = (read_image(folder / row[key]) for key in ("ref", "dist"))
        for name, metric in metrics.items():
            scores[name].append(float(metric(x, y)))
    return scores


def agreement(name: str, scores: list[float], dmos: np.ndarray, chosen: Any = ...) -> float:
    """Rank correlation of a metric with opinion, positive where it agrees."""
    return correlate(name.split()[0], np.array(scores)[chosen], dmos[chosen])


def summarize(scores: dict[str, list[float]], dmos: np.ndarray) -> dict[str, dict[str, Any]]:
    """Correlations and gains, by metric."""
    rng = np.random.default_rng(0)
    samples = rng.integers(0, len(dmos), (RESAMPLES, len(dmos)))
    table = {}
    for deep, pixel in SURVEYED.items():
        on_pixels, on_maps, before = (
            agreement(name, scores[name], dmos) for name in (pixel, deep, f"{deep} before")
        )
        gains = [
            agreement(deep, scores[deep], dmos, sample)
            - agreement(pixel, scores[pixel], dmos, sample)
            for sample in samples
        ]
        table[pixel] = {
            "pixels": on_pixels,
            "maps": on_maps,
            "maps before rectification": before,
            "gain": on_maps - on_pixels,
            "interval": [float(end) for end in np.percentile(gains, [2.5, 97.5])],
        }
    return table | {name: {"maps": agreement(name, scores[name], dmos)} for name in OTHERS}


def print_table(table: dict[str, dict[str, Any]], count: int) -> None:
    """One line a metric."""
    columns = ("pixels", "maps", "maps before rectification", "gain")
    shown = Table("metric", title=f"SROCC with DMOS, {count} images of LIVE, AlexNet")
    for title in (*columns, "95 % of gain"):
        shown.add_column(title, justify="right")
    for name, row in table.items():
        figures = [f"{row[key]:.3f}" if key in row else "" for key in columns]
        low, high = row.get("interval", ("", ""))
        shown.add_row(name, *figures, f"{low:+.3f} to {high:+.3f}" if "gain" in row else "")
    Console(width=120).print(shown)


def main() -> None:
    """Scores all images, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("JIQA_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=data / "data" / "live_subset")
    parser.add_argument("--output", type=Path, default=RESULTS / "feature_maps.json")
    options = parser.parse_args()
    rows = read_rows(options.data)
    scores = score_images(options.data, rows)
    dmos = np.array([float(row["dmos_realigned"]) for row in rows])
    table = summarize(scores, dmos)
    write(options.output, {"srocc": table, "scores": scores})
    print_table(table, len(rows))


if __name__ == "__main__":
    main()
