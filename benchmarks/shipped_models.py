"""How well the networks that come with jiqa rank distorted images of photographs they never saw.

    python benchmarks/shipped_models.py GENERATED [--metrics jiqa_nr,niqe]

GENERATED is a set made by `jiqa datasets generate` of photographs that are not among those of
docs/models.md. Prints Spearman's rank correlation with what the networks learned, the mean rank by
six full-reference metrics, with a bootstrap interval over photographs, beside that of other
metrics, and writes `benchmarks/results/shipped_models.json`. A metric that is one of the six is
marked: it is part of its own judge. For people's opinion see `benchmarks/live_subset.py`.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from records import RESULTS, write
from rich.console import Console
from rich.progress import track
from rich.table import Table

import jiqa
from jiqa.datasets.builders import Prepared, count_items
from jiqa.evaluation.bootstrap import bootstrap
from jiqa.training.pseudo_opinion import PseudoOpinion

JUDGES = ("mdsi", "vsi", "fsimc", "haarpsi", "lpips_alex", "psnr_hvs_m")
ALONE = ("jiqa_nr", "niqe", "il_niqe", "brisque", "piqe")
BESIDE = ("jiqa_fr", "psnr", "ssim_y", "ms_ssim_y", "gmsd", "dists", "fsimc", "mdsi")
AT_ONCE = 10
RESAMPLES = 2000


def score(name: str, items: list[dict]) -> np.ndarray:
    """Scores signed so that more is better."""
    metric = jiqa.load(name)
    images = ("reference", "distorted") if metric.needs_reference else ("distorted",)
    compiled = jax.jit(lambda metric, *images: metric(*images))
    scores = []
    for start in track(range(0, len(items), AT_ONCE), f"{name:12}"):
        group = items[start : start + AT_ONCE]
        scores.append(compiled(metric, *(np.stack([x[key] for x in group]) for key in images)))
    return np.concatenate(scores) * (1 if metric.higher_is_better else -1)


def main() -> None:
    """Scores, correlates, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generated", type=Path)
    parser.add_argument("--metrics", default=",".join(BESIDE + ALONE))
    arguments = parser.parse_args()
    items = [
        item
        for part in count_items(arguments.generated)
        for item in Prepared(arguments.generated, part)
    ]
    opinion = PseudoOpinion(items, JUDGES)
    opinions = np.array([opinion(item) for item in items])
    contents = [item["content"] for item in items]
    names = arguments.metrics.split(",")
    found = bootstrap(
        np.stack([score(name, items) for name in names]),
        opinions,
        clusters=contents,
        resamples=RESAMPLES,
    )
    title = f"{len(items)} images of {len(set(contents))} photographs: SROCC with six metrics"
    table = Table(title=title)
    for column in ("metric", "kind", "SROCC", "95 % interval"):
        table.add_column(column, justify="left" if column in ("metric", "kind") else "right")
    rows = []
    for name, value, low, high in zip(names, found.value, found.low, found.high, strict=True):
        kind = jiqa.find(name).kind.replace("_", " ")
        judge = " (a judge)" if name in JUDGES else ""
        table.add_row(name + judge, kind, f"{value:.3f}", f"{low:.3f} to {high:.3f}")
        rows.append({"metric": name, "srocc": float(value), "low": float(low), "high": float(high)})
    Console().print(table)
    write(RESULTS / "shipped_models.json", {"images": len(items), "rows": rows})


if __name__ == "__main__":
    main()
