"""Every test of every two metrics on one data set, in one table."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jiqa.evaluation.decisions import Decisions
from jiqa.evaluation.dependent_correlations import meng_z_test
from jiqa.evaluation.multiple_comparisons import benjamini_hochberg, holm
from jiqa.evaluation.residual_tests import f_test, wilcoxon_test
from jiqa.evaluation.samples import UndefinedStatisticError

if TYPE_CHECKING:
    import pandas as pd

Correction = Literal["holm", "benjamini_hochberg", "none"]
TESTS = {
    "bootstrap": "SROCC, bootstrap",
    "meng": "SROCC, Meng's Z",
    "f_test": "variance of residuals, F",
    "wilcoxon": "size of residuals, Wilcoxon",
    "different_similar": "area different/similar",
    "better_worse": "area better/worse",
    "correct": "correct decisions C0",
}


def compare_all(
    metrics: Sequence[str],
    *,
    turned: np.ndarray,
    quality: np.ndarray,
    residuals: np.ndarray,
    bootstrap_p: np.ndarray,
    decisions: Decisions | None = None,
    clusters: np.ndarray | None = None,
    correction: Correction = "holm",
    significance: float = 0.05,
) -> "pd.DataFrame":
    """All tests between M metrics.

    Args:
        metrics: Their names.
        turned: Scores, more being better `[M, N]`.
        quality: Opinions, more being better `[N]`.
        residuals: Opinions less predictions `[M, n]`.
        bootstrap_p: P-values of differences in SROCC `[M, M]`.
        decisions: About pairs of images, where opinions' errors are known.
        clusters: Labels over which the errors of decisions are taken `[N]`.
        correction: Of the p-values of one test.
        significance: The level that a corrected p-value must be below.

    Returns:
        A row a pair and test: `first`, `second`, `test` (a key of `TESTS`), `difference` (positive
        if the first is better), `p_value`, `p_corrected`, `better` (the name of the significantly
        better metric, or "") and `assumptions_hold` (False where residuals of an F-test are not
        normal).
    """
    import pandas as pd
    from scipy import stats

    ranks = stats.rankdata(np.vstack([turned, quality]), axis=1)
    correlations = np.clip(np.corrcoef(ranks), -1, 1)
    rows: list[dict[str, Any]] = []
    for one, two in combinations(range(len(metrics)), 2):
        pair = {"first": metrics[one], "second": metrics[two]}
        difference = correlations[one, -1] - correlations[two, -1]
        found = {"bootstrap": (difference, bootstrap_p[one, two], True)}
        try:
            test = meng_z_test(
                correlations[one, -1], correlations[two, -1], correlations[one, two], len(quality)
            )
            found["meng"] = (difference, test.p_value, True)
        except UndefinedStatisticError:
            pass  # a perfect correlation has no error to test it against
        f = f_test(residuals[one], residuals[two])
        found["f_test"] = (1 - f.ratio, f.p_value, f.normal)
        wilcoxon = wilcoxon_test(residuals[one], residuals[two])
        found["wilcoxon"] = (-wilcoxon.difference, wilcoxon.p_value, True)
        if decisions is not None:
            names = ("different_similar", "better_worse", "correct")
            for name, test in zip(names, decisions.compare(one, two, clusters), strict=True):
                values = getattr(decisions, name)
                found[name] = (values[one] - values[two], test.p_value, True)
        for name, (size, p_value, holds) in found.items():
            values = {"difference": size, "p_value": p_value, "assumptions_hold": holds}
            rows.append({**pair, "test": name, **values})
    columns = ["first", "second", "test", "difference", "p_value", "assumptions_hold"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_corrected"] = table.groupby("test")["p_value"].transform(
        lambda p: _corrected(p.to_numpy(), correction)
    )
    winner = np.where(table["difference"] > 0, table["first"], table["second"])
    table["better"] = np.where(table["p_corrected"] < significance, winner, "")
    return table


def _corrected(p_values: np.ndarray, correction: Correction) -> np.ndarray:
    if correction == "none":
        return p_values
    return (holm if correction == "holm" else benjamini_hochberg)(p_values)
