"""Which pairs tell most."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from jiqa.subjective.adaptive import expected_information, next_pairs
from jiqa.subjective.pairwise import NORMAL_UNIT, preference, scale_pairs


def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def test_information_is_that_of_its_definition():
    covariance = np.array([[0.5, 0.2], [0.2, 0.8]])
    found = expected_information([0.3, -0.4], covariance)
    mean, deviation = 0.7, np.sqrt(0.5 + 0.8 - 0.4)
    chance = norm.cdf(mean / np.hypot(NORMAL_UNIT, deviation))

    def known(d):
        return entropy(norm.cdf(d / NORMAL_UNIT)) * norm.pdf(d, mean, deviation)

    left = integrate.quad(known, mean - 8 * deviation, mean + 8 * deviation)[0]
    assert found[0, 1] == pytest.approx(entropy(chance) - left, abs=1e-6)
    assert found[1, 0] == pytest.approx(found[0, 1])
    assert np.diag(found).tolist() == [0, 0]


def test_what_is_known_tells_nothing_and_what_is_near_tells_more():
    assert expected_information([0, 1], np.zeros((2, 2))).max() < 1e-12
    found = expected_information([0.0, 0.1, 5.0], np.eye(3))
    assert found[0, 1] > 5 * found[0, 2]
    with pytest.raises(ValueError, match=r"give \[stimuli\] and \[stimuli, stimuli\]"):
        expected_information([0.0, 1.0], np.eye(3))


def test_a_tree_links_all_stimuli():
    pairs = next_pairs(np.zeros((6, 6)))
    assert len(pairs) == 5
    assert {stimulus for pair in pairs for stimulus in pair} == set(range(6))
    assert all(first < second for first, second in pairs)
    assert next_pairs(np.zeros((6, 6)), seed=1) != pairs
    assert len(next_pairs(np.zeros((6, 6)), count=15)) == 15
    with pytest.raises(ValueError, match="count=16 is not from 1 to all 15 pairs"):
        next_pairs(np.zeros((6, 6)), count=16)


def test_fewer_votes_reach_the_same_accuracy_than_random_pairs(rng):
    score = np.linspace(-5, 5, 12)
    first, second = np.triu_indices(12, 1)

    def error(adaptive):
        wins = np.zeros((12, 12))
        for round_ in range(8):
            if adaptive:
                pairs = next_pairs(wins, seed=round_)
            else:
                chosen = rng.choice(66, 11, replace=False)
                pairs = list(zip(first[chosen], second[chosen], strict=True))
            for one, two in pairs:
                won = rng.random() < preference(score[one] - score[two])
                wins[one, two] += won
                wins[two, one] += 1 - won
        found = scale_pairs(wins, prior_deviation=3).score
        return np.sqrt(np.mean((found - score + score.mean()) ** 2))

    adaptive, random = (np.mean([error(kind) for _ in range(6)]) for kind in (True, False))
    assert adaptive < 0.8 * random
