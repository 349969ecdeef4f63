"""From features to quality, and how sure it is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats

from jiqa.core.arrays import safe_sqrt
from jiqa.networks import Model
from jiqa.networks.heads import (
    HEADS,
    AttentionHead,
    ContentHead,
    DistributionHead,
    moments,
    predict_ensemble,
    predict_with_dropout,
    stack,
    to_shares,
    to_weights,
)
from jiqa.training.losses import earth_movers, gaussian_nll
from tests.networks.multi_task import photographs, train

SMALL = {"width": 2, "hidden": 8}
SHARED = {"dropout": 0.0, "rngs": nnx.Rngs(0)}


def minimize(loss, parameters):
    """Many steps of Adam."""
    optimizer = optax.adam(optax.cosine_decay_schedule(0.02, 1000))

    def step(state, _):
        parameters, memory = state
        updates, memory = optimizer.update(jax.grad(loss)(parameters), memory)
        return (optax.apply_updates(parameters, updates), memory), None

    start = parameters, optimizer.init(parameters)
    return jax.jit(lambda start: jax.lax.scan(step, start, length=1000)[0][0])(start)


def test_moments_are_those_of_the_bins(rng):
    logits = rng.normal(size=(5, 7))
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    centres = (np.arange(7) + 0.5) / 7
    mean = shares @ centres
    variance = shares @ centres**2 - mean**2
    found = moments(jnp.asarray(logits))
    np.testing.assert_allclose(found[0], mean)
    np.testing.assert_allclose(found[1], np.sqrt(variance))


def test_shares_are_those_of_a_normal_distribution_with_both_tails():
    scores, deviations = np.array([0.2, 0.9]), np.array([0.1, 0.3])
    found = to_shares(jnp.asarray(scores), jnp.asarray(deviations), 5)
    np.testing.assert_allclose(found.sum(-1), 1)
    edges = stats.norm.cdf(np.arange(1, 5)[:, None] / 5, scores, deviations).T
    np.testing.assert_allclose(found[:, 1:-1], np.diff(edges), atol=1e-12)
    np.testing.assert_allclose(found[:, -1], 1 - edges[:, -1], atol=1e-12)


def test_bins_are_fitted_to_votes():
    """Earth mover's distance brings mean and spread to those of the votes."""
    shares = to_shares(jnp.array([0.3, 0.7]), 0.15, 10)
    centres = (np.arange(10) + 0.5) / 10
    head = DistributionHead(2, 8, bins=10, **SHARED)
    known = {"features": jnp.eye(2)}
    graph, parameters = nnx.split(head)

    def loss(parameters):
        return earth_movers(nnx.merge(graph, parameters)(known)["distribution"], shares)

    found = nnx.merge(graph, minimize(loss, parameters))(known)
    mean = shares @ centres
    np.testing.assert_allclose(found["score"], mean, atol=0.01)
    deviation = np.sqrt(shares @ centres**2 - mean**2)
    np.testing.assert_allclose(found["deviation"], deviation, atol=0.02)


def test_uncertain_head_learns_how_far_off_votes_are():
    """Two groups of votes, of which one scatters four times as much."""
    scores = 0.5 + jnp.tile(jnp.array([0.05, 0.2, -0.05, -0.2]), 8)
    group = jnp.tile(jnp.eye(2), (16, 1))
    head = HEADS["uncertain"](2, 8, **SHARED)
    graph, parameters = nnx.split(head)

    def loss(parameters):
        found = nnx.merge(graph, parameters)({"features": group})
        return gaussian_nll(found["score"], found["deviation"], scores)

    found = nnx.merge(graph, minimize(loss, parameters))({"features": jnp.eye(2)})
    np.testing.assert_allclose(found["deviation"], [0.05, 0.2], rtol=0.1)


def test_deviations_stay_positive_and_finite():
    head = HEADS["uncertain"](1, 4, **SHARED)
    head.perceptron.second.bias[...] = jnp.array([0.0, 1e4], jnp.float32)
    assert jnp.isfinite(head({"features": jnp.zeros((1, 1))})["deviation"]).all()
    head.perceptron.second.bias[...] = jnp.array([0.0, -1e4], jnp.float32)
    assert head({"features": jnp.zeros((1, 1))})["deviation"] > 0


def test_content_scales_and_shifts_features(rng):
    head = ContentHead(3, 4, content=2, **SHARED)
    features, content = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    known = {"features": jnp.asarray(features), "content": jnp.asarray(content)}
    plain = head.perceptron(known["features"])[:, 0] + 0.5
    np.testing.assert_allclose(head(known)["score"], plain)
    kernel = rng.normal(size=(2, 6))
    head.film.kernel[...] = jnp.asarray(kernel, jnp.float32)
    gain, offset = np.split(content @ kernel, 2, -1)
    changed = head.perceptron(jnp.asarray(features * (1 + gain) + offset))[:, 0] + 0.5
    np.testing.assert_allclose(head(known)["score"], changed, rtol=1e-5)


