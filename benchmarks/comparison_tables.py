"""The tables of the comparisons with peers."""

import statistics
from typing import Any

from rich.console import Console
from rich.table import Table


def show(value: float | None, form: str = ".2f") -> str:
    """A cell of a table."""
    return "" if value is None else format(value, form)


def print_case(console: Console, case: dict[str, Any]) -> None:
    """The table of one case, the fastest first, and why others are not in it."""
    table = Table(title=f"{case['metric']} {case['mode']}, {case['size']}", min_width=100)
    table.add_column("")
    for head in ("ms", "least", "most", "n", "over jiqa", "over floor", "MB", "% of input"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("difference", justify="right")
    timed = {name: row for name, row in case["rows"].items() if "median" in row}
    for name, row in sorted(timed.items(), key=lambda item: item[1]["median"]):
        memory = row.get("temporary_bytes")
        table.add_row(
            name,
            *(show(1000 * f(row["times"])) for f in (statistics.median, min, max)),
            str(len(row["times"])),
            show(row.get("over_jiqa")),
            show(row.get("over_floor"), ".1f"),
            show(memory and memory / 1e6, ".1f"),
            show(memory and 100 * memory / case["input_bytes"], ".1f"),
            show(row["value"], ".6f"),
            show(row.get("value_difference"), ".0e"),
        )
    if timed:
        console.print(table)
    for name, row in case["rows"].items():
        if "absent" in row or "error" in row:
            reason = row.get("error") or row["absent"]
            console.print(f"{case['metric']} {case['mode']}, {name}: {reason}", markup=False)


def print_summary(console: Console, cases: list[dict[str, Any]]) -> None:
    """One line a case: jiqa, the fastest peer, the floor and memory."""
    table = Table(title="jiqa beside the fastest peer and the machine's floor")
    heads = ("jiqa ms", "peer ms", "peer / jiqa", "of least", "floor ms", "jiqa / floor")
    for head in ("case", "fastest peer", *heads, "% of input"):
        justify = "left" if head in ("case", "fastest peer") else "right"
        table.add_column(head, justify=justify, no_wrap=True)
    for case in cases:
        own, fastest = case["rows"]["jiqa"], case["fastest_peer"]
        peer = case["rows"].get(fastest, {})
        both = "median" in own and "median" in peer
        floor = statistics.median(case["floor"]) if case["floor"] else None
        memory = own.get("temporary_bytes")
        table.add_row(
            f"{case['metric']} {case['mode']} {case['size']}",
            fastest or "",
            *(show(row.get("median") and 1000 * row["median"]) for row in (own, peer)),
            show(peer.get("over_jiqa")),
            show(min(peer["times"]) / min(own["times"]) if both else None),
            show(floor and 1000 * floor, ".3f"),
            show(own.get("over_floor"), ".1f"),
            show(memory and 100 * memory / case["input_bytes"], ".1f"),
        )
    console.print(table)
    rates = [rate for case in cases for rate in case["rates"]]
    for name, unit, values in zip(
        ("reads", "computes"), ("GB/s", "GFLOP/s"), zip(*rates, strict=True), strict=False
    ):
        middle, best = statistics.median(values) / 1e9, max(values) / 1e9
        console.print(f"The machine {name} {middle:.0f} {unit}, at best {best:.0f}.")


def print_agreement(
    console: Console, cases: list[dict[str, Any]], notes: dict[tuple[str, str], str]
) -> None:
    """The largest difference of every package from jiqa, and what it computes otherwise."""
    table = Table(title="largest difference from jiqa: value, and gradient over its largest entry")
    for head in ("metric", "", "value", "gradient", "within 1e-4", "convention"):
        table.add_column(head)
    for metric, name in sorted({(case["metric"], name) for case in cases for name in case["rows"]}):
        rows = [case["rows"][name] for case in cases if case["metric"] == metric]
        values = [abs(row["value_difference"]) for row in rows if "value_difference" in row]
        gradients = [row["gradient_difference"] for row in rows if "gradient_difference" in row]
        if name != "jiqa" and values:
            table.add_row(
                metric,
                name,
                f"{max(values):.0e}",
                f"{max(gradients):.0e}" if gradients else "",
                "yes" if max(values) <= 1e-4 else "no",
                notes.get((name, metric), ""),
            )
    console.print(table)
