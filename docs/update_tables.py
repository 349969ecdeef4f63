"""Writes the tables of metrics and networks into README.md and networks.md, from the registries."""

import inspect
from pathlib import Path

import jiqa
from jiqa.networks import count_parameters, find_network, list_networks

README = Path(__file__).parent.parent / "README.md"
NETWORKS = Path(__file__).with_name("networks.md")
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


def network_table() -> str:
    """One row a network: name, what it takes, parameters, paper."""
    rows = ["| network | takes | parameters | paper |", "| --- | --- | --- | --- |"]
    takes = {"full_reference": "reference, distorted", "no_reference": "distorted"}
    for name in list_networks():
        network = find_network(name)
        count = f"{count_parameters(name):,}"
        rows.append(f"| `{name}` | {takes[network.kind]} | {count} | {network.paper} |")
    return "\n".join(rows) + "\n"


def texts() -> dict[Path, str]:
    """What each file should be."""
    return {
        README: _replaced(README, "metrics", metric_table()),
        NETWORKS: _replaced(NETWORKS, "networks", network_table()),
    }


def _replaced(path: Path, name: str, table: str) -> str:
    """A file's text with the table between its markers replaced."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, rest = path.read_text("utf-8").split(start)
    _, after = rest.split(end)
    return before + start + table + end + after


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, "utf-8")