def test_attention_averages_where_it_looks(rng):
    head = AttentionHead(3, 4, **SHARED)
    local = jnp.asarray(rng.normal(size=(2, 2, 3, 3)))
    saliency = jnp.zeros((2, 16, 24)).at[0, :8, 8:16].set(1.0)
    found = head({"local": local, "saliency": saliency})
    np.testing.assert_allclose(found["weights"].sum(1), 1)
    # Smoothing of the map when it is made smaller reaches the neighbours.
    assert found["weights"][0].argmax() == 1
    assert found["weights"][0, 1] > 0.6
    np.testing.assert_allclose(found["score"][1], found["map"][1].mean())
    np.testing.assert_array_equal(found["map"].reshape(2, -1), found["patches"])
    np.testing.assert_allclose(found["score"], (found["weights"] * found["patches"]).sum(1))


def test_weights_of_no_saliency_are_equal_with_finite_gradient():
    weights = to_weights(jnp.zeros((1, 8, 8)), (2, 4))
    np.testing.assert_allclose(weights, 1 / 8)
    gradient = jax.grad(lambda x: to_weights(x, (2, 2))[0, 0, 0])(jnp.zeros((1, 8, 8)))
    assert jnp.isfinite(gradient).all()


def test_ensemble_is_a_mixture(rng):
    images = photographs(rng, 3, 32, 40, 3)
    models = [Model.create("quality_cnn", seed=s, head="uncertain", **SMALL) for s in range(3)]
    each = [model(images) for model in models]
    scores = np.stack([one["score"] for one in each])
    variance = scores.var(0) + np.mean([one["deviation"] ** 2 for one in each], 0)
    found = jax.jit(predict_ensemble)(stack(models), images)
    np.testing.assert_allclose(found["score"], scores.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["deviation"], np.sqrt(variance), rtol=1e-4)


def test_ensemble_of_one_is_sure(rng):
    images = photographs(rng, 2, 32, 32, 3)
    alone = stack([Model.create("quality_siamese", **SMALL)])
    found = jax.jit(predict_ensemble)(alone, images, images**2)
    np.testing.assert_array_equal(found["deviation"], 0)


def test_ensembles_are_of_one_network():
    with pytest.raises(ValueError, match="one network, options and polarity; these are: none"):
        stack([])
    models = [Model.create("quality_cnn", **SMALL), Model.create("quality_siamese", **SMALL)]
    with pytest.raises(ValueError, match="these are: quality_cnn, quality_siamese"):
        stack(models)


def test_dropout_draws_around_what_the_model_says(rng):
    images = photographs(rng, 2, 32, 32, 3)
    model = Model.create("quality_cnn", dropout=0.2, width=4, hidden=64)
    key = jax.random.key(0)
    found = predict_with_dropout(model, images, key=key, samples=2000)
    assert (found["deviation"] > 0).all()
    error = found["deviation"] / np.sqrt(2000)
    assert (jnp.abs(found["score"] - model(images)["score"]) < 4 * error).all()
    again = predict_with_dropout(model, images, key=key, samples=2000)
    np.testing.assert_array_equal(found["score"], again["score"])
    sure = Model.create("quality_cnn", dropout=0.0, **SMALL)
    deviation = predict_with_dropout(sure, images, key=key)["deviation"]
    np.testing.assert_allclose(deviation, 0, atol=1e-6)


def test_dropout_leaves_normalization_as_it_is_in_inference(rng):
    """A normalisation by the few images that are judged would change what is said of them."""
    images = photographs(rng, 2, 32, 32, 3)
    model = Model.create("quality_siamese", dropout=1e-6, **SMALL)
    draw = jax.jit(lambda *images: predict_with_dropout(model, *images, key=jax.random.key(0)))
    score = model(images, images**2)["score"]
    np.testing.assert_allclose(draw(images, images**2)["score"], score, rtol=1e-5)


def test_dropout_needs_a_head_of_its_own():
    with pytest.raises(TypeError, match="no methods `encode` and `judge`"):
        predict_with_dropout(
            Model.create("cnniqa"), jnp.zeros((1, 32, 32, 3)), key=jax.random.key(0)
        )


def test_deep_ensemble_is_less_sure_of_what_it_has_not_seen(rng):
    """Trained on dim images, its models disagree most about bright ones."""
    dim = 0.3 * photographs(rng, 8, 32, 32, 3)
    batch = {"distorted": dim, "score": dim.mean((1, 2, 3))}

    def loss(network, batch, rngs):
        error = network(batch["distorted"], rngs=rngs)["score"] - batch["score"]
        return safe_sqrt((error**2).mean()), {}

    models = [Model.create("quality_cnn", seed=seed, dropout=0.0, **SMALL) for seed in range(3)]
    trained = [train(model, loss, batch, steps=40, learning_rate=3e-3)[0] for model in models]
    ensemble = stack(trained)
    seen = predict_ensemble(ensemble, dim)["deviation"].mean()
    unseen = predict_ensemble(ensemble, dim + 0.7)["deviation"].mean()
    assert unseen > 2 * seen
