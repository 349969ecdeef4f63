"""What is known of one observer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.subjective.observers import (
    fit_observers,
    learning_curve,
    measure,
    meet,
    predict,
    prior_from,
)
from jiqa.subjective.personal import PersonalModel
from jiqa.subjective.rating_files import read_sureal


def simulate(rng, stimuli=400, observers=200, noise=0.5):
    """Basis, votes and weights of observers who have bias, gain and two tastes."""
    basis = np.column_stack(
        [np.ones(stimuli), rng.uniform(1, 5, stimuli), rng.normal(size=(stimuli, 2))]
    )
    spread = np.diag([0.5, 0.15, 0.4, 0.3]) ** 2
    weights = rng.multivariate_normal([0, 1, 0, 0], spread, observers)
    votes = basis @ weights.T + noise * rng.normal(size=(stimuli, observers))
    return jnp.asarray(basis), jnp.asarray(votes), weights


def test_least_squares_leave_out_votes_that_were_not_given(rng):
    basis, votes, _ = simulate(rng, stimuli=30, observers=2)
    votes = votes.at[3:17, 0].set(jnp.nan)
    weights, noise = fit_observers(basis, votes)
    kept = np.r_[0:3, 17:30]
    expected, residual, *_ = np.linalg.lstsq(basis[kept], votes[kept, 0])
    np.testing.assert_allclose(weights[0], expected)
    np.testing.assert_allclose(noise[0], np.sqrt(residual[0] / (16 - 4)))


def test_meeting_in_parts_and_at_once_is_the_same(rng):
    basis, votes, weights = simulate(rng, stimuli=12, observers=50)
    prior = prior_from(jnp.asarray(weights), jnp.full(50, 0.5))
    once = meet(prior, basis, votes[:, 0].at[5].set(jnp.nan))
    twice = meet(meet(prior, basis[:5], votes[:5, 0]), basis[6:], votes[6:, 0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-9), once, twice)


def test_meets_as_the_model_of_given_features_does(rng):
    basis, votes, weights = simulate(rng, stimuli=12, observers=50)
    prior = prior_from(jnp.asarray(weights), jnp.full(50, 0.5))
    unscaled = np.zeros(3), np.ones(3)
    beliefs = (np.asarray(prior.mean), np.asarray(prior.covariance), 0.5)
    model = PersonalModel(*unscaled, *beliefs, np.empty((0, 4)), np.empty((0, 4, 4)))
    known = model.meet(basis[:7, 1:], votes[:7, 0]).predict(basis[7:, 1:], 0)
    score, deviation = predict(meet(prior, basis[:7], votes[:7, 0]), basis[7:])
    np.testing.assert_allclose(score, known.score)
    np.testing.assert_allclose(deviation, known.deviation)


def test_error_falls_to_the_inconsistency_of_the_observer(rng):
    basis, votes, _ = simulate(rng)
    weights, noise = fit_observers(basis, votes[:, :100])
    counts = (0, 3, 30, 300)
    error = jnp.sqrt(
        (learning_curve(prior_from(weights, noise), basis, votes[:, 100:], counts) ** 2).mean(1)
    )
    assert (jnp.diff(error) < 0).all()
    assert float(error[0]) > 0.9
    assert float(error[-1]) == pytest.approx(0.5, rel=0.02)


def test_deviations_say_how_far_off_votes_are(rng):
    basis, votes, weights = simulate(rng)
    prior = prior_from(jnp.asarray(weights), jnp.full(200, 0.5))
    known = jax.vmap(meet, (None, None, 1))(prior, basis[:3], votes[:3])
    score, deviation = jax.vmap(predict, (0, None), 1)(known, basis[3:])
    assert float(((score - votes[3:]) / deviation).std()) == pytest.approx(1, abs=0.05)


def test_measures_of_each_observer():
    votes = jnp.array([[1.0, 2.0], [3.0, jnp.nan], [5.0, 4.0], [3.0, 3.0]])
    scores = jnp.array([[1.5, 3.0], [3.0, 99.0], [4.5, 3.0], [3.0, 3.0]])
    found = measure(scores, jnp.array(0.5), votes)
    np.testing.assert_allclose(found.rmse, [np.sqrt(0.125), np.sqrt(2 / 3)])
    np.testing.assert_allclose(found.plcc, [1, 0], atol=1e-9)
    # Votes 0, 1 and 2 deviations off, each with half a step to either side.
    half, right, wrong = 0.4772498681, 0.6826894921, 0.1573053559
    np.testing.assert_allclose(
        found.log_likelihood,
        [(np.log(half) + np.log(right)) / 2, (np.log(right) + 2 * np.log(wrong)) / 3],
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("name", "gains"),
    [
        ("NFLX_dataset_public_raw", (0.05, 0.085)),
        ("VQEGHD3_dataset_raw", (0.13, 0.17)),
        ("vqeg_frtv_p1_625_line_high_dataset", (0.06, 0.10)),
    ],
)
def test_gain_over_the_mean_opinion_on_public_ratings(shared_data, name, gains):
    """Observers met by 5 and by 20 votes; the mean opinion is that of the others."""
    path = shared_data / f"data/raw_ratings/sureal/{name}.py"
    votes = jnp.asarray(read_sureal(path).scores[..., 0])
    by_mean, personal = [], []
    for seed in range(4):
        shuffled = jax.random.permutation(jax.random.key(seed), votes)
        baseline, curve = jax.jit(leave_each_out)(shuffled)
        by_mean.append(baseline)
        personal.append(curve)
    mean = np.sqrt(np.mean(np.square(by_mean)))
    error = np.sqrt(np.mean(np.square(personal), axis=(0, 1)))
    np.testing.assert_allclose(1 - error / mean, gains, atol=0.02)
    assert error[1] < 0.95 * mean


def leave_each_out(votes):
    """Errors of the mean opinion, and after 5 and 20 votes, of observers unknown to the others."""

    def one(new):
        rest = jnp.arange(votes.shape[1] - 1)
        others = votes[:, rest + (rest >= new)]
        opinion = jnp.nanmean(others, 1)
        basis = jnp.stack([jnp.ones_like(opinion), opinion], 1)
        own = votes[:, new, None]
        curve = learning_curve(prior_from(*fit_observers(basis, others)), basis, own, (5, 20))
        return measure(opinion[20:, None], jnp.ones(()), own[20:]).rmse[0], curve[:, 0]

    return jax.lax.map(one, jnp.arange(votes.shape[1]))
