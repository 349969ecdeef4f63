"""Losses: against plain formulas, and finite where nothing varies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jiqa.training import losses

SCORES = jnp.array([0.1, 0.9, 0.4, 0.7])
PREDICTIONS = jnp.array([0.2, 0.5, 0.5, 0.9])


def test_distances_equal_their_formulas():
    error = np.asarray(PREDICTIONS - SCORES)
    assert losses.mae(PREDICTIONS, SCORES) == pytest.approx(np.abs(error).mean())
    assert losses.mse(PREDICTIONS, SCORES) == pytest.approx((error**2).mean())
    quadratic = np.where(abs(error) <= 0.15, error**2 / 2, 0.15 * (abs(error) - 0.075))
    assert losses.huber(PREDICTIONS, SCORES, delta=0.15) == pytest.approx(quadratic.mean())
    repeated = jnp.stack([PREDICTIONS, SCORES], 1)
    assert losses.mse(repeated, SCORES) == pytest.approx((error**2).mean() / 2)


def test_normal_density_equals_scipy():
    deviations = jnp.array([0.5, 1.0, 2.0, 0.1])
    expected = -stats.norm.logpdf(SCORES, PREDICTIONS, deviations).mean()
    assert losses.gaussian_nll(PREDICTIONS, deviations, SCORES) == pytest.approx(expected)


def test_fidelity_is_least_at_the_preference_and_finite_at_the_ends():
    assert losses.pair_probability(1.0, 0.0) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)))
    for preference in (0.0, 0.3, 1.0):
        grid = jnp.linspace(0, 1, 101)
        values = jax.vmap(lambda p, q=preference: losses.fidelity(p, jnp.array(q)))(grid)
        assert grid[values.argmin()] == pytest.approx(preference)
        assert values.min() == pytest.approx(0, abs=1e-7)
    slopes = jax.vmap(jax.grad(losses.fidelity))(jnp.array([0.0, 1.0]), jnp.array([0.0, 0.0]))
    assert np.isfinite(slopes).all()


def test_earth_movers_distance_equals_scipy():
    rng = np.random.default_rng(0)
    logits, shares = rng.standard_normal((3, 5)), rng.dirichlet(np.ones(5), 3)
    predicted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    places = np.arange(5)
    expected = [
        stats.wasserstein_distance(places, places, p, q) / 5
        for p, q in zip(predicted, shares, strict=True)
    ]
    assert losses.earth_movers(logits, shares, power=1) == pytest.approx(np.mean(expected))
    flat = jax.grad(losses.earth_movers)(jnp.zeros((1, 4)), jnp.full((1, 4), 0.25))
    assert np.isfinite(flat).all()


def test_unknown_classes_do_not_count():
    logits = jnp.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    known = losses.cross_entropy(logits[:2], jnp.array([0, 0]))
    assert losses.cross_entropy(logits, jnp.array([0, 0, -1])) == pytest.approx(float(known))
    none = jax.value_and_grad(losses.cross_entropy)(logits, jnp.array([-1, -1, -1]))
    assert none[0] == 0
    assert (none[1] == 0).all()


def test_uncertainty_is_learned_from_the_size_of_a_loss():
    """The best variance is twice the loss."""
    grid = jnp.linspace(-3, 3, 601)
    values = jax.vmap(lambda s: losses.uncertainty_weighted({"a": jnp.array(0.4)}, {"a": s}))(grid)
    assert jnp.exp(grid[values.argmin()]) == pytest.approx(0.8, rel=0.01)


@pytest.mark.parametrize("kind", ["least_squares", "non_saturating"])
def test_adversaries_disagree(kind):
    logits = jnp.array([3.0])
    assert losses.adversarial(logits, real=False, kind=kind) > losses.adversarial(
        logits * 0 + 1, real=True, kind=kind
    )
    slope = jax.grad(lambda x: losses.adversarial(x, real=True, kind=kind))(jnp.array([0.0]))
    assert slope < 0


def test_an_unknown_adversary_is_refused():
    with pytest.raises(ValueError, match="kind='hinge'"):
        losses.adversarial(jnp.zeros(1), real=True, kind="hinge")


def test_hinge_vanishes_beyond_the_margin():
    assert losses.pairwise_hinge(jnp.array([2.0]), jnp.array([0.5])) == 0
    assert losses.pairwise_hinge(jnp.array([0.5]), jnp.array([2.0])) == pytest.approx(2.5)


def test_half_precision_is_computed_in_single():
    half = jnp.asarray(PREDICTIONS, jnp.bfloat16)
    for loss in (losses.mae, losses.mse, losses.huber):
        assert loss(half, SCORES.astype(jnp.bfloat16)).dtype == jnp.float32
