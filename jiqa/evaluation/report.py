"""The results of a benchmark as files: tables, JSON and a page."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jiqa.evaluation.benchmark import Evaluation
from jiqa.files import write_text, write_whole

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("correlations", "comparisons", "groups")


@dataclass(frozen=True)
class Report:
    """What metrics are worth on several data sets.

    Attributes:
        evaluations: One a data set.
        metadata: Versions, date and protocol.
    """

    evaluations: list[Evaluation]
    metadata: Mapping[str, Any]

    def table(self, name: str) -> "pd.DataFrame":
        """All data sets' "correlations", "comparisons" or "groups" in one table."""
        import pandas as pd

        parts = []
        for evaluation in self.evaluations:
            part = getattr(evaluation, "summary" if name == "correlations" else name)
            parts.append(part.assign(data_set=evaluation.rated.name))
        whole = pd.concat(parts, ignore_index=True)
        return whole[["data_set", *whole.columns.drop("data_set")]]

    def overview(self) -> "pd.DataFrame":
        """SROCC by metric and data set, with the mean, plain and weighted by numbers of images.

        Means are of metrics that all data sets have. Rows are sorted by the first mean.
        """
        srocc = self.table("correlations").pivot(index="metric", columns="data_set", values="srocc")
        names = [evaluation.rated.name for evaluation in self.evaluations]
        sizes = np.array([len(evaluation.rated.quality) for evaluation in self.evaluations])
        srocc = srocc[names]
        if len(names) > 1:
            srocc["mean"] = srocc[names].mean(axis=1, skipna=False)
            srocc["weighted mean"] = (srocc[names] * sizes).sum(axis=1, skipna=False) / sizes.sum()
        return srocc.sort_values("mean" if "mean" in srocc else names[0], ascending=False)

    def write(self, folder: Path | str) -> Path:
        """Writes `correlations.csv`, `comparisons.csv`, `groups.csv` and `bench.json`.

        Args:
            folder: Made if it is not there.

        Returns:
            The JSON.

        Raises:
            OSError: A file cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            with write_whole(folder / f"{name}.csv") as file:
                self.table(name).to_csv(file, index=False)
        path = folder / "bench.json"
        write_text(path, json.dumps(self.to_json(), indent=1, allow_nan=False))
        return path

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it; what is undefined or infinite is null."""
        return {
            "metadata": dict(self.metadata),
            "data_sets": [
                {
                    "name": found.rated.name,
                    "opinion": found.rated.opinion,
                    "images": len(found.rated.quality),
                    "intervals_over": found.drawn,
                    "notes": found.notes,
                    "curves": {
                        metric: dataclasses.asdict(curve) for metric, curve in found.curves.items()
                    },
                    "correlations": _records(found.summary),
                    "comparisons": _records(found.comparisons),
                    "groups": _records(found.groups),
                }
                for found in self.evaluations
            ],
        }


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    return list(json.loads(table.to_json(orient="records", double_precision=15)))
