"""The bootstrap: the same resamples by hand, SciPy's intervals, and coverage with clusters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jiqa.evaluation import UndefinedStatisticError, bootstrap, krocc, plcc, rmse, srocc
from jiqa.evaluation import bootstrap as function
from jiqa.evaluation.bootstrap import _items, _of_counts

EXACT = {"plcc": plcc, "srocc": srocc, "krocc": krocc, "rmse": rmse}


def data(rng, items=60, digits=1):
    opinions = rng.normal(size=items).round(digits)
    scores = (opinions + np.array([[0.5], [1.0]]) * rng.normal(size=(2, items))).round(digits)
    return scores, opinions


@pytest.mark.parametrize("statistic", EXACT)
def test_counts_give_what_repeated_items_give(rng, statistic):
    """Drawing an item twice is the same as having it twice, in both precisions."""
    for digits in (0, 8):  # with many equal values, and without
        scores, opinions = data(rng, digits=digits)
        counts = rng.multinomial(60, np.full(60, 1 / 60), size=6)
        expected = [
            [
                EXACT[statistic](np.repeat(row, count), np.repeat(opinions, count))
                for count in counts
            ]
            for row in scores
        ]
        for double, tolerance in ((True, 1e-12), (False, 1e-5)):
            with jax.enable_x64(double):
                items = _items(statistic, scores), _items(statistic, opinions)
                found = _of_counts(statistic, *items, jnp.asarray(counts.T, float))
            np.testing.assert_allclose(found, expected, atol=tolerance)


def test_values_and_single_precision(rng):
    scores, opinions = data(rng)
    found = bootstrap(scores, opinions, resamples=400)
    exact = [srocc(row, opinions) for row in scores]
    np.testing.assert_allclose(found.value, exact, atol=1e-12)
    with jax.enable_x64(False):
        single = bootstrap(scores, opinions, resamples=400)
    assert single.value.dtype == np.float32
    np.testing.assert_allclose(single.value, exact, atol=1e-5)
    np.testing.assert_allclose(single.low, found.low, atol=1e-4)  # the same resamples


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_as_scipy_has_it(rng, method):
    """Both intervals vary with the resamples drawn; with 4000 their ends by about 0.004."""
    scores, opinions = data(rng, digits=6)
    found = bootstrap(scores[1], opinions, "plcc", resamples=4000, method=method)
    expected = stats.bootstrap(
        (scores[1], opinions),
        lambda x, y, axis: stats.pearsonr(x, y, axis=axis).statistic,
        n_resamples=4000,
        paired=True,
        method=method,
        rng=np.random.default_rng(1),
    )
    interval = [found.low[0], found.high[0]]
    np.testing.assert_allclose(interval, expected.confidence_interval, atol=0.015)
    np.testing.assert_allclose(found.standard_error[0], expected.standard_error, rtol=0.06)


def test_methods_and_seeds(rng):
    scores, opinions = data(rng)
    one, two = (bootstrap(scores, opinions, resamples=400, seed=seed) for seed in (0, 0))
    np.testing.assert_array_equal(one.samples, two.samples)
    other = bootstrap(scores, opinions, resamples=400, seed=1)
    assert (one.samples != other.samples).any()
    fisher = bootstrap(scores, opinions, resamples=400, method="fisher")
    np.testing.assert_allclose(fisher.low, one.low, atol=0.07)
    np.testing.assert_allclose(fisher.high, one.high, atol=0.04)
    middle = np.tanh((np.arctanh(fisher.low) + np.arctanh(fisher.high)) / 2)
    np.testing.assert_allclose(middle, fisher.value, atol=1e-6)


def test_clusters_are_drawn_whole(rng):
    """With every item in its cluster twice, a statistic is that of the clusters alone."""
    scores, opinions = data(rng)
    labels = np.array([f"image {place}" for place in range(60)])
    once = bootstrap(scores, opinions, "srocc", resamples=400)
    twice = bootstrap(
        np.tile(scores, 2), np.tile(opinions, 2), clusters=np.tile(labels, 2), resamples=400
    )
    np.testing.assert_allclose(once.value, twice.value, atol=1e-12)
    np.testing.assert_allclose(once.standard_error, twice.standard_error, rtol=0.15)
    # Without clusters twice as many items look twice as good.
    naive = bootstrap(np.tile(scores, 2), np.tile(opinions, 2), resamples=400)
    assert (naive.standard_error < 0.85 * twice.standard_error).all()


@pytest.mark.slow
def test_coverage_needs_clusters(rng):
    """25 references of 8 images, whose scores share an error: the true PLCC is known."""
    repeats, references, images = 120, 25, 8
    clusters = np.repeat(np.arange(references), images)
    held = np.zeros(2)
    for _ in range(repeats):
        quality = rng.normal(size=references * images)
        scene = np.repeat(rng.normal(size=references), images)
        scores = quality + scene + 0.5 * rng.normal(size=references * images)
        truth = 1 / np.sqrt(1 + 1 + 0.25)
        for place, labels in enumerate((clusters, None)):
            found = bootstrap(scores, quality, "plcc", clusters=labels, resamples=300)
            held[place] += found.low[0] < truth < found.high[0]
    # 120 repeats: a standard error of 0.02.
    assert 0.88 < held[0] / repeats <= 0.99
    assert held[1] < held[0]


def test_p_values_of_differences(rng):
    opinions = rng.normal(size=150)
    scores = opinions + np.array([[0.3], [0.3], [1.0]]) * rng.normal(size=(3, 150))
    p = bootstrap(scores, opinions, resamples=400, method="percentile").p_values()
    np.testing.assert_array_equal(p, p.T)
    assert (np.diag(p) == 1).all()
    assert p[0, 1] > 0.05
    assert p[0, 2] < 1e-6
    same = bootstrap(scores[[0, 0, 1]], opinions, resamples=400, method="percentile")
    assert same.p_values()[0, 1] == 1


@pytest.mark.parametrize("statistic", ["plcc", "srocc", "krocc"])
def test_resamples_of_one_item_are_left_out(statistic):
    scores, opinions = [0.1, 0.2, 0.3, 0.4, 0.7], [1, 3, 2, 5, 4]
    found = bootstrap(scores, opinions, statistic, resamples=4000, method="percentile")
    assert 0 < np.isnan(found.samples).sum() < 50  # all five draws alike: 5 / 5^5 of 5000 is 8
    assert np.isfinite([found.low, found.high]).all()


def test_perfect_agreement_has_no_spread():
    for method in ("bca", "percentile", "fisher"):
        found = bootstrap(range(30), range(30), resamples=100, method=method)
        np.testing.assert_allclose([found.low, found.high], 1, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"statistic": "tau"}, ValueError, "statistic is 'tau'; give one of plcc, srocc"),
        ({"method": "basic"}, ValueError, "method is 'basic'; give one of bca"),
        ({"method": "fisher", "statistic": "rmse"}, ValueError, "is for correlations"),
        ({"resamples": 1}, ValueError, "at least 2 resamples"),
        ({"confidence": 1.0}, ValueError, "the confidence be in"),
        ({"clusters": [1, 2]}, ValueError, r"give one label an item, \[30\]"),
        ({"clusters": [1, 2] * 15}, UndefinedStatisticError, "2 clusters are too few"),
    ],
)
def test_wrong_use(options, error, message):
    with pytest.raises(error, match=message):
        function(np.arange(30), np.arange(30) % 7, **options)
