"""Winograd's convolution against a plain one in double precision, with all derivatives."""

import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.testing import assert_allclose

from jiqa.kernels import native
from jiqa.kernels.convolution import convolution
from jiqa.kernels.winograd import by_library, supports, winograd

TOLERANCE = 3e-6  # of the deviation of the results; a plain sum has a third of it

# Maps, kernel and padding: tiles cut off on each side, several blocks of channels and of tiles.
CASES = [
    ((1, 8, 8, 32), (3, 3, 32, 32), ((1, 1), (1, 1))),
    ((2, 40, 33, 16), (3, 3, 16, 48), ((1, 1), (1, 1))),
    ((2, 13, 7, 32), (3, 3, 32, 64), ((0, 2), (2, 0))),
    ((3, 9, 21, 96), (3, 3, 96, 32), ((0, 0), (1, 0))),
    ((1, 3, 70, 160), (3, 3, 160, 96), ((0, 0), (0, 0))),
    ((2, 100, 90, 64), (3, 3, 64, 32), ((1, 1), (1, 1))),
    ((2, 11, 9, 64), (5, 5, 64, 64), ((2, 2), (2, 2))),
    ((1, 50, 52, 64), (5, 5, 64, 96), ((0, 3), (1, 2))),
    ((1, 6, 14, 32), (5, 5, 32, 32), ((4, 0), (1, 3))),
]

needs_kernels = pytest.mark.skipif(not native.available(), reason="no native kernels here")


def make(rng, maps, kernel):
    x, k = rng.standard_normal(maps), rng.standard_normal(kernel)
    return x.astype(np.float32), (k / np.sqrt(k[..., 0].size)).astype(np.float32)


def exact(x, kernel, padding):
    return by_library(jnp.asarray(x, float), jnp.asarray(kernel, float), padding=padding)


@pytest.mark.parametrize(("maps", "kernel", "padding"), CASES)
def test_values_and_gradients_are_those_of_a_plain_convolution(rng, maps, kernel, padding):
    x, k = make(rng, maps, kernel)
    assert supports(x, k, padding)
    y, pull = jax.vjp(partial(winograd, padding=padding), x, k)
    wanted, pull_exact = jax.vjp(partial(exact, padding=padding), x, k)
    assert y.dtype == np.float32
    assert_allclose(y, wanted, atol=12 * TOLERANCE)
    direction = rng.standard_normal(y.shape).astype(np.float32)
    found, expected = pull(direction), pull_exact(direction.astype(float))
    for ours, theirs in zip(found, expected, strict=True):
        assert_allclose(ours, theirs, atol=12 * TOLERANCE * float(jnp.std(theirs)))


def test_it_is_compiled_also_where_nothing_else_is(rng):
    x, k = make(rng, *CASES[0][:2])
    compiled = winograd(x, k, padding=CASES[0][2])
    with jax.disable_jit():
        assert_allclose(winograd(x, k, padding=CASES[0][2]), compiled)


def test_rounding_is_near_that_of_a_plain_sum(rng):
    maps, kernel, padding = CASES[5]
    x, k = make(rng, maps, kernel)
    x = np.maximum(x, 0)
    wanted = exact(x, k, padding)
    error = np.std(winograd(x, k, padding=padding) - wanted) / np.std(wanted)
    assert error < TOLERANCE


@pytest.mark.parametrize("maps", [CASES[0][0], (2, 40, 30, 32)])
def test_derivatives_of_any_order(rng, maps):
    padding = ((1, 1), (0, 2))
    x, k = make(rng, maps, (3, 3, 32, 32))

    def loss(convolve, x, k):
        return jnp.sum(jnp.sin(convolve(x, k, padding=padding)))

    def products(convolve):  # with the second derivatives, forwards over backwards
        slopes = jax.grad(partial(loss, convolve), argnums=(0, 1))
        return jax.jvp(slopes, (x, k), (jnp.cos(x), jnp.cos(k)))

    found, expected = jax.jit(lambda: (products(winograd), products(by_library)))()
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert_allclose(ours, theirs, atol=1e-4 * float(jnp.abs(theirs).max()))


