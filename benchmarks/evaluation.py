"""The bootstrap beside SciPy's, and how long `jiqa bench` takes with many metrics and images.

    python benchmarks/evaluation.py [--images 3000] [--metrics 10] [--resamples 10000]

Scores are simulated: 25 references, 24 distortions of 5 levels, metrics of growing noise. The first
table has, for one metric, seconds and the 95 % interval of SROCC and PLCC by jiqa and by
`scipy.stats.bootstrap` in one run: the same data, number of resamples and kind of interval, the
ends of which differ by chance alone. Seconds of jiqa are of a second call, compiled, and of the
first. The last line has the seconds of the whole of `jiqa bench` in a process of its own, from its
start to the page: all correlations with intervals, all tests between all metrics. Seconds of
processor time are given too: other work on the machine does not lengthen them as much. Writes
`benchmarks/results/evaluation.json`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from records import RESULTS, machine, write
from rich.console import Console
from rich.table import Table
from scipy import stats

from jiqa.evaluation import bootstrap

REFERENCES, DISTORTIONS, LEVELS = 25, 24, 5


def simulate(images: int, metrics: int) -> pd.DataFrame:
    """Opinions and scores as a data set like TID2013 has them."""
    rng = np.random.default_rng(0)
    place = np.arange(images)
    quality = rng.normal(size=images) - place % LEVELS / 2
    scene = rng.normal(size=REFERENCES)[place % REFERENCES]
    table = pd.DataFrame(
        {
            "mos": (4 + quality).round(5),
            "standard_error": 0.13,
            "content": place % REFERENCES,
            "distortion": place // LEVELS % DISTORTIONS,
            "level": place % LEVELS + 1,
        }
    )
    for metric in range(metrics):
        error = 0.2 + 0.1 * metric
        scores = quality + error * rng.normal(size=images) + 0.2 * scene
        table[f"metric {metric + 1}"] = 1 / (1 + np.exp(-scores))
    return table


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by the clock and of the processor, those of child processes too; and the result."""

    def now() -> tuple[float, float]:
        return time.perf_counter(), sum(os.times()[:4])

    start = now()
    found = work()
    wall, cpu = (after - before for after, before in zip(now(), start, strict=True))
    return {"wall": wall, "cpu": cpu}, found


def spearman(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """SROCC over an axis, the fastest way that SciPy has."""
    ranks = stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis)
    return stats.pearsonr(*ranks, axis=axis).statistic


def pearson(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """PLCC over an axis."""
    return stats.pearsonr(x, y, axis=axis).statistic


def compare_bootstrap(table: pd.DataFrame, resamples: int) -> list[dict[str, Any]]:
    """Intervals and seconds by jiqa and SciPy."""
    scores, opinions = table["metric 5"].to_numpy(), table["mos"].to_numpy()
    rows = []
    for name, statistic in (("srocc", spearman), ("plcc", pearson)):
        for method in ("percentile", "bca"):

            def ours(name: str = name, method: str = method, seed: int = 0) -> Any:
                return bootstrap(
                    scores, opinions, name, resamples=resamples, method=method, seed=seed
                )

            def theirs(statistic: Any = statistic, method: str = method) -> Any:
                return stats.bootstrap(
                    (scores, opinions),
                    statistic,
                    paired=True,
                    vectorized=True,
                    n_resamples=resamples,
                    batch=200,
                    method=method,
                    rng=np.random.default_rng(0),
                ).confidence_interval

            first, _ = timed(ours)
            again, found = timed(lambda ours=ours: ours(seed=1))
            scipy_seconds, interval = timed(theirs)
            rows.append(
                {
                    "statistic": name,
                    "method": method,
                    "jiqa": [float(found.low[0]), float(found.high[0])],
                    "scipy": [float(interval.low), float(interval.high)],
                    "jiqa_first_seconds": first,
                    "jiqa_seconds": again,
                    "scipy_seconds": scipy_seconds,
                }
            )
    return rows


def time_bench(table: pd.DataFrame, resamples: int) -> dict[str, Any]:
    """Seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "simulated.csv")
        table.to_csv(path, index=False)
        command = [sys.executable, "-m", "jiqa", "bench", "--scores", str(path)]
        command += ["--resamples", str(resamples), "--output", f"{folder}/out"]
        seconds = {}
        for run in ("first", "again"):  # the second finds its programs in the compilation cache
            environment = {**os.environ, "XDG_CACHE_HOME": folder}
            work = subprocess.run
            seconds[run], _ = timed(
                lambda work=work, environment=environment: work(
                    command, env=environment, check=True, stdout=subprocess.DEVNULL
                )
            )
        tests = len(pd.read_csv(f"{folder}/out/comparisons.csv"))
    return {"seconds": seconds["again"], "first_seconds": seconds["first"], "tests": tests}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--output", type=Path, default=RESULTS / "evaluation.json")
    options = parser.parse_args()
    table = simulate(options.images, max(options.metrics, 5))
    rows = compare_bootstrap(table, options.resamples)
    whole = time_bench(table, options.resamples)
    size = f"{options.images} images, {options.resamples} resamples"
    shown = Table("statistic", "interval", title=f"one metric, {size}")
    for title in ("jiqa", "scipy", "jiqa s (cpu)", "first s (cpu)", "scipy s (cpu)", "ratio"):
        shown.add_column(title, justify="right")
    for row in rows:
        ends = [f"{row[name][0]:.4f} to {row[name][1]:.4f}" for name in ("jiqa", "scipy")]
        seconds = [row["jiqa_seconds"], row["jiqa_first_seconds"], row["scipy_seconds"]]
        texts = [f"{found['wall']:.2f} ({found['cpu']:.2f})" for found in seconds]
        ratio = f"{row['scipy_seconds']['wall'] / row['jiqa_seconds']['wall']:.1f}"
        shown.add_row(row["statistic"], row["method"], *ends, *texts, ratio)
    Console(width=130).print(shown)
    count = len([name for name in table if name.startswith("metric")])
    print(
        f"jiqa bench, {count} metrics, {size}, {whole['tests']} tests: "
        f"{whole['seconds']['wall']:.1f} s ({whole['seconds']['cpu']:.1f} s of the processor), "
        f"{whole['first_seconds']['wall']:.1f} s the first time; {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}."
    )
    results = {
        "images": options.images,
        "metrics": count,
        "resamples": options.resamples,
        **machine(),
        "bootstrap": rows,
        "bench": whole,
    }
    write(options.output, results)


if __name__ == "__main__":
    main()
