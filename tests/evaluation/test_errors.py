"""RMSE, MAE and the two outlier ratios, by hand."""

import numpy as np
import pytest

from jiqa.evaluation import UndefinedStatisticError, mae, outlier_ratio, rmse

PREDICTIONS, OPINIONS = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.5, 3.0, 2.0, 5.0]


def test_errors_by_hand():
    assert rmse(PREDICTIONS, OPINIONS) == pytest.approx(np.sqrt(4.25 / 5))
    assert rmse(PREDICTIONS, OPINIONS, parameters=4) == pytest.approx(np.sqrt(4.25))
    assert mae(PREDICTIONS, OPINIONS) == 0.5
    with pytest.raises(UndefinedStatisticError):
        rmse(PREDICTIONS, OPINIONS, parameters=5)


def test_both_conventions_of_the_outlier_ratio():
    # The errors are 0, 0.5, 0, 2, 0: beyond twice 0.2 and twice 0.9.
    assert outlier_ratio(PREDICTIONS, OPINIONS, std=[0.2] * 5) == 0.4
    assert outlier_ratio(PREDICTIONS, OPINIONS, std=[0.9] * 5) == 0.2
    # A standard deviation of 0.9 over 16 ratings: beyond 1.96 * 0.225 = 0.441.
    assert outlier_ratio(PREDICTIONS, OPINIONS, standard_error=[0.9 / 4] * 5) == 0.4
    # 2 > 1.96: an error between the two is an outlier of one convention only.
    assert outlier_ratio([0.0], [1.98], std=[1.0]) == 0
    assert outlier_ratio([0.0], [1.98], standard_error=[1.0]) == 1


def test_one_spread_of_fitting_shape_is_needed():
    with pytest.raises(ValueError, match="either std or standard_error"):
        outlier_ratio(PREDICTIONS, OPINIONS)
    with pytest.raises(ValueError, match="either std or standard_error"):
        outlier_ratio(PREDICTIONS, OPINIONS, std=[1] * 5, standard_error=[1] * 5)
    with pytest.raises(ValueError, match=r"\[4\] and opinions \[5\]"):
        outlier_ratio(PREDICTIONS, OPINIONS, std=[1] * 4)
    with pytest.raises(ValueError, match="negative"):
        outlier_ratio(PREDICTIONS, OPINIONS, std=[-1] * 5)
