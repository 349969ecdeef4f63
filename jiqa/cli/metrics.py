"""The commands `jiqa list` and `jiqa describe`."""

from typing import Annotated, Literal

import tyro

from jiqa.cli.terminal import direction, make_console, make_table


def list_metrics(
    *, kind: Literal["full_reference", "reduced_reference", "no_reference"] | None = None
) -> int:
    """List all metrics with what they measure.

    Args:
        kind: Only metrics of this kind.
    """
    from jiqa.core import registry

    table = make_table("metric", "kind", "best", "what it measures")
    for name in registry.list_metrics(kind):
        found = registry.find(name)
        best = direction(found.higher_is_better, found.identical)
        table.add_row(name, found.kind.replace("_", " "), best, found.summary)
    make_console().print(table)
    return 0


def describe(name: Annotated[str, tyro.conf.Positional]) -> int:
    """Describe a metric: polarity, range, paper and options.

    Args:
        name: A name from `jiqa list`.
    """
    from jiqa.core import registry

    print(registry.describe(name))
    return 0
