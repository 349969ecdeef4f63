"""Whether `jiqa bench` gives the correlations that were published of the same scores and opinions.

    JIQA_TEST_DATA=FOLDER python benchmarks/published_correlations.py

FOLDER holds `data/labels_and_scores` with scores of whole databases by others: FSIM and FSIMc of
their authors on six, GMSD of its authors on three, DSSIM, SSIMULACRA and Butteraugli of
VQMTCrossVal on five, five metrics of another comparison on four. They are written as tables,
compared by one run of `jiqa bench --scores`, and what it finds stands beside what was published, to
the digits given. A sixth metric of the last comparison, FFS, is left out: the table lacks scores
that the published figures had.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.io import loadmat

from jiqa import cli

RESULTS = Path(__file__).parent / "results" / "published_correlations"

# SROCC of the papers, as recorded with the data ("FSIM ... = TIP 2011 table", "GMSD ... = TIP 2014
# table"): L. Zhang et al., "FSIM", IEEE TIP 20(8), 2011; W. Xue et al., "GMSD", IEEE TIP 23(2),
# 2014.
FSIM = {"TID2008": 0.8805, "CSIQ": 0.9242, "LIVE": 0.9634, "IVC": 0.9262, "MICT": 0.9059}
FSIM |= {"A57": 0.9181}
FSIMC = {"TID2008": 0.8840, "CSIQ": 0.9310, "LIVE": 0.9645, "IVC": 0.9293, "MICT": 0.9067}
GMSD = {"CSIQ": 0.9570, "TID2008": 0.8907, "LIVE": 0.9603}
DIFFERENCES = {"CSIQ", "LIVE", "A57"}  # databases whose opinions are DMOS

VQMT = {
    "CSIQ": ("csiq", "dmos"),
    "IVC": ("IVC", "mos"),
    "JPEG XR": ("JPEGXR", "mos"),
    "LIVE2": ("LIVE2", "dmos_new"),
    "TID2013": ("TID2013", "mos"),
}
VQMT_METRICS = ["DSSIM", "SSIMULACRA", "Butteraugli"]
FURTHER = {"tid2013": "mos", "tid2008": "mos", "kadid10k": "dmos", "nits": "Score"}
FURTHER_METRICS = ["mse", "psnr", "ssim", "sg_essim", "lgv"]
LOWER = ["SSIMULACRA", "Butteraugli"]
HIGHER = ["sg_essim", "lgv"]

Published = dict[tuple[str, str, str], str]


def read_fsim(folder: Path) -> tuple[dict[str, pd.DataFrame], Published]:
    """Three columns a database: FSIM, FSIMc, opinion. A57 is grey, so FSIMc is FSIM."""
    tables, published = {}, {}
    for name, value in FSIM.items():
        values = loadmat(folder / f"FSIMOn{name}.mat")[f"FSIMOn{name}"]
        opinion = "dmos" if name in DIFFERENCES else "mos"
        data_set = f"FSIM on {name}"
        tables[data_set] = pd.DataFrame(values, columns=["FSIM", "FSIMc", opinion])
        published[data_set, "FSIM", "srocc"] = f"{value:.4f}"
        if name in FSIMC:
            published[data_set, "FSIMc", "srocc"] = f"{FSIMC[name]:.4f}"
    return tables, published


def read_gmsd(folder: Path) -> tuple[dict[str, pd.DataFrame], Published]:
    """Scores and opinions; of LIVE the copies of references are left out."""
    live = loadmat(folder / "GMSD_LIVE_release2.mat")
    distorted = live["live_dst"].ravel() == 1
    csiq, tid = loadmat(folder / "GMSD_CSIQ.mat"), loadmat(folder / "GMSD_TID2008.mat")
    columns = {
        "CSIQ": (csiq["GMSD_csiq"], csiq["dmos_csiq"]),
        "TID2008": (tid["GMSD_tid"], tid["mos_tid"]),
        "LIVE": (live["GMSD_live"][distorted], live["dmos_new_live"][distorted]),
    }
    tables, published = {}, {}
    for name, (scores, opinions) in columns.items():
        opinion = "dmos" if name in DIFFERENCES else "mos"
        frame = pd.DataFrame({"GMSD": scores.ravel(), opinion: opinions.ravel()})
        tables[f"GMSD on {name}"] = frame
        published[f"GMSD on {name}", "GMSD", "srocc"] = f"{GMSD[name]:.4f}"
    return tables, published


def read_vqmt(folder: Path) -> tuple[dict[str, pd.DataFrame], Published]:
    """Tables of scores, and what VQMTCrossVal's page says of them."""
    page = (folder / "README_upstream.md").read_text()
    tables, published = {}, {}
    for name, (file, opinion) in VQMT.items():
        frame = pd.read_csv(folder / f"{file}.VQMT.csv")
        kind = "dmos" if opinion.startswith("dmos") else "mos"
        columns = frame[[*VQMT_METRICS, opinion]].rename(columns={opinion: kind})
        tables[f"VQMT on {name}"] = columns
        _, _, section = page.partition(f"\n{name}:\n")
        for metric in VQMT_METRICS:
            row = re.search(rf"\| {metric} +\|(.*)\|", section)
            values = row[1].replace("*", "").replace("-", "").split("|")
            for statistic, value in zip(("plcc", "srocc", "krocc"), values, strict=True):
                published[f"VQMT on {name}", metric, statistic] = f"{float(value):.3f}"
    return tables, published


