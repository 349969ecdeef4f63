"""How every metric ranks images of LIVE, beside its published rank correlation on all of LIVE.

    JIQA_TEST_DATA=FOLDER python benchmarks/live_subset.py [--metrics ssim,fsim]

FOLDER holds `data/live_subset`: 6 references and 55 distorted images (blur, JPEG, white noise) of
LIVE release 2 with their realigned DMOS (Sheikh, Sabir and Bovik, "A statistical evaluation of
recent full reference image quality assessment algorithms", IEEE TIP 15(11), 2006). Prints
Spearman's rank correlation of each metric with DMOS, by distortion and for all, with a bootstrap
interval over images, and writes `benchmarks/results/live_subset.json`. Few images of few scenes: an
interval is wide, and metrics that overlap are not ranked by this. What the JSON holds is not
computed again unless --anew is given, so that a stopped run goes on.
"""

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from records import RESULTS, write
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

import jiqa
from jiqa.pairs import Pair
from jiqa.scoring import score_files

RESAMPLES = 2000

# Rank correlation with DMOS on all 779 images, and where it stands.
CSV = "benchmark table of IQA-PyTorch"
PUBLISHED = {
    "psnr": (0.8730, CSV),
    "ssim_y": (0.9103, CSV),
    "ms_ssim_y": (0.9508, CSV),
    "cw_ssim_y": (0.7856, CSV),
    "vif_y": (0.9636, CSV),
    "fsim": (0.9634, "FSIM, IEEE TIP 20(8), 2011"),
    "fsimc": (0.9645, "FSIM, IEEE TIP 20(8), 2011"),
    "gmsd": (0.9603, "GMSD, IEEE TIP 23(2), 2014"),
}


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The images with their opinion scores."""
    with (folder / "dmos.csv").open() as file:
        return list(csv.DictReader(file))


def score(name: str, folder: Path, rows: list[dict[str, Any]]) -> list[float]:
    """The scores of all images, as the command line computes them."""
    alone = jiqa.find(name).kind == "no_reference"
    pairs = [Pair(None if alone else folder / row["ref"], folder / row["dist"]) for row in rows]
    frame = score_files(pairs, [name]).frame
    failed = frame[frame[name].isna()]
    if len(failed):
        raise SystemExit(f"{name}: {failed['error'].iloc[0]}")
    return [float(value) for value in frame[name]]


def correlate(name: str, scores: np.ndarray, dmos: np.ndarray) -> float:
    """Rank correlation, positive where the metric agrees with opinion (DMOS is high for bad)."""
    higher = jiqa.find(name).higher_is_better
    if higher is None:
        identical = jiqa.find(name).identical
        scores = np.abs(scores - (identical or 0.0))
    value = spearmanr(scores, dmos).statistic
    return float(-value if higher else value)


def summarize(name: str, scores: list[float], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Correlations of all images, of each distortion, and an interval."""
    values = np.array(scores)
    dmos = np.array([float(row["dmos_realigned"]) for row in rows])
    kinds = np.array([row["distortion"] for row in rows])
    rng = np.random.default_rng(0)
    samples = rng.integers(0, len(rows), (RESAMPLES, len(rows)))
    spread = [correlate(name, values[sample], dmos[sample]) for sample in samples]
    summary = {
        "all": correlate(name, values, dmos),
        "interval": [float(end) for end in np.nanpercentile(spread, [2.5, 97.5])],
        "published": PUBLISHED.get(name, [None])[0],
        "source": PUBLISHED.get(name, [None, None])[1],
    }
    for kind in sorted(set(kinds)):
        summary[kind] = correlate(name, values[kinds == kind], dmos[kinds == kind])
    return summary


def print_table(summaries: dict[str, dict[str, Any]], kinds: list[str]) -> None:
    """Best metrics first."""
    table = Table("metric", "kind", title="SROCC with DMOS, images of LIVE at hand")
    for title in ("all", "95 %", *kinds, "whole LIVE, published"):
        table.add_column(title, justify="right")
    for name, row in sorted(summaries.items(), key=lambda item: -item[1]["all"]):
        low, high = row["interval"]
        published = "" if row["published"] is None else f"{row['published']:.4f}  {row['source']}"
        figures = [f"{row['all']:.3f}", f"{low:.2f} to {high:.2f}"]
        figures += [f"{row[kind]:.3f}" for kind in kinds]
        table.add_row(name, jiqa.find(name).kind.replace("_", " "), *figures, published)
    Console(width=150).print(table)


def main() -> None:
    """Scores what is missing, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("JIQA_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=data / "data" / "live_subset")
    handcrafted = [name for name in jiqa.list_metrics() if not jiqa.find(name).learned]
    parser.add_argument("--metrics", type=lambda text: text.split(","), default=handcrafted)
    parser.add_argument("--anew", action="store_true", help="score everything again")
    parser.add_argument("--output", type=Path, default=RESULTS / "live_subset.json")
    options = parser.parse_args()
    rows = read_rows(options.data)
    known = {}
    if options.output.exists() and not options.anew:
        known = json.loads(options.output.read_text())["scores"]
    for name in track([name for name in options.metrics if name not in known], "scoring"):
        known[name] = score(name, options.data, rows)
        write(options.output, {"scores": known})
    summaries = {name: summarize(name, known[name], rows) for name in options.metrics}
    write(options.output, {"srocc": summaries, "scores": known})
    print_table(summaries, sorted({row["distortion"] for row in rows}))


if __name__ == "__main__":
    main()
