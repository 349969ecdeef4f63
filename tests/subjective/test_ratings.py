"""Votes as an array: from tables, checked, and linked."""

import numpy as np
import pandas as pd
import pytest

from jiqa.subjective.ratings import (
    Ratings,
    as_votes,
    check_connected,
    list_votes,
    ratings_from_table,
)

TABLE = pd.DataFrame(
    {
        "observer": ["Ann", "Ben", "Ann", "Ann", "Ben"],
        "stimulus": ["x", "x", "y", "x", "y"],
        "score": [5, 4, 2, 3, np.nan],
        "content": ["sea", "sea", "sea", "sea", "sea"],
        "reference": ["x", "x", "x", "x", "x"],
        "expected": [5, 5, np.nan, 5, np.nan],
    }
)


def test_a_table_becomes_an_array_with_repetitions():
    ratings = ratings_from_table(TABLE)
    assert ratings.stimuli == ("x", "y")
    assert ratings.observers == ("Ann", "Ben")
    expected = [[[5, 3], [4, np.nan]], [[2, np.nan], [np.nan, np.nan]]]
    np.testing.assert_array_equal(ratings.scores, expected)
    assert ratings.contents == ("sea", "sea")
    assert ratings.references.tolist() == [0, 0]
    np.testing.assert_array_equal(ratings.expected, [5, np.nan])


def test_columns_that_are_not_there_are_not_known():
    ratings = ratings_from_table(TABLE[["observer", "stimulus", "score"]])
    assert ratings.contents is ratings.references is ratings.expected is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": ["good", 1, 2, 3, 4]}, "the score 'good' in row 1 is not a finite number"),
        ({"score": [1, np.inf, 2, 3, 4]}, "the score 'inf' in row 2"),
        ({"score": [np.nan] * 5}, "hold no vote"),
        ({"content": ["sea", "sky", "sea", "sea", "sea"]}, "stimulus x has more than one content"),
        ({"reference": ["z"] * 5}, "reference z is none of the stimuli"),
        ({"expected": ["high", "high", "", "high", ""]}, "the expected score 'high'"),
    ],
)
def test_wrong_tables_are_clear_errors(change, message):
    with pytest.raises(ValueError, match=message):
        ratings_from_table(TABLE.assign(**change))


def test_empty_tables_and_missing_columns_are_clear_errors():
    with pytest.raises(ValueError, match="no column score"):
        ratings_from_table(TABLE.drop(columns="score"))
    with pytest.raises(ValueError, match="is empty"):
        ratings_from_table(TABLE[:0])


def test_arrays_are_checked():
    with pytest.raises(ValueError, match=r"scores have shape \(3,\)"):
        as_votes([1, 2, 3])
    with pytest.raises(ValueError, match="infinite"):
        as_votes([[1, np.inf]])
    with pytest.raises(ValueError, match="hold no vote"):
        as_votes([[np.nan, np.nan]])
    with pytest.raises(ValueError, match="stimuli 1 have no vote"):
        list_votes([[1, 2], [np.nan, np.nan]])
    with pytest.raises(ValueError, match="observers 0 have no vote"):
        list_votes([[np.nan, 2], [np.nan, 2]])


def test_votes_are_listed_and_summed(rng):
    scores = rng.uniform(1, 5, (4, 3, 2))
    scores[rng.random(scores.shape) < 0.3] = np.nan
    scores[0], scores[:, 0] = 3, 3
    votes = list_votes(scores)
    assert len(votes.score) == (~np.isnan(scores)).sum()
    np.testing.assert_allclose(votes.sum_by_stimulus(votes.score), np.nansum(scores, (1, 2)))
    np.testing.assert_allclose(votes.sum_by_observer(votes.score), np.nansum(scores, (0, 2)))


def test_parts_without_a_common_observer_are_found():
    apart = [[1, 2, np.nan], [2, 3, np.nan], [np.nan, np.nan, 4], [np.nan, np.nan, 5]]
    with pytest.raises(ValueError, match=r"fall into 2 parts .* stimuli 0 and 2"):
        check_connected(list_votes(apart))
    apart[2][1] = 3
    check_connected(list_votes(apart))


def test_observers_are_left_out():
    ratings = Ratings(np.arange(6.0).reshape(2, 3, 1), ("x", "y"), ("A", "B", "C"))
    some = ratings.without(np.array([False, True, False]))
    assert some.observers == ("A", "C")
    assert some.scores[..., 0].tolist() == [[0, 2], [3, 5]]
    with pytest.raises(ValueError, match="nobody is left"):
        ratings.without([0, 1, 2])
