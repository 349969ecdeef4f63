"""Writes the table of all metrics into README.md, from the registry."""

import inspect
from pathlib import Path

import jiqa

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- metrics -->\n", "<!-- /metrics -->\n"
POLARITY = {True: "higher", False: "lower", None: "near identical"}


def metric_table() -> str:
    """One row a metric: name, what it measures, polarity, range, luma, paper."""
    rows = ["| metric | measures | better | range | paper |", "| --- | --- | --- | --- | --- |"]
    for name in jiqa.list_metrics():
        metric = jiqa.find(name)
        fixed = ", ".join(f"{key}={value!r}" for key, value in metric.options.items())
        summary = metric.summary.rstrip(".") + (f" (`{fixed}`)" if fixed else "")
        low, high = (format(bound, "g").replace("inf", "∞") for bound in metric.score_range)
        rows.append(
            f"| `{name}` | {summary} | {POLARITY[metric.higher_is_better]} | {low} to {high} "
            f"| {inspect.cleandoc(metric.paper)} |"
        )
    return "\n".join(rows) + "\n"


def updated(text: str) -> str:
    """The README with the table between its markers replaced."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return before + START + metric_table() + END + after


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
