"""What is checked before any statistic: shapes, finiteness, number and variety of items."""

import subprocess
import sys

import numpy as np
import pytest

from jiqa.evaluation import (
    UndefinedStatisticError,
    bootstrap,
    fit_curve,
    krocc,
    mae,
    outlier_ratio,
    plcc,
    rmse,
    srocc,
)
from jiqa.evaluation.samples import paired, several

CORRELATIONS = [plcc, srocc, krocc, fit_curve, bootstrap]
GOOD = [1.0, 2.0, 4.0, 3.0, 5.0, 6.0]


@pytest.mark.parametrize("statistic", CORRELATIONS)
@pytest.mark.parametrize(
    ("scores", "opinions", "error", "message"),
    [
        (GOOD, GOOD[:5], ValueError, r"scores are \[6\] and opinions \[5\]"),
        ([*GOOD[:5], np.nan], GOOD, ValueError, "scores are not finite at 1 of 6 items, first at "),
        (GOOD, [*GOOD[:5], np.inf], ValueError, "opinions are not finite at 1 of 6 items"),
        (GOOD[:4], GOOD[:4], UndefinedStatisticError, "4 items are too few"),
        ([2.0] * 6, GOOD, UndefinedStatisticError, "all 6 scores are 2: they order nothing"),
        (GOOD, [2.0] * 6, UndefinedStatisticError, "all 6 opinions are 2"),
    ],
)
def test_degenerate_input_is_a_clear_error(statistic, scores, opinions, error, message):
    with pytest.raises(error, match=message):
        statistic(scores, opinions)


@pytest.mark.parametrize("statistic", [plcc, fit_curve, rmse, mae])
def test_infinite_scores_are_only_for_ranks(statistic):
    with pytest.raises(ValueError, match="scores are not finite"):
        statistic([*GOOD[:5], np.inf], GOOD)


def test_infinite_scores_have_the_last_rank():
    infinite, large = [*GOOD[:5], np.inf], [*GOOD[:5], 99.0]
    assert srocc(infinite, GOOD) == srocc(large, GOOD)
    assert krocc(infinite, GOOD) == krocc(large, GOOD)


def test_errors_need_no_variety():
    assert rmse([2.0], [2.0]) == 0
    assert mae([2.0], [2.0]) == 0
    assert outlier_ratio([2.0], [2.0], std=[0.0]) == 0


def test_rows_are_checked_one_by_one():
    assert several([GOOD, GOOD], GOOD).shape == (2, 6)
    with pytest.raises(UndefinedStatisticError):
        several([GOOD, [1.0] * 6], GOOD)
    with pytest.raises(ValueError, match=r"both must be \[N\]"):
        paired([GOOD], [GOOD])


def test_importing_loads_nothing_heavy():
    code = "import sys, jiqa.evaluation; print(sorted({'scipy', 'pandas', 'PIL'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
