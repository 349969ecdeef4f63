"""The command `jiqa`. Each subcommand is a function; what is slow to import is imported inside.

Exit status: 0 all is well, 1 some pairs could not be scored, 2 wrong use, 130 interrupted.
"""

import sys
from collections.abc import Callable, Sequence

import tyro

import jiqa
from jiqa.cli.benchmark import bench
from jiqa.cli.data import datasets
from jiqa.cli.demonstration import demo
from jiqa.cli.fitting import fit_brisque, fit_niqe
from jiqa.cli.metrics import describe, list_metrics
from jiqa.cli.opinions import mos
from jiqa.cli.parameters import weights
from jiqa.cli.scoring import score
from jiqa.cli.sets import compare_sets, set_statistics
from jiqa.cli.training import import_network, train

COMMANDS: dict[str, Callable[..., int]] = {
    "score": score,
    "bench": bench,
    "datasets": datasets,
    "compare-sets": compare_sets,
    "set-statistics": set_statistics,
    "list": list_metrics,
    "describe": describe,
    "demo": demo,
    "fit-niqe": fit_niqe,
    "fit-brisque": fit_brisque,
    "weights": weights,
    "mos": mos,
    "train": train,
    "import-network": import_network,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: What follows `jiqa`; None means those of the process.

    Returns:
        The exit status.

    >>> main(["--version"])
    jiqa ...
    0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"jiqa {jiqa.__version__}")
        return 0
    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="jiqa", description="Image quality assessment.", args=arguments
        )
    except (ValueError, OSError, ImportError) as error:
        print(f"jiqa: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
