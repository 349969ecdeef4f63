"""The convolution of networks is Flax's, whoever computes it."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from numpy.testing import assert_allclose

from jiqa.networks.layers import Conv

FILTERED = "winograd"

# Channels in and out, kernel, what else is asked of it, and whether it is filtered.
CASES = {
    "same": ((32, 64, (3, 3)), {}, True),
    "valid": ((64, 32, (5, 5)), {"padding": "VALID"}, True),
    "one pixel": ((32, 32, (3, 3)), {"padding": 1, "use_bias": False}, True),
    "each side": ((32, 32, (3, 3)), {"padding": ((0, 1), (2, 0))}, True),
    "strides": ((32, 32, (3, 3)), {"strides": 2}, False),
    "dilation": ((32, 32, (3, 3)), {"kernel_dilation": 2}, False),
    "groups": ((32, 32, (3, 3)), {"feature_group_count": 2}, False),
    "colours": ((3, 32, (3, 3)), {}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_and_gradients_are_those_of_flax(rng, case):
    given, options, filtered = CASES[case]
    ours, theirs = (kind(*given, **options, rngs=nnx.Rngs(0)) for kind in (Conv, nnx.Conv))
    x = jnp.asarray(rng.standard_normal((2, 9, 12, given[0])), "float32")

    def loss(network, x):
        return jnp.sum(jnp.sin(network(x)))

    assert (FILTERED in str(jax.make_jaxpr(lambda x: ours(x))(x))) == filtered
    assert_allclose(ours(x), theirs(x), atol=1e-5)
    found, expected = (nnx.grad(loss, argnums=(0, 1))(network, x) for network in (ours, theirs))
    for mine, truth in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert_allclose(mine, truth, atol=1e-5 * max(1, float(jnp.abs(truth).max())))
