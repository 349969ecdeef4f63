"""Learning one set of ratings after another."""

import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from jiqa.networks import Model
from jiqa.networks.continual import (
    Record,
    add_path,
    all_pairs,
    drift_penalty,
    fisher,
    k_means,
    keep_examples,
    old_preferences,
    path_importance,
    preferences,
    remember,
    sensitivity,
)
from jiqa.training import Data
from tests.networks.multi_task import train
from tests.networks.recipes import CONFIGS
from tests.training.small_run import make_items


@pytest.fixture(scope="module")
def config():
    return runpy.run_path(str(CONFIGS / "continual.py"))


def make_stripes(count, side):
    """Images whose score is how flat they are, unlike `make_items`: high is good."""
    items = make_items(count, side)
    for item in items:
        stripes = 100 * item["score"] * np.sin(np.arange(side) / 2)[:, None, None]
        item["distorted"] = (128 + stripes + np.zeros((side, side, 3))).astype(np.uint8)
        item["score"], item["higher_is_better"] = 1 - item["score"], True
    return items


def test_preferences_of_sure_and_of_unsure_opinions(rng):
    scores, deviations = rng.normal(size=5), rng.uniform(0.5, 2, 5)
    first, second = all_pairs(5)
    assert len(first) == 10
    sure = preferences(jnp.asarray(scores))
    np.testing.assert_array_equal(sure, scores[first] > scores[second])
    unsure = preferences(jnp.asarray(scores), jnp.asarray(deviations))
    spread = np.sqrt(deviations[first] ** 2 + deviations[second] ** 2)
    expected = stats.norm.cdf((scores[first] - scores[second]) / spread)
    np.testing.assert_allclose(unsure, expected)


def test_preferences_of_old_heads(rng):
    heads = rng.normal(size=(4, 3))
    found = old_preferences(jnp.asarray(heads), 2)
    assert found.shape == (2, 6)
    expected = stats.norm.cdf((heads[1, 1] - heads[3, 1]) / np.sqrt(2))
    np.testing.assert_allclose(found[1, 4], expected)


def test_importance_of_a_linear_function(rng):
    """Of w x against y: the squared gradient, and that of the squared output."""
    x, y, w = rng.normal(size=(3, 4))
    weights = {"w": jnp.asarray(w)}
    batches = [{"x": jnp.asarray(a), "y": jnp.asarray(b)} for a, b in zip(x, y, strict=True)]

    def output(parameters, batch):
        return parameters["w"] * batch["x"]

    def loss(parameters, batch):
        return ((output(parameters, batch) - batch["y"]) ** 2).sum()

    squared = np.mean([(2 * (w * a - b) * a) ** 2 for a, b in zip(x, y, strict=True)], 0)
    np.testing.assert_allclose(fisher(loss, weights, batches)["w"], squared)
    slope = np.mean([np.abs(2 * w * a * a) / 4 for a in x], 0)
    np.testing.assert_allclose(sensitivity(output, weights, batches)["w"], slope)
    with pytest.raises(ValueError, match="at least one batch"):
        fisher(loss, weights, [])


def test_paths_add_up_to_the_fall_of_the_loss():
    """In small steps; and what moved much without effect matters little."""
    curvature = jnp.array([1.0, 4.0, 0.0])

    def loss(w):
        return (curvature * w**2).sum() / 2

    def step(state, _):
        w, path = state
        gradient = jax.grad(loss)(w)
        update = -1e-3 * gradient
        return (w + update, add_path(path, gradient, update)), None

    start = jnp.ones(3)
    (w, path), _ = jax.lax.scan(step, (start, jnp.zeros(3)), length=2000)
    np.testing.assert_allclose(path.sum(), loss(start) - loss(w), rtol=1e-2)
    importance = path_importance(path, start, w)
    assert importance[2] == 0
    np.testing.assert_allclose(importance, path / ((w - start) ** 2 + 0.1))


def test_penalty_of_drift():
    before = {"a": jnp.ones(2), "b": {"c": jnp.zeros(3)}}
    after = jax.tree.map(lambda x: x + 2, before)
    importance = jax.tree.map(lambda x: 0 * x + 0.5, before)
    assert float(drift_penalty(after, before, importance)) == 5 * 4 * 0.5
    assert float(drift_penalty(before, before, importance)) == 0


def test_k_means_finds_clusters(rng):
    centres = np.eye(4) * 10
    points = np.repeat(centres, 30, 0) + 0.1 * rng.normal(size=(120, 4))
    found = k_means(points, 4, starts=20)
    order = np.argmax(found, 1)
    assert sorted(order) == [0, 1, 2, 3]
    np.testing.assert_allclose(found, centres[order], atol=0.1)