def read_further(folder: Path) -> tuple[dict[str, pd.DataFrame], Published]:
    """Tables of scores with files of their rank correlations; PLCC there is after some curve."""
    tables, published = {}, {}
    for name, opinion in FURTHER.items():
        frame = pd.read_csv(folder / f"result_{name}_iqa.tsv", sep="\t")
        columns = frame[[*FURTHER_METRICS, opinion]].rename(columns={opinion: "mos"})
        tables[f"five metrics on {name}"] = columns
        found = pd.read_csv(folder / f"cc_result_{name}_iqa.tsv", sep="\t", index_col=0)
        for metric in FURTHER_METRICS:
            for statistic in ("srocc", "krocc"):
                value = f"{found.loc[statistic, metric]:.3f}"
                published[f"five metrics on {name}", metric, statistic] = value
    return tables, published


def collect(folder: Path) -> tuple[dict[str, pd.DataFrame], Published]:
    """All tables, and what was published of them."""
    tables: dict[str, pd.DataFrame] = {}
    published: Published = {}
    for read, name in (
        (read_fsim, "fsim_official"),
        (read_gmsd, "gmsd_official"),
        (read_vqmt, "vqmtcrossval"),
        (read_further, "jakub1t"),
    ):
        found, values = read(folder / name)
        tables |= found
        published |= values
    return tables, published


def run_bench(tables: dict[str, pd.DataFrame], output: Path, resamples: int) -> pd.DataFrame:
    """The correlations that one run of the command writes."""
    folder = output / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["bench", "--output", str(output), "--resamples", str(resamples), "--scores"]
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        arguments.append(str(folder / f"{name}.csv"))
    arguments += ["--lower-is-better", ",".join(LOWER), "--higher-is-better", ",".join(HIGHER)]
    if cli.main(arguments):
        raise SystemExit("jiqa bench failed.")
    return pd.read_csv(output / "correlations.csv").set_index(["data_set", "metric"])


def main() -> None:
    """Compares, prints a table, and fails if a digit differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("JIQA_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=data / "data" / "labels_and_scores")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    tables, published = collect(options.data)
    found = run_bench(tables, options.output, options.resamples)
    table = Table("data set", "metric", title="published correlations, and ours of the same scores")
    for title in ("statistic", "published", "ours", "agree"):
        table.add_column(title, justify="right")
    rows = []
    for (data_set, metric, statistic), value in published.items():
        ours = float(found.loc[(data_set, metric), statistic])
        digits = len(value.partition(".")[2])
        agree = abs(ours - float(value)) <= 0.5000001 * 10**-digits
        rows.append((data_set, metric, statistic, value, f"{ours:.6f}", agree))
        table.add_row(*rows[-1][:4], f"{ours:.{digits}f}", "yes" if agree else "[bold]NO")
    Console(width=120).print(table)
    agreed = sum(row[-1] for row in rows)
    print(f"{agreed} of {len(rows)} published figures agree to their last digit.")
    columns = ["data_set", "metric", "statistic", "published", "ours", "agree"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.to_json(options.output / "published.json", orient="records", indent=1)
    sys.exit(agreed < len(rows))


if __name__ == "__main__":
    main()
