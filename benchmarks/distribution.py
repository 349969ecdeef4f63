"""How long distances between sets take from features on, beside public packages, on a CPU.

    python benchmarks/distribution.py --peers

makes two sets of random features (5,000 x 2048; like those of Inception correlated, none negative),
measures each case in a process of its own, a call that is not timed and then one that is, and does
so for all packages in turn, several rounds. It prints a table and writes
`benchmarks/results/distribution.json`. Without `--peers` only jiqa is measured; `--python` names an
interpreter that has them already. The cases:

- moments: mean and covariance of one set; jiqa's in float32 on the device, in batches of 500, to
  float64's precision; NumPy's in float64.
- fid: from both sets' features.
- kid: unbiased, over random subsets of 1000 images.
- prdc: precision, recall, density, coverage with 5 neighbours (torch-fidelity: the first two).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from distribution_contenders import CONTENDERS
from environments import prepare
from records import RESULTS, write
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


def make_features(images: int, dimensions: int, path: Path) -> None:
    """Two sets that differ a little."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(dimensions, dimensions)) / dimensions**0.5
    for name, gain in (("x", 1.0), ("y", 1.05)):
        hidden = rng.normal(size=(images, dimensions)).astype(np.float32)
        features = np.maximum(0, 0.4 + 0.4 * gain * hidden @ mix.astype(np.float32))
        np.save(path / f"{name}.npy", features)


def measure(python: Path, name: str, case: str, options: list[str]) -> dict[str, Any]:
    """Seconds and values of one contender's case, or why there are none."""
    command = [str(python), str(HERE / "distribution_contenders.py"), name, case, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def summarize(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over rounds."""
    if errors := [found for found in rounds if "error" in found]:
        return errors[0]
    medians = {
        key: statistics.median(found[key] for found in rounds)
        for key in ("seconds", "cpu_seconds", "megabytes")
    }
    return {**medians, "values": rounds[0]["values"]}


def show(cases: dict[str, dict[str, Any]]) -> None:
    """The table, and what failed."""
    table = Table("case", "package", "seconds", "CPU s", "x jiqa", "memory MB", "values")
    console = Console(width=None if sys.stdout.isatty() else 150)
    for case, rows in cases.items():
        own = rows["jiqa"].get("seconds")
        for name, row in rows.items():
            if "error" in row:
                console.print(f"{case}, {name}: {row['error']}", markup=False)
                continue
            ratio = f"{row['seconds'] / own:.2f}" if own else ""
            values = "  ".join(f"{key} {value:.6g}" for key, value in row["values"].items())
            numbers = f"{row['seconds']:.2f}", f"{row['cpu_seconds']:.2f}", ratio
            table.add_row(case, name, *numbers, f"{row['megabytes']:.0f}", values)
    console.print(table)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="store_true", help="also measure public packages")
    parser.add_argument("--python", type=Path, help="an interpreter that has the packages")
    parser.add_argument("--images", type=int, default=5000, help="of each set")
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--subsets", type=int, default=20, help="of kid, each of 1000 images")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--cases", default=",".join(CONTENDERS), help="of moments,fid,kid,prdc")
    parser.add_argument("--output", type=Path, default=RESULTS / "distribution.json")
    options = parser.parse_args()
    python = options.python
    if options.peers and python is None:
        python = prepare("peers", HERE / "requirements.txt")
    cases: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_features(options.images, options.dimensions, Path(folder))
        size = min(1000, options.images)
        settings = [folder, str(options.subsets), str(size)]
        for case in options.cases.split(","):
            names = [name for name in CONTENDERS[case] if python or name == "jiqa"]
            rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
            for _ in range(options.repeat):
                for name in names:
                    interpreter = Path(sys.executable) if name == "jiqa" else python
                    rounds[name].append(measure(interpreter, name, case, settings))
            cases[case] = {name: summarize(found) for name, found in rounds.items()}
    show(cases)
    arguments = {"images": options.images, "dimensions": options.dimensions}
    arguments |= {"subsets": options.subsets, "repeat": options.repeat}
    write(options.output, {"arguments": arguments, "cases": cases})


if __name__ == "__main__":
    main()