def test_a_task_of_few_images_has_each_as_a_centroid(rng):
    features = jnp.asarray(rng.normal(size=(5, 128)), jnp.float32)
    model = remember(Model.create("dbcnn", narrow=64), 0, features)
    centroids = model.statistics["centroids"][0]
    nearest = ((centroids[:, None] - features) ** 2).sum(-1)
    np.testing.assert_allclose(nearest.min(0), 0, atol=1e-9)
    np.testing.assert_allclose(nearest.min(1), 0, atol=1e-9)


def test_memory_is_shared(rng):
    kept = keep_examples([], 30, rng, memory=40)
    assert [len(places) for places in kept] == [30]
    kept = keep_examples(kept, 100, rng, memory=40)
    assert [len(places) for places in kept] == [20, 20]
    first = set(kept[0])
    kept = keep_examples(kept, 5, rng, memory=40)
    assert [len(places) for places in kept] == [13, 13, 5]
    assert set(kept[0]) < first < set(range(30))


def test_record():
    record = Record(
        np.array([[0.9, 0.1, 0.0], [0.7, 0.8, 0.2], [0.6, 0.85, 0.5]]), np.array([1, 1, 2])
    )
    np.testing.assert_allclose(record.after_each, [0.9, 0.75, 0.65])
    assert record.plasticity == pytest.approx((0.9 + 0.8 + 0.5) / 3)
    assert record.forgetting == pytest.approx((0.3 + 0.0) / 2)
    assert record.overall == pytest.approx((0.6 + 0.85 + 1.0) / 4)
    assert Record(np.array([[0.5]])).forgetting == 0


def test_pairs_of_different_tasks_do_not_count(config):
    heads = jnp.array([[3.0, 9.0], [0.0, 9.0], [9.0, 0.0], [9.0, 3.0]])
    scores = jnp.array([1.0, 0.0, 0.0, 1.0])
    found = config["pair_loss"](heads, scores, jnp.array([0, 0, 1, 1]))
    right = stats.norm.cdf(3 / np.sqrt(2))
    np.testing.assert_allclose(found, 1 - np.sqrt(right), rtol=1e-6)


def test_old_heads_say_what_they_said(config):
    """Of the new images, which the first task never saw, more than without the method."""
    noise, stripes = Data.of(make_items(16, 64)), Data.of(make_stripes(16, 64))

    def learn(data, **settings):
        recipe = config["recipe"](data, quick=True, tasks=2, **settings)
        stage = recipe.stages[1]
        batch = {key: jnp.asarray(value) for key, value in next(stage.batches).items()}
        model, losses = train(recipe.begin(), stage.loss, batch, steps=30, learning_rate=1e-3)
        assert losses[-1] < losses[0]
        return model, batch["distorted"]

    first, _ = learn(noise)
    changes = {}
    for method in ("none", "lwf"):
        second, images = learn(stripes, previous=first, task=1, method=method)
        assert second.statistics["known"].tolist() == [1, 1]
        then, now = (
            old_preferences(model.merge()(images, rngs=nnx.Rngs(0))["heads"], 1)
            for model in (first, second)
        )
        changes[method] = float(jnp.abs(now - then).mean())
    assert changes["lwf"] < 0.5 * changes["none"]


def test_replay_and_importance_in_recipes(config):
    noise, stripes = Data.of(make_items(16, 64)), Data.of(make_stripes(16, 64))
    settings = {"quick": True, "tasks": 2, "task": 1}
    first = config["recipe"](noise, quick=True, tasks=2).begin()
    replay = config["recipe"](
        stripes,
        previous=first,
        method="replay",
        memory=[(noise, np.array([1, 5, 7, 9]))],
        **settings,
    )
    batch = next(replay.stages[1].batches)
    assert set(batch["distortion"]) <= {0, 1}
    importance = config["measure_importance"](first, noise, 0, "mas", 64)
    assert all((leaf >= 0).all() for leaf in jax.tree.leaves(importance))
    for method in ("ewc", "mas"):
        recipe = config["recipe"](
            stripes, previous=first, method=method, importance=importance, **settings
        )
        batch = {key: jnp.asarray(x) for key, x in next(recipe.stages[1].batches).items()}
        value, losses = recipe.stages[1].loss(recipe.begin().merge(), batch, None)
        assert jnp.isfinite(value)
        assert losses["forgetting"] == 0  # nothing has moved


def test_wrong_settings_are_errors(config):
    data = Data.of(make_items(16, 64))
    with pytest.raises(ValueError, match="give one of none, lwf, ewc, mas, replay"):
        config["recipe"](data, method="gem")
    with pytest.raises(ValueError, match="ewc needs the importance"):
        config["recipe"](data, method="ewc", task=1)
    with pytest.raises(ValueError, match="task 1 needs the previous model"):
        config["recipe"](data, task=1)
