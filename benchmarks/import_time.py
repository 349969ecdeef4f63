"""How long `import jiqa` takes beside `import jax`.

    python benchmarks/import_time.py --repeat 11

starts a fresh interpreter for each import, in turns, prints a table of medians and writes
`benchmarks/results/import_time.json`. jiqa loads its parts on first use, so the cost of the first
metric is shown too.
"""

import argparse
import statistics
import subprocess
import sys
import time

from records import RESULTS, write

STATEMENTS = {
    "nothing": "pass",
    "import jax": "import jax",
    "import jiqa": "import jiqa",
    "import jax, jiqa; jiqa.ssim": "import jax, jiqa; jiqa.ssim",
}


def seconds(statement: str) -> float:
    """Wall-clock seconds of a fresh interpreter that runs a statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=11)
    repeat = parser.parse_args().repeat
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(repeat):
        for name, statement in STATEMENTS.items():
            times[name].append(seconds(statement))
    medians = {name: statistics.median(some) for name, some in times.items()}
    idle, jax = medians["nothing"], medians["import jax"]
    print(f"{'':28} seconds   less start-up, over import jax   ({repeat} runs)")
    for name, median in medians.items():
        print(f"{name:28} {median:7.3f}   {(median - idle) / (jax - idle):5.2f}")
    write(RESULTS / "import_time.json", {"repeat": repeat, "median_seconds": medians})


if __name__ == "__main__":
    main()