def test_mapped_maps_kernels_and_both(rng):
    maps, kernel, padding = CASES[2]
    xs = rng.standard_normal((3, *maps)).astype(np.float32)
    ks = rng.standard_normal((3, *kernel)).astype(np.float32)
    compute = partial(winograd, padding=padding)
    alone = [compute(x, k) for x, k in zip(xs, ks, strict=True)]
    assert_allclose(jax.vmap(compute)(xs, ks), jnp.stack(alone), atol=1e-3)
    over_maps = jax.vmap(compute, (1, None))(xs.swapaxes(0, 1), ks[0])
    assert_allclose(over_maps[0], alone[0], rtol=1e-6, atol=1e-6)
    over_kernels = jax.vmap(compute, (None, 0))(xs[0], ks)
    assert_allclose(over_kernels[0], alone[0], atol=1e-3)
    slopes = jax.grad(lambda k, x: jnp.sum(jnp.sin(compute(x, k))))
    wanted = [slopes(ks[0], x) for x in xs]
    assert_allclose(jax.vmap(slopes, (None, 0))(ks[0], xs), jnp.stack(wanted), atol=1e-3)


def test_a_sharded_batch_stays_where_it_is(rng):
    x, k = make(rng, (8, 10, 9, 32), (3, 3, 32, 32))
    padding = ((1, 1), (1, 1))
    mesh = Mesh(jax.devices()[:8], "batch")

    def both(x, k):
        y, pull = jax.vjp(partial(winograd, padding=padding), x, k)
        return y, *pull(jnp.cos(y))

    sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
    compiled = jax.jit(both).lower(sharded, k).compile()
    assert "all-gather" not in compiled.as_text()
    spread = jax.shard_map(
        both,
        mesh=mesh,
        in_specs=(PartitionSpec("batch"), PartitionSpec()),
        out_specs=(PartitionSpec("batch"), PartitionSpec("batch"), PartitionSpec()),
    )
    for found in (compiled(sharded, k), jax.jit(spread)(x, k)):
        for ours, theirs in zip(found, both(x, k), strict=True):
            assert_allclose(ours, theirs, atol=1e-5 * max(1, float(jnp.abs(theirs).max())))


def test_accelerators_get_their_own_convolution(rng):
    x, k = make(rng, *CASES[0][:2])
    traced = jax.jit(partial(winograd, padding=CASES[0][2])).trace(x, k)
    for platform in ("cuda", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "stablehlo.convolution" in text
        assert "jiqa_winograd" not in text


def test_without_kernels_the_library_computes(rng, monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)
    x, k = make(rng, *CASES[0][:2])
    traced = jax.jit(partial(winograd, padding=CASES[0][2])).trace(x, k)
    assert "stablehlo.convolution" in traced.lower(lowering_platforms=("cpu",)).as_text()


@pytest.mark.parametrize(
    ("maps", "kernel", "padding", "dtype"),
    [
        ((1, 8, 8, 32), (3, 3, 32, 32), 1, np.float64),
        ((1, 8, 8, 32), (3, 3, 32, 32), 3, np.float32),
        ((1, 8, 8, 3), (3, 3, 3, 32), 1, np.float32),
        ((1, 8, 8, 32), (3, 3, 32, 40), 1, np.float32),
        ((1, 8, 8, 32), (3, 5, 32, 32), 1, np.float32),
        ((1, 8, 8, 32), (1, 1, 32, 32), 0, np.float32),
        ((1, 7, 7, 32), (3, 3, 32, 32), 1, np.float32),
        ((1, 2, 40, 32), (5, 5, 32, 32), 0, np.float32),
        ((1, 8, 8, 0), (3, 3, 0, 32), 1, np.float32),
    ],
)
def test_what_is_left_to_the_library(rng, maps, kernel, padding, dtype):
    x, k = (each.astype(dtype) for each in make(rng, maps, kernel))
    borders = ((padding, padding), (padding, padding))
    assert not supports(x, k, borders)
    wanted = exact(x, k, borders)
    assert_allclose(convolution(jnp.asarray(x), jnp.asarray(k), padding=borders), wanted, atol=1e-5)


@needs_kernels
@pytest.mark.parametrize("most", ["avx2", "baseline"])
def test_every_set_of_instructions_gives_the_same(most):
    code = (
        "import numpy as np, jax.numpy as jnp; from jiqa.kernels import winograd as w\n"
        "print(w.native.available())\n"
        "rng = np.random.default_rng(0); padding = ((1, 1), (0, 2))\n"
        "for side in (3, 5):\n"
        "    x = jnp.asarray(rng.standard_normal((2, 15, 11, 96)), 'float32')\n"
        "    k = jnp.asarray(rng.standard_normal((side, side, 96, 64)), 'float32')\n"
        "    found, wanted = (f(x, k, padding=padding) for f in (w.by_native, w.by_library))\n"
        "    error = jnp.abs(found - wanted).max() / jnp.std(wanted)\n"
        "    assert error < 4e-5, error\n"
    )
    environment = {**os.environ, "JIQA_NATIVE": most}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert run.stdout.strip() == "True", run.stderr
