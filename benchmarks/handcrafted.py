"""How fast every metric is beside public packages, on a CPU: forward, and gradient where there is.

    python benchmarks/handcrafted.py --peers

compares as `rounds.py` describes, prints a line for each metric as it is measured, and writes
`benchmarks/results/handcrafted.json` with the values of all packages beside their times. Without
`--peers` only jiqa is measured; `--metrics`, `--modes` and `--sizes` select, and `--memory` also
measures what each call takes. A package that computes another number by default is still a line:
`peers.py` says what is known of its convention.
"""

import sys
from typing import Any

from comparison_tables import print_agreement, show
from peers import NOTES
from records import RESULTS
from rich.console import Console
from rounds import compare, make_parser, parse_options

import jiqa

# Names with fixed options that cost more than the plain one, or that a peer has and not the other.
PROTOCOLS = (
    "cw_ssim_y",
    "dss_y",
    "fsimc",
    "iw_ssim_y",
    "mdsi_product",
    "nlpd_y",
    "psnr_b_y",
    "sr_simc",
    "vif_p_y",
    "vif_y",
)
HEAD = f"{'metric':28}{'':10}{'size':>6}{'jiqa ms':>10}  peers, times as long"


def describe(case: dict[str, Any]) -> str:
    """A line: jiqa's milliseconds, its memory, and how many times as long each peer takes."""
    own = case["rows"]["jiqa"]
    start = f"{case['metric']:28}{case['mode']:10}{case['size']:>6}"
    if "median" not in own:
        return f"{start}{'':>10}  {own.get('error') or own['absent']}"
    peers = {name: row for name, row in case["rows"].items() if name != "jiqa" and "median" in row}
    ratios = sorted((row["over_jiqa"], name) for name, row in peers.items())
    memory = own.get("temporary_bytes")
    return "".join(
        [
            f"{start}{show(1000 * own['median']):>10}",
            "" if memory is None else f"{memory / 1e6:8.1f} MB",
            *(f"  {name} {show(ratio)}" for ratio, name in ratios),
        ]
    )


def print_slower(console: Console, cases: list[dict[str, Any]]) -> None:
    """Where a peer is faster, and who failed."""
    for case in cases:
        for name, row in case["rows"].items():
            label = f"{case['metric']} {case['mode']} {case['size']}"
            if row.get("over_jiqa", 1) < 1:
                console.print(f"{label}: {name} takes {row['over_jiqa']:.2f} times as long as jiqa")
            if "error" in row:
                console.print(f"{label}: {name}: {row['error']}", markup=False)


def main() -> None:
    """Measures, prints and writes."""
    names = [name for name in jiqa.list_metrics() if not jiqa.find(name).learned]
    parser = make_parser(
        __doc__,
        metrics=[name for name in names if not jiqa.find(name).options or name in PROTOCOLS],
        sizes=["512", "1080p"],
        repeat=5,
        budget=4.0,
        output=RESULTS / "handcrafted.json",
    )
    parser.add_argument("--memory", action="store_true", help="measure memory too")
    options = parse_options(parser, names)
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    cases = []
    for case in compare(options, ["jiqa"], lambda *_: [], console):
        if not cases:
            console.print(HEAD)
        console.print(describe(case), markup=False)
        cases.append(case)
    print_slower(console, cases)
    print_agreement(console, cases, NOTES)


if __name__ == "__main__":
    main()
