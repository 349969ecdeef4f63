"""Rankings of several distortions learned together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize
from scipy.stats import spearmanr

from jiqa.core.models import load_model, save_model
from jiqa.networks.rank_learning import (
    RankModel,
    find_pairs,
    fit_rank_model,
    minimize,
    monotone_map,
    pair_loss,
)


@pytest.fixture
def images(rng):
    """Features, opinions, types and contents of images whose distortions are ranked differently."""
    types = np.repeat(np.arange(3), 60)
    features = rng.standard_normal((180, 8))
    features[:, 5:] += 2 * np.eye(3)[types]  # which tell the type
    weights = np.array([2.0, 1, 0, 0, 0, 0, 0, 0]) + np.eye(8)[types + 2]
    opinions = 50 + 10 * np.tanh((features * weights).sum(1) / 3)
    return features, opinions, types, np.arange(180) % 12


def test_it_ranks_images_that_it_has_not_seen(images):
    train, test = (slice(start, None, 2) for start in (0, 1))
    features, opinions, types, _ = images
    model = fit_rank_model(features[train], opinions[train], types[train])
    result = model.predict(jnp.asarray(features[test]))
    assert spearmanr(result["score"], opinions[test]).statistic > 0.95
    assert (jnp.argmax(result["distortion"], -1) == types[test]).mean() > 0.8
    assert np.abs(result["score"] - opinions[test]).mean() < 3


def test_rankings_of_their_own_are_better_than_a_shared_one(images):
    features, opinions, types, contents = images
    own, shared = (
        fit_rank_model(features, opinions, types, contents, own_penalty=penalty)
        for penalty in (1e-2, 1e6)
    )
    assert np.abs(shared.own).max() < 1e-4
    scores = [spearmanr(m.predict(features)["score"], opinions).statistic for m in (own, shared)]
    assert scores[0] > scores[1] + 0.02


def test_another_solver_agrees(images):
    features, opinions, types, contents = images
    inputs = jnp.asarray(np.c_[features, np.ones(len(features))])
    pairs = find_pairs(opinions, contents, margin=1.0)
    penalties = {"shared": 1e-3, "own": 1e-2}
    start = {"shared": jnp.zeros(9), "own": jnp.zeros((3, 9))}
    found = minimize(pair_loss, start, inputs, types, pairs, penalties)

    def loss(flat):
        weights = {"shared": flat[:9], "own": flat[9:].reshape(3, 9)}
        return pair_loss(weights, inputs, types, pairs, penalties)

    options = {"gtol": 1e-8}
    other = scipy_minimize(
        jax.jit(jax.value_and_grad(loss)), np.ones(36), jac=True, method="BFGS", options=options
    )
    np.testing.assert_allclose(found["shared"], other.x[:9], atol=2e-3)
    np.testing.assert_allclose(found["own"].ravel(), other.x[9:], atol=2e-3)
    assert abs(float(pair_loss(found, inputs, types, pairs, penalties)) - other.fun) < 1e-7


def test_loss_is_the_mean_over_pairs(rng):
    inputs, types = rng.standard_normal((6, 4)), np.array([0, 1, 0, 1, 1, 0])
    weights = {"shared": rng.standard_normal(4), "own": rng.standard_normal((2, 4))}
    pairs = find_pairs(rng.permutation(6.0 + np.arange(6)))
    ranks = [inputs[i] @ (weights["shared"] + weights["own"][types[i]]) for i in range(6)]
    expected = np.mean([np.log1p(np.exp(ranks[low] - ranks[high])) for high, low in pairs])
    expected += 0.5 * 3 * (weights["shared"] ** 2).sum() + 0.5 * 7 * (weights["own"] ** 2).sum()
    arrays = jax.tree.map(jnp.asarray, weights)
    found = pair_loss(arrays, jnp.asarray(inputs), types, pairs, {"shared": 3, "own": 7})
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_polarity_does_not_matter(images):
    features, opinions, types, contents = images
    up, down = (
        fit_rank_model(features, sign * opinions, types, contents).predict(features)["score"]
        for sign in (1, -1)
    )
    np.testing.assert_allclose(up, -down, atol=1e-2)


def test_pairs_have_one_content_and_a_margin():
    opinions, contents = np.array([1.0, 2.0, 4.0, 9.0]), np.array([0, 0, 0, 1])
    assert find_pairs(opinions, contents, margin=1.0).tolist() == [[2, 0], [2, 1]]
    with pytest.raises(ValueError, match="more than margin=5"):
        find_pairs(opinions, contents, margin=5.0)


def test_ranks_that_say_nothing_give_the_mean():
    ranks, ratings = monotone_map(np.arange(4.0), np.arange(4.0)[::-1])
    assert ranks.tolist() == [0.5, 2.5]
    assert ratings.tolist() == [1.5, 1.5]


def test_it_is_saved_and_compiled(images, tmp_path):
    features, opinions, types, contents = images
    model = fit_rank_model(features, opinions, types, contents)
    save_model(tmp_path / "m.safetensors", model)
    again = load_model(tmp_path / "m.safetensors", RankModel)
    expected = model.predict(features)["score"]
    found = jax.jit(lambda x: again.predict(x)["score"])(features[:1])
    np.testing.assert_allclose(found, expected[:1], rtol=1e-9)
    single = model.predict(features.astype(np.float32))["score"]
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, expected, rtol=1e-3)


def test_wrong_input_is_an_error(images):
    features, opinions, types, _ = images
    with pytest.raises(ValueError, match="must be"):
        fit_rank_model(features, opinions[1:], types)
    with pytest.raises(ValueError, match="finite"):
        fit_rank_model(features, np.nan * opinions, types)
    with pytest.raises(ValueError, match="types are 1, 2, 3"):
        fit_rank_model(features, opinions, types + 1)
