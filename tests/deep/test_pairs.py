"""Features of pairs: the same values and gradients however they are computed."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from jiqa.deep.pairs import pair_features


def test_values_and_gradients_are_those_of_each_image_alone(rng):
    seen = []

    def features(gain, images):
        seen.append(images.shape)
        return {"gained": gain * images, "mean": jnp.sin(gain * images).mean((-3, -2))}

    def compare(x, y):
        return ((x["gained"] - y["gained"]) ** 3).sum() + (x["mean"] * y["mean"] ** 2).sum()

    def paired(*given):
        return compare(*pair_features(features, *given))

    def plain(gain, x, y):
        return compare(features(gain, x), features(gain, y))

    given = jnp.array(1.7), *jnp.asarray(rng.random((2, 5, 4, 6, 3)))
    one, both = (5, 4, 6, 3), (2, 5, 4, 6, 3)
    for wanted, shape in {1: one, 2: one, (1, 2): both, (0, 2): both}.items():
        seen.clear()
        found = jax.jit(jax.grad(paired, wanted))(*given)
        assert seen[-1] == shape
        expected = jax.grad(plain, wanted)(*given)
        jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-12), found, expected)
    assert_allclose(jax.vmap(paired, (None, 0, 0))(*given).sum(), plain(*given), rtol=1e-12)
    slope = jax.vmap(jax.grad(paired, 2), (None, 0, 0))(*given)
    assert_allclose(slope, jax.grad(plain, 2)(*given), rtol=1e-12)
    twice = jax.hessian(lambda y: paired(given[0], given[1][0], y))(given[2][0])
    assert np.all(np.isfinite(twice))
