"""How well a model's scores agree with those of images that it did not learn from."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jiqa.datasets.pipelines import decoding
from jiqa.evaluation.correlation import krocc, plcc, srocc
from jiqa.networks import Model

if TYPE_CHECKING:
    import pandas as pd

Item = dict[str, Any]
AT_ONCE = 8  # images of one size
LABELS = ("name", "content", "distortion", "level", "score", "higher_is_better")


def predict(
    model: Model, items: Sequence[Item], *, types: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Scores of whole images.

    Args:
        model: The model.
        items: As `jiqa.datasets.builders.Prepared` has them.
        types: The distortions in the order of their numbers, for a model that names them.

    Returns:
        A row an item: its `LABELS`, and the model's "prediction" and, with `types`, "named", the
        distortion it takes it for.
    """
    import pandas as pd

    columns: dict[str, dict[int, Any]] = defaultdict(dict)
    names = ("reference", "distorted") if model.kind == "full_reference" else ("distorted",)
    for places, group in _same_size(decoding(items, names)):
        images = [_stack(group, name) for name in names]
        result = _apply(model, *images)
        scores = np.asarray(result["score"], np.float64)
        for place, item, score in zip(places, group, scores, strict=False):
            for key in LABELS:
                columns[key][place] = item.get(key)
            columns["prediction"][place] = score
        if types is not None:
            for place, kind in zip(places, np.argmax(result["distortion"], -1), strict=False):
                columns["named"][place] = types[kind]
    return pd.DataFrame(columns).sort_index()


def agreement(predictions: "pd.DataFrame", *, higher_is_better: bool = True) -> dict[str, float]:
    """Correlation of predictions with scores, signed so that 1 is perfect.

    Args:
        predictions: What `predict` gives.
        higher_is_better: Polarity of the model; that of the scores is known.

    Returns:
        "srocc", "krocc" and "plcc" (without a fitted curve), which are 0 where all predictions are
        the same; "accuracy" where distortions are named.
    """
    finite = predictions[np.isfinite(predictions["score"])]
    sign = np.where(finite["higher_is_better"] == higher_is_better, 1.0, -1.0)
    scores, found = sign * finite["score"], finite["prediction"]
    constant = found.nunique() < 2
    measures = {"srocc": srocc, "krocc": krocc, "plcc": plcc}
    result = {
        name: 0.0 if constant else measure(found, scores) for name, measure in measures.items()
    }
    if "named" in predictions:
        result["accuracy"] = float((predictions["named"] == predictions["distortion"]).mean())
    return result


@jax.jit
def _apply(model: Model, *images: np.ndarray) -> dict[str, jax.Array]:
    return model(*images)  # type: ignore[arg-type]


def _stack(group: Sequence[Item], name: str) -> np.ndarray:
    """Images of one size in [0, 1], the last one repeated so that there are always as many."""
    images = [np.asarray(item[name]) for item in group]
    images += [images[-1]] * (AT_ONCE - len(images))
    stacked = np.stack(images)
    return stacked.astype(np.float32) / np.float32(np.iinfo(stacked.dtype).max)


def _same_size(items: Sequence[Item]) -> Iterator[tuple[list[int], list[Item]]]:
    """Groups of items whose images have one size, with their places."""
    waiting: dict[Any, list[tuple[int, Item]]] = defaultdict(list)
    for place in range(len(items)):
        item = items[place]
        group = waiting[item["distorted"].shape]
        group.append((place, item))
        if len(group) == AT_ONCE:
            yield [p for p, _ in group], [i for _, i in group]
            group.clear()
    for group in waiting.values():
        if group:
            yield [p for p, _ in group], [i for _, i in group]
