"""Compiles every Pallas kernel for TPUs and NVIDIA GPUs that are not here.

    python benchmarks/compile_accelerators.py [--quick] [--platform tpu] [--output FILE.json]

Makes a virtual environment for each platform (`.venv-tpu`, `.venv-gpu`: 1.3 GB each), compiles the
kernels and the metrics that use them, forward and gradient, and prints for each target what became
of it. It exits with 1 if anything did not compile. Nothing is run on the targets.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import PROJECT, prepare
from records import RESULTS, write
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
# What jiqa needs to be imported, besides what the platform's requirements bring.
LIGHT = ("numpy", "scipy", "ml_dtypes", "opt_einsum", "absl-py")
SHOWN = {
    "temporary_bytes": ("temporary MB", 1e-6, ".1f"),
    "registers": ("registers", 1, ".0f"),
    "spill_bytes": ("spilled bytes", 1, ".0f"),
    "bundles": ("bundles", 1, ".0f"),
    "estimate_us": ("estimate us", 1, ".0f"),
    "floor_us": ("floor us", 1, ".0f"),
    "compile_seconds": ("compiled in s", 1, ".1f"),
}


def compile_for(platform: str, quick: bool) -> list[dict[str, Any]]:
    """The rows of a platform's script."""
    requirements = HERE / "accelerators" / f"requirements-{platform}.txt"
    # Without dependencies: jax would bring those of a GPU, gigabytes that no compiler needs.
    python = prepare(platform, requirements, "--no-deps", also=LIGHT)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "rows.json"
        command = [python, HERE / "accelerators" / f"{platform}.py", "--output", output]
        command += ["--quick"] if quick else []
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(PROJECT)})
        return json.loads(output.read_text())


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Prints a line for each program and target."""
    table = Table("target", "program", "shape", "compiled")
    for title, _, _ in SHOWN.values():
        table.add_column(title, justify="right")
    for row in rows:
        figures = [
            "-" if row[key] is None else format(row[key] * scale, style)
            for key, (_, scale, style) in SHOWN.items()
        ]
        shape = "x".join(map(str, row["shape"]))
        outcome = "yes" if row["compiled"] else f"no: {row['error']}"
        table.add_row(row["target"], row["program"], shape, outcome, *figures)
    Console(width=None if sys.stdout.isatty() else 170).print(table)


def main() -> int:
    """Compiles, prints and writes; 1 if anything did not compile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--platform", choices=("tpu", "gpu"), action="append")
    parser.add_argument("--quick", action="store_true", help="one shape")
    results = RESULTS / "accelerators.json"
    parser.add_argument("--output", type=Path, default=results)
    arguments = parser.parse_args()
    rows = []
    for platform in arguments.platform or ("tpu", "gpu"):
        rows += compile_for(platform, arguments.quick)
    print_rows(rows)
    write(arguments.output, rows)
    return int(not all(row["compiled"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
