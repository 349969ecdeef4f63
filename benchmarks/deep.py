"""How fast LPIPS and DISTS are beside public packages, on a CPU, with the same parameters.

    python benchmarks/deep.py --peers

compares as `rounds.py` describes and `deep_peers.py` has it, prints a table for each case and a
summary, and writes `benchmarks/results/deep.json`. VGG16 is fetched first. Forward is one value an
image of a new pair; gradient is the mean value with its gradient with respect to the distorted
image. `jiqa:prepared` has the features of the reference already.
"""

import os
import sys

from comparison_tables import print_agreement, print_case, print_summary
from deep_peers import NOTES
from records import RESULTS
from rich.console import Console
from rounds import compare, make_parser, parse_options

import jiqa

METRICS = ("lpips_alex", "lpips_vgg", "dists")


def main() -> None:
    """Measures, prints and writes."""
    parser = make_parser(
        __doc__,
        module="deep_peers",
        metrics=list(METRICS),
        sizes=["256", "16x256", "512", "16x512"],
        repeat=5,
        budget=30.0,
        memory=True,
        output=RESULTS / "deep.json",
    )
    options = parse_options(parser, METRICS)
    os.environ["JIQA_BENCHMARK_VGG16"] = str(jiqa.weights.fetch("vgg16"))
    console = Console(width=None if sys.stdout.isatty() else 150)
    results = []
    for case in compare(options, ["jiqa", "jiqa:prepared"], lambda *_: [], console):
        print_case(console, case)
        results.append(case)
    print_summary(console, results)
    print_agreement(console, results, NOTES)


if __name__ == "__main__":
    main()
