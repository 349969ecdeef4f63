"""How fast SSIM, MS-SSIM and GMSD are beside public packages, on a CPU, with the memory they take.

    python benchmarks/ssim.py --peers --repeat 9

compares as `rounds.py` describes, after a measurement in each round of what the machine can do. The
peers of `requirements.txt` are installed into `.venv-peers` first. Prints a table for each case and
a summary, and writes `benchmarks/results/ssim.json`. Forward is one value an image; gradient is the
mean value with its gradient with respect to the distorted image.
"""

import importlib.util
import inspect
import math
import sys
from typing import Any

from comparison_tables import print_agreement, print_case, print_summary
from peers import NOTES
from records import RESULTS
from rich.console import Console
from rounds import FRAMES, MODES, compare, make_parser, parse_options, split

# Floating-point operations for each pixel and channel. Four moments by an 11-tap window along both
# axes are 176, comparing them 24; the gradient filters three maps back, 132, and weighs them, 48.
# MS-SSIM has five scales, each a quarter of the one before. GMSD hardly computes: its floor is that
# of reading.
OPERATIONS = {"ssim": (200, 380), "ms_ssim": (200 * 341 / 256, 380 * 341 / 256), "gmsd": (0, 0)}


def find_implementations() -> list[str]:
    """The kernels for CPUs that jiqa has and lets one choose."""
    import jiqa

    if "implementation" not in inspect.signature(jiqa.ssim).parameters:
        return []
    package = "jiqa.kernels.ssim_statistics"
    return [form for form in ("native", "xla") if importlib.util.find_spec(f"{package}.{form}")]


def find_floor(case: dict[str, Any], rates: list[list[float]]) -> list[float]:
    """Seconds below which the machine cannot do a case, in each round."""
    pixels, mode = math.prod(case["shape"]), MODES.index(case["mode"])
    traffic = 4 * pixels * (2 + mode)  # both images are read, and a gradient is written
    work = OPERATIONS[case["metric"]][mode] * pixels
    return [max(traffic / reading, work / computing) for reading, computing in rates]


def main() -> None:
    """Measures, prints and writes."""
    parser = make_parser(
        __doc__,
        metrics=list(OPERATIONS),
        sizes=["512", "8x512", *FRAMES],
        repeat=9,
        budget=20.0,
        memory=True,
        output=RESULTS / "ssim.json",
    )
    parser.add_argument("--implementations", type=split, help="kernels to force; those for CPUs")
    options = parse_options(parser, OPERATIONS)
    forms = find_implementations() if options.implementations is None else options.implementations
    console = Console(width=None if sys.stdout.isatty() else 150)
    results = []
    for case in compare(options, ["jiqa", *(f"jiqa:{f}" for f in forms)], find_floor, console):
        print_case(console, case)
        results.append(case)
    print_summary(console, results)
    print_agreement(console, results, NOTES)


if __name__ == "__main__":
    main()
