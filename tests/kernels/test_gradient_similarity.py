"""Gradient similarity: the reference against the definition, the C++ form against the reference."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import correlate

from jiqa.kernels import native as library
from jiqa.kernels.gradient_similarity import (
    GradientSimilarity,
    gradient_similarity,
    native,
    reference,
    similarity_map,
)
from tests.kernels.pairs import make_pair

PREWITT = GradientSimilarity((1 / 3, 1 / 3, 1 / 3), 170 / 255**2)
SCHARR = GradientSimilarity((3 / 16, 10 / 16, 3 / 16), 1e-3)

# One pixel, one row, rows left over, several bands of rows and images.
SHAPES = [(1, 1, 1, 1), (2, 1, 40, 3), (1, 300, 301, 3), (3, 97, 131, 1), (1, 540, 960, 1)]

# Both round in float32, in other orders. A slope divides by the length of a gradient, and is as
# wrong as that length where it is nearly zero.
MOMENT_TOLERANCE, SLOPE_TOLERANCE = 2e-7, 5e-4

needs_kernels = pytest.mark.skipif(not library.available(), reason="no native kernels here")


def make_weights(rng, shape):
    return jnp.asarray(0.1 + rng.random(shape), jnp.float32)


@pytest.mark.parametrize("similarity", [PREWITT, SCHARR])
def test_reference_is_the_definition(rng, similarity):
    x, y = (np.asarray(each, float) for each in make_pair(rng, (20, 31, 1), np.float64))

    def length(image):
        window = np.outer(similarity.smoothing, [-1, 0, 1])
        parts = [correlate(image, each, mode="constant") for each in (window, window.T)]
        return np.hypot(*parts)

    m, n = length(x[..., 0]), length(y[..., 0])
    expected = (2 * m * n + similarity.constant) / (m**2 + n**2 + similarity.constant)
    assert_allclose(similarity_map(x, y, similarity)[..., 0], expected, rtol=1e-12)
    for weights in (np.ones_like(expected), rng.random(expected.shape)):
        mean, variance = gradient_similarity(x, y, similarity, weights=weights)
        center = np.average(expected, weights=weights)
        assert_allclose(mean[0], center, rtol=1e-12)
        spread = np.average((expected - center) ** 2, weights=weights)
        assert_allclose(variance[0], spread, rtol=1e-10)


@needs_kernels
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_native_equals_the_reference(rng, shape, weighted):
    operands = [*make_pair(rng, shape), *([make_weights(rng, shape)] if weighted else [])]
    for similarity in (PREWITT, SCHARR):
        ours = native.moments(*operands, similarity=similarity)
        theirs = reference.moments(*operands, similarity=similarity)
        for one, other in zip(ours, theirs, strict=True):
            assert_allclose(one, other, atol=MOMENT_TOLERANCE)
    for variance in (False, True):
        parameters = {"similarity": PREWITT, "variance": variance, "wrt": (True, True)}
        value, *slopes = native.gradient(*operands, **parameters)
        truth, *expected = reference.gradient(*operands, **parameters)
        assert_allclose(value, truth, atol=MOMENT_TOLERANCE)
        for one, other in zip(slopes, expected, strict=True):
            largest = jnp.maximum(jnp.abs(other).max(), 1e-30)
            assert_allclose(one / largest, other / largest, atol=SLOPE_TOLERANCE)


@needs_kernels
@pytest.mark.parametrize("wrt", [(True, False), (False, True)])
def test_one_gradient_is_that_of_both(rng, wrt):
    x, y = make_pair(rng, (2, 20, 23, 3))
    parameters = {"similarity": PREWITT, "variance": True}
    _, *both = native.gradient(x, y, wrt=(True, True), **parameters)
    _, *one = native.gradient(x, y, wrt=wrt, **parameters)
    assert len(one) == 1
    scale = float(jnp.abs(both[0]).max())
    assert_allclose(one[0], both[wrt.index(True)], atol=1e-6 * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_equal_images_give_exactly_one_and_no_slope(rng, dtype, channels):
    x, _ = make_pair(rng, (2, 33, 41, channels), dtype)
    compute = partial(gradient_similarity, x, similarity=PREWITT)
    mean, variance = compute(x)
    assert_array_equal(mean, 1)
    assert_array_equal(variance, 0)
    for moment in (0, 1):
        assert_array_equal(jax.grad(lambda y, moment=moment: compute(y)[moment].sum())(x), 0)


def value(x, y, weights=None, implementation=None):
    """A number that depends on both moments."""
    mean, variance = gradient_similarity(
        x, y, PREWITT, weights=weights, implementation=implementation
    )
    return jnp.sum(jnp.sin(mean) + jnp.cos(3 * variance))


def test_derivatives_are_those_of_finite_differences(rng):
    x, y = make_pair(rng, (9, 8, 2), np.float64)
    weights = jnp.asarray(0.1 + rng.random((9, 8)))
    operands = x, y, weights
    gradients = jax.grad(value, (0, 1, 2))(*operands)
    for place, gradient in enumerate(gradients):
        direction = jnp.asarray(rng.standard_normal(gradient.shape))

        def along(step, place=place, direction=direction):
            moved = list(operands)
            moved[place] += step * direction
            return value(*moved)

        difference = (along(1e-6) - along(-1e-6)) / 2e-6
        assert_allclose(jnp.sum(gradient * direction), difference, rtol=1e-6)
        assert_allclose(jax.jvp(along, (0.0,), (1.0,))[1], difference, rtol=1e-6)
        slope = jax.grad(along)
        curvature = (slope(1e-5) - slope(-1e-5)) / 2e-5
        assert_allclose(jax.grad(slope)(0.0), curvature, rtol=1e-5)


@needs_kernels
def test_forms_agree_beyond_the_first_derivative(rng):
    x, y = make_pair(rng, (6, 7, 1))
    one, other = (
        jax.hessian(partial(value, implementation=form), 1)(x, y)
        for form in ("native", "reference")
    )
    assert_allclose(one, other, atol=1e-4 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives_on_constant_images_are_finite(dtype, level):
    x, y = jnp.zeros((7, 9, 1), dtype), jnp.full((7, 9, 1), level, dtype)
    for slopes in (*jax.grad(value, (0, 1))(x, y), jax.hessian(value, 1)(x, y)):
        assert jnp.isfinite(slopes).all()


def test_transformations_agree(rng):
    x, y = make_pair(rng, (8, 12, 13, 3))
    weights = make_weights(rng, (8, 12, 13))
    compute = partial(gradient_similarity, similarity=PREWITT)
    eager = compute(x, y, weights=weights)
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    spec = PartitionSpec("batch")
    sharded = jax.device_put((x, y, weights), NamedSharding(mesh, spec))
    mapped = jax.shard_map(
        lambda x, y, w: compute(x, y, weights=w), mesh=mesh, in_specs=spec, out_specs=spec
    )
    alone = compute(x[3], y[3], weights=weights[3])
    assert_allclose(jnp.stack(alone), jnp.stack(eager)[:, 3], rtol=1e-6)
    results = {
        "vmap": jax.vmap(lambda x, y, w: compute(x, y, weights=w))(x, y, weights),
        "jit, sharded": jax.jit(lambda x, y, w: compute(x, y, weights=w))(*sharded),
        "shard_map": jax.jit(mapped)(*sharded),
    }
    for name, found in results.items():
        assert_allclose(jnp.stack(found), jnp.stack(eager), rtol=1e-6, err_msg=name)
    gradient = jax.grad(value, 1)(x, y)
    assert_allclose(jax.vmap(jax.grad(value, 1))(x, y), gradient, rtol=1e-5, atol=1e-9)
    assert_allclose(jax.grad(jax.checkpoint(value), 1)(x, y), gradient, rtol=1e-6)


def test_an_empty_batch_is_empty():
    nothing = jnp.zeros((0, 5, 6, 3), jnp.float32)
    mean, variance = gradient_similarity(nothing, nothing, PREWITT)
    assert mean.shape == variance.shape == (0, 3)


def test_an_unknown_implementation_is_an_error():
    image = jnp.zeros((5, 6, 3))
    with pytest.raises(ValueError, match="implementation='cuda' is unknown"):
        gradient_similarity(image, image, PREWITT, implementation="cuda")
