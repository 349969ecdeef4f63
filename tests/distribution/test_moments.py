"""Streamed moments against float64 and longer, on data that float32 sums would ruin."""

import socket
import subprocess
import sys
from functools import reduce
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from numpy.testing import assert_allclose

from jiqa.distribution import moments

ROOT = Path(__file__).parents[2]


def exact(x):
    """Mean and covariance in extended precision."""
    wide = np.asarray(x, np.longdouble)
    mean = wide.mean(0)
    return mean.astype(float), ((wide - mean).T @ (wide - mean) / (len(x) - 1)).astype(float)


def check(statistics, x, tolerance=1e-12):
    """Errors relative to each feature's deviation: rounding a mean of 1e6 is no error of it."""
    mean, covariance = exact(x)
    deviation = np.sqrt(np.diag(covariance))
    scale = np.where(deviation > 0, deviation, 1)
    error = abs(statistics.mean - mean) - 2 * np.spacing(abs(mean))
    assert (error / scale).max() < tolerance
    assert (abs(statistics.covariance - covariance) / np.outer(scale, scale)).max() < tolerance
    assert statistics.count == len(x)


def stream(batches, dtype=jnp.float32):
    batches = [jnp.asarray(batch) for batch in batches]
    return reduce(moments.update, batches, moments.init(batches[0].shape[1], dtype))


def large_mean(rng, number):
    """Deviations of a few of float32's steps, and features of other scales and relations."""
    x = rng.normal(size=(number, 5))
    x[:, 1] = 1e6 + 0.2 * x[:, 1] + 0.1 * x[:, 0]
    x[:, 2] = 1e-4 + 1e-9 * x[:, 2]
    x[:, 3] = -1e4 + np.exp(3 * x[:, 3])
    x[:, 4] = 0.1  # constant, and not exact in binary
    return x.astype(np.float32)


def test_a_million_images_with_a_large_mean_and_a_small_variance(rng):
    x = large_mean(rng, 1_000_000)
    check(moments.compute(stream(np.split(x, 50))), x)
    # What the same would be without: the test can fail.
    naive = np.cov(x, rowvar=False, dtype=np.float32)[1, 1]
    assert abs(naive / exact(x)[1][1, 1] - 1) > 1e-6


def test_sorted_data_and_an_odd_first_image(rng):
    x = large_mean(rng, 4000)
    check(moments.compute(stream(np.split(x[np.argsort(x[:, 1])], 8))), x)
    x[0] = 0
    check(moments.compute(stream([x[:1], *np.split(x[1:], 3)])), x)


def test_any_order_and_grouping_gives_the_same(rng):
    x = large_mean(rng, 640)
    parts = [moments.update(moments.init(5, jnp.float32), batch) for batch in np.split(x, 8)]
    one_by_one = reduce(moments.merge, parts)
    backwards = reduce(moments.merge, parts[::-1])
    pairs = reduce(moments.merge, map(moments.merge, parts[::2], parts[1::2]))
    with_nothing = moments.merge(
        moments.init(5, jnp.float32), moments.merge(pairs, moments.init(5))
    )
    for state in (one_by_one, backwards, pairs, with_nothing):
        check(moments.compute(state), x)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    across = jax.jit(jax.vmap(lambda s: moments.merge_across(s, "i"), axis_name="i"))(stacked)
    check(moments.compute(jax.tree.map(lambda leaf: leaf[3], across)), x)


def test_devices_each_count_their_part(rng):
    """Eight devices, one of them with nothing to count, in one program."""
    x = large_mean(rng, 8 * 40)
    mask = np.ones(len(x), bool)
    mask[40:80] = mask[-7:] = False
    x[-7:] = np.nan  # what fills up may be anything
    mesh = Mesh(np.array(jax.devices()[:8]), ("data",))

    def count(features, mask):
        state = moments.update(moments.init(5, jnp.float32), features, mask)
        return moments.merge_across(state, "data")

    parts = PartitionSpec("data")
    program = jax.shard_map(count, mesh=mesh, in_specs=(parts, parts), out_specs=PartitionSpec())
    check(moments.compute(jax.jit(program)(x, mask)), x[mask])


def test_float64_and_half_precision(rng):
    x = rng.normal(size=(300, 4)) + 1e3
    state = stream(np.split(x, 3), jnp.float64)
    assert state.products.high.dtype == jnp.float64
    check(moments.compute(state), x)
    half = jnp.asarray(x - 1e3, jnp.bfloat16)
    check(moments.compute(stream([half])), np.asarray(half, np.float64))


@pytest.mark.slow
def test_processes_are_merged(tmp_path):
    """Two processes of one program, with another number of images each."""
    code = (
        "import sys, jax, numpy as np\n"
        "rank = int(sys.argv[1])\n"
        "jax.config.update('jax_cpu_collectives_implementation', 'gloo')\n"
        "jax.distributed.initialize('localhost:' + sys.argv[3], 2, rank)\n"
        "from jiqa.distribution import inception_score, moments, processes\n"
        "x = np.random.default_rng(5).normal(1e4, 1, (50, 3)).astype(np.float32)\n"
        "own = x[:20] if rank == 0 else x[20:]\n"
        "state = moments.update(moments.init(3), own)\n"
        "merged = moments.compute(moments.merge_processes(state))\n"
        "every = processes.gather_features(own)\n"
        "sums = inception_score.update(inception_score.init(3, 2), own)\n"
        "score = inception_score.merge_processes(sums)\n"
        "np.savez(sys.argv[2], mean=merged.mean, covariance=merged.covariance, x=x,\n"
        "         count=merged.count, every=every, counts=score.counts)\n"
    )
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    paths = [tmp_path / f"{rank}.npz" for rank in (0, 1)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), str(path), port],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, path in enumerate(paths)
    ]
    try:
        for process in running:
            error = process.communicate(timeout=600)[1]
            assert process.returncode == 0, error
    finally:
        for process in running:
            process.kill()
    for path in paths:
        found = np.load(path)
        mean, covariance = exact(found["x"])
        assert_allclose(found["mean"], mean, rtol=1e-15)
        assert_allclose(found["covariance"], covariance, rtol=1e-12)
        assert found["count"] == 50
        assert np.array_equal(found["every"], found["x"])
        assert found["counts"].tolist() == [25, 25]


def test_wrong_arguments_are_clear_errors(rng):
    state = moments.init(4, jnp.float32)
    with pytest.raises(ValueError, match=r"shape \(4,\); give features \[N, D\]"):
        moments.update(state, np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="3 dimensions but the state has 4"):
        moments.update(state, np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="NaN or infinite"):
        moments.update(state, np.full((2, 4), np.nan, np.float32))
    with pytest.raises(TypeError, match=r"float64 but the state is float32; .* jnp\.float64"):
        moments.update(state, np.zeros((2, 4)))
    with pytest.raises(TypeError, match="int32; features are floats"):
        moments.update(state, np.zeros((2, 4), np.int32))
    with pytest.raises(ValueError, match=r"`mask` is float64 \(2,\); give booleans \(3,\)"):
        moments.update(state, np.zeros((3, 4), np.float32), np.ones(2))
    with pytest.raises(ValueError, match="at least 2 images, not 1"):
        moments.compute(moments.update(state, rng.random((1, 4), np.float32)))
    nothing = moments.update(state, np.zeros((0, 4), np.float32))
    assert int(nothing.count) == 0
