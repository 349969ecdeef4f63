"""The network that ranks sixteen numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy.stats import rankdata

from jiqa.networks.network import split
from jiqa.networks.ranker import Ranker, _windows, exact_rank, load, rank_distance, sample, save
from jiqa.training.losses import mae, soft_rank


@pytest.fixture(scope="module")
def ranker():
    return Ranker(rngs=nnx.Rngs(0))


def test_number_of_parameters_and_statistics(ranker):
    _, parameters, statistics = split(ranker)
    assert sum(x.size for x in jax.tree.leaves((parameters, statistics))) == 471_864


def test_shapes(ranker):
    assert ranker(jnp.zeros((2, 3, 16))).shape == (2, 3, 16)
    with pytest.raises(ValueError, match="15 values"):
        ranker(jnp.zeros((2, 15)))


def test_windows_make_a_convolution(rng):
    for size in (2, 3, 10):
        x, kernel = rng.standard_normal((2, 16, 3)), rng.standard_normal((size, 3, 4))
        found = _windows(x, size) @ kernel.reshape(-1, 4)
        expected = jax.lax.conv_general_dilated(
            x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_ranks_are_exact(rng):
    values = rng.integers(0, 6, (5, 16)).astype(float)  # with many that are equal
    np.testing.assert_allclose(exact_rank(jnp.asarray(values)), rankdata(values, axis=-1))


def test_samples_are_half_normal_half_uniform():
    values, ranks = sample(jax.random.key(0), 4000)
    assert values.shape == ranks.shape == (4000, 16)
    np.testing.assert_allclose(values[:2000].std(), 2, rtol=0.02)
    np.testing.assert_allclose(values[2000:].std(), 10 / np.sqrt(3), rtol=0.02)
    assert jnp.abs(values[2000:]).max() <= 10
    np.testing.assert_array_equal(ranks, exact_rank(values))


def test_files(ranker, tmp_path):
    save(tmp_path / "ranker.safetensors", ranker)
    values, _ = sample(jax.random.key(1), 2)
    read = load(tmp_path / "ranker.safetensors")
    np.testing.assert_array_equal(read(values), ranker(values))


def test_a_file_of_something_else_is_an_error(tmp_path):
    from jiqa.weights.mapped import write_parameters

    write_parameters(tmp_path / "other.safetensors", {"bias": np.ones(2)})
    with pytest.raises(ValueError, match="do not fit"):
        load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("rank", ["ranker", "soft_rank"])
def test_the_distance_has_a_gradient(ranker, rank, rng):
    rank = ranker if rank == "ranker" else soft_rank
    predictions, scores = (jnp.asarray(rng.standard_normal(16), jnp.float32) for _ in range(2))
    value, gradient = jax.value_and_grad(lambda x: rank_distance(rank, x, scores))(predictions)
    assert value > 0
    assert jnp.isfinite(gradient).all()
    assert jnp.abs(gradient).max() > 0
    assert rank_distance(rank, scores, scores) == 0


def test_it_learns_to_rank(ranker):
    graph, parameters, statistics = split(ranker)
    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(parameters, statistics, state, key):
        values, ranks = (x.astype(jnp.float32) for x in sample(key, 64))

        def objective(parameters):
            module = nnx.merge(graph, parameters, statistics, copy=True)
            return mae(module(values, rngs=nnx.Rngs(0)), ranks), split(module)[2]

        (error, after), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(parameters, updates), after, state, error

    state, errors = optimizer.init(parameters), []
    for key in jax.random.split(jax.random.key(2), 40):
        parameters, statistics, state, error = step(parameters, statistics, state, key)
        errors.append(float(error))
    assert np.mean(errors[-5:]) < 0.3 * errors[0]
