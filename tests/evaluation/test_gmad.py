"""The competition of two metrics: who attacks finds what is hidden from the defender."""

import numpy as np
import pytest

from jiqa.evaluation import gmad_contests


def test_a_planted_weakness_is_found(rng):
    """A defender that misses a distortion of one image is attacked with that image."""
    quality = rng.normal(size=200)
    defender = quality.copy()
    middle = int(np.argsort(quality)[100])
    quality[middle] = -10  # terrible, and the defender does not see it
    contests = gmad_contests(defender, quality, levels=5, share=0.05)
    attacked = [contest for contest in contests if contest.worse == middle]
    assert [contest.level for contest in attacked] == [2]
    assert attacked[0].attacker_gap > 0.4
    assert abs(attacked[0].defender_gap) <= 0.05


def test_levels_follow_the_defender(rng):
    defender, attacker = rng.normal(size=(2, 100))
    contests = gmad_contests(defender, attacker, levels=4, share=0.1)
    means = [defender[[contest.better, contest.worse]].mean() for contest in contests]
    assert means == sorted(means)
    assert [contest.level for contest in contests] == [0, 1, 2, 3]
    for contest in contests:
        assert attacker[contest.better] > attacker[contest.worse]


def test_only_ranks_count(rng):
    defender, attacker = rng.normal(size=(2, 60))
    assert gmad_contests(defender, attacker) == gmad_contests(np.exp(defender), attacker**3)
    infinite = np.where(defender > 1.5, np.inf, defender)
    assert len(gmad_contests(infinite, attacker)) == 5


def test_metrics_that_agree_leave_no_attack(rng):
    scores = rng.normal(size=100)
    for contest in gmad_contests(scores, scores, share=0.04):
        assert contest.attacker_gap == contest.defender_gap == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (([1, 2, 3], [1, 2]), {}, r"both must be \[N\]"),
        (([1, 2, np.nan, 4], [1, 2, 3, 4]), {"levels": 2}, "some scores are NaN"),
        (([1, 2, 3], [1, 2, 3]), {"levels": 2}, "3 images, 2 levels"),
        (([1, 2, 3], [1, 2, 3]), {"levels": 1, "share": 0}, "a share of 0"),
    ],
)
def test_wrong_use(scores, options, message):
    with pytest.raises(ValueError, match=message):
        gmad_contests(*scores, **options)
