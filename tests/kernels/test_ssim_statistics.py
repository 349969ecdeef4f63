"""Every form against the reference, and the primitive under JAX's transformations."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jiqa.core.filters import gaussian_window
from jiqa.kernels.forms import PREFERENCES, choose_form, find_module
from jiqa.kernels.ssim_statistics import (
    Similarity,
    by_rows,
    comparison_map,
    reference,
    ssim_statistics,
)
from tests.kernels.pairs import GAUSSIAN, LOPSIDED, UNIFORM, make_pair, make_weights

PACKAGE = "jiqa.kernels.ssim_statistics"
SMALL = Similarity(tuple(gaussian_window(6, 1.5).tolist()), 1e-4, 9e-4)  # compiles fast
CPU_FORMS = [form for form in PREFERENCES["cpu"] if form != "reference"]

# Rounding of float32 alone: both forms add up to 10^7 values near 1 in another order.
MEAN_TOLERANCE = 2e-6
# The gradient divides differences of moments by c2, which magnifies their rounding.
GRADIENT_TOLERANCE = 2e-5


@partial(jax.jit, static_argnames=("function", "similarity", "luminance", "wrt"))
def truth(function, *operands, **parameters):
    return getattr(reference, function)(*operands, **parameters)


def form(name, function, *operands, **parameters):
    """A form's function where it supports these operands; the test is skipped where not."""
    if choose_form(PACKAGE, function, operands, "cpu", name, **parameters) != name:
        pytest.skip(f"{name} leaves this to the next form, or is not on this machine")
    return jax.jit(partial(getattr(find_module(PACKAGE, name), function), **parameters))


@pytest.mark.parametrize("name", CPU_FORMS)
@pytest.mark.parametrize(
    ("similarity", "shape"),
    [
        (GAUSSIAN, (1, 11, 11, 3)),
        (GAUSSIAN, (2, 12, 13, 1)),
        (GAUSSIAN, (3, 97, 131, 3)),
        (UNIFORM, (1, 40, 300, 1)),
        (LOPSIDED, (1, 41, 20, 3)),
    ],
)
def test_forms_equal_the_reference(rng, name, similarity, shape):
    x, y = make_pair(rng, shape)
    weights = make_weights(rng, shape, similarity)
    positions = weights[0, ..., 0].size
    for given in ((), (weights,)):
        compute = form(name, "sums", x, y, *given, similarity=similarity)
        expected = truth("sums", x, y, *given, similarity=similarity)
        for ours, theirs in zip(compute(x, y, *given), expected, strict=True):
            np.testing.assert_allclose(ours / positions, theirs / positions, atol=MEAN_TOLERANCE)
        for luminance in (True, False):
            parameters = {"similarity": similarity, "luminance": luminance, "wrt": (True, True)}
            compute = form(name, "gradient", x, y, *given, **parameters)
            total, *gradients = compute(x, y, *given)
            wanted, *expected = truth("gradient", x, y, *given, **parameters)
            np.testing.assert_allclose(total / positions, wanted / positions, atol=MEAN_TOLERANCE)
            for ours, theirs in zip(gradients, expected, strict=True):
                largest = jnp.abs(theirs).max()
                np.testing.assert_allclose(
                    ours / largest, theirs / largest, atol=GRADIENT_TOLERANCE
                )


@pytest.mark.parametrize("name", CPU_FORMS)
@pytest.mark.parametrize("luminance", [True, False])
def test_maps_equal_the_reference(rng, name, luminance):
    x, y = make_pair(rng, (2, 37, 41, 3))
    parameters = {"similarity": GAUSSIAN, "luminance": luminance}
    ours = form(name, "comparison_map", x, y, **parameters)(x, y)
    np.testing.assert_allclose(ours, truth("comparison_map", x, y, **parameters), atol=1e-5)


@pytest.mark.parametrize("name", CPU_FORMS)
@pytest.mark.parametrize("wrt", [(True, False), (False, True)])
def test_only_the_gradient_asked_for_is_returned(rng, name, wrt):
    x, y = make_pair(rng, (1, 20, 20, 1))
    parameters = {"similarity": GAUSSIAN, "luminance": True}
    compute = form(name, "gradient", x, y, wrt=wrt, **parameters)
    _, *both = truth("gradient", x, y, wrt=(True, True), **parameters)
    _, *one = compute(x, y)
    assert len(one) == 1
    np.testing.assert_allclose(one[0], both[wrt.index(True)], atol=1e-4)


@pytest.mark.parametrize("name", CPU_FORMS)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, np.uint8, np.uint16])
def test_other_dtypes_are_read_as_they_are(rng, name, dtype):
    x, y = make_pair(rng, (1, 30, 33, 3), dtype)
    top = float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0
    similarity = Similarity(GAUSSIAN.window, 1e-4 * top**2, 9e-4 * top**2)
    compute = form(name, "sums", x, y, similarity=similarity)
    expected = truth("sums", x.astype(np.float32), y.astype(np.float32), similarity=similarity)
    for ours, theirs in zip(compute(x, y), expected, strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ["reference", *CPU_FORMS])
def test_equal_images_give_exactly_one(rng, name):
    x, _ = make_pair(rng, (2, 57, 61, 3))
    compute = form(name, "sums", x, x, similarity=GAUSSIAN)
    for total in compute(x, x):
        np.testing.assert_array_equal(total, 47 * 51)


@pytest.mark.parametrize("name", ["reference", *CPU_FORMS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_ramps_give_exactly_one_and_no_slope(name, dtype):
    x = jnp.linspace(0, 1, 64 * 64 * 3, dtype=dtype).reshape(1, 64, 64, 3)
    similarity = Similarity((0.1,) * 10, 1e-4, 9e-4)
    compute = form(name, "sums", x, x, similarity=similarity)
    for total in compute(x, x):
        np.testing.assert_array_equal(total, 55**2)
    parameters = {"similarity": similarity, "luminance": True, "wrt": (True, True)}
    for slope in form(name, "gradient", x, x, **parameters)(x, x)[1:]:
        np.testing.assert_array_equal(slope, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", CPU_FORMS)
@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840)])
def test_forms_equal_the_reference_on_large_images(rng, name, size):
    x, y = make_pair(rng, (1, *size, 1))
    compute = jax.jit(form(name, "sums", x, y, similarity=GAUSSIAN))
    # In double precision, in strips: the reference would take gigabytes.
    expected = jax.jit(partial(find_module(PACKAGE, "xla").sums, similarity=GAUSSIAN))(
        x.astype(jnp.float64), y.astype(jnp.float64)
    )
    positions = (size[0] - 10) * (size[1] - 10)
    for ours, theirs in zip(compute(x, y), expected, strict=True):
        np.testing.assert_allclose(ours / positions, theirs / positions, atol=MEAN_TOLERANCE)


def score(x, y, **options):
    return ssim_statistics(x, y, SMALL, **options).ssim.mean()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transformations_agree(rng, dtype):
    x, y = make_pair(rng, (4, 21, 25, 3), dtype)
    exact = 1e-12 if dtype is np.float64 else 5e-6

    def close(ours, theirs):
        np.testing.assert_allclose(
            ours, theirs, atol=exact * max(1e-3, float(jnp.abs(theirs).max()))
        )

    value, slope = jax.value_and_grad(score, (0, 1))(x, y)
    for transformed in (jax.jit(score), jax.remat(score)):
        again, again_slope = jax.value_and_grad(transformed, (0, 1))(x, y)
        close(again, value)
        jax.tree.map(close, again_slope, slope)
    batched = jax.vmap(jax.grad(score, (0, 1)))(x, y)
    whole = jax.grad(lambda x, y: jax.vmap(score)(x, y).sum(), (0, 1))(x, y)
    jax.tree.map(close, batched, whole)
    jax.tree.map(lambda one, all_: close(one / len(x), all_), batched, slope)
    one_reference = jax.vmap(jax.grad(score), in_axes=(None, 0))(x[0], y)
    close(one_reference[2], jax.grad(score)(x[0], y[2]))
    moved = jax.vmap(score, in_axes=(1, 1))(jnp.moveaxis(x, 0, 1), jnp.moveaxis(y, 0, 1))
    close(moved, jax.vmap(score)(x, y))
    close(jax.jvp(score, (x, y), (y, x))[1], jnp.vdot(slope[0], y) + jnp.vdot(slope[1], x))


def test_gradients_are_those_of_finite_differences(rng):
    x, y = make_pair(rng, (6, 7, 2), np.float64)
    weights = jnp.asarray(rng.random((4, 5)))
    jax.test_util.check_grads(
        jax.jit(lambda x, y, w: ssim_statistics(x, y, LOPSIDED, weights=w)),
        (x, y, weights),
        order=2,
        atol=1e-5,
        rtol=1e-5,
    )
    jax.test_util.check_grads(
        jax.jit(lambda x, y: comparison_map(x, y, LOPSIDED, luminance=False)),
        (x, y),
        order=2,
        atol=1e-4,
        rtol=1e-4,
    )


def test_hessian_is_that_of_the_reference(rng):
    x, y = make_pair(rng, (5, 6, 1), np.float64)
    ours = jax.jit(jax.hessian(lambda y: ssim_statistics(x, y, LOPSIDED).ssim.sum()))(y)
    plain = jax.jit(
        jax.hessian(lambda y: truth("sums", x[None], y[None], similarity=LOPSIDED)[0].sum())
    )(y)
    np.testing.assert_allclose(ours, plain / 12, atol=1e-10)


def test_a_sharded_batch_stays_where_it_is(rng):
    x, y = make_pair(rng, (8, 21, 25, 3))
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    parts = jax.device_put((x, y), NamedSharding(mesh, P("batch")))
    step = jax.jit(jax.grad(lambda x, y: jax.vmap(score)(x, y).sum()))
    compiled = step.lower(*parts).compile()
    assert "all-gather" not in compiled.as_text()
    assert compiled(*parts).sharding.is_equivalent_to(parts[0].sharding, 4)
    np.testing.assert_allclose(compiled(*parts), step(x, y), atol=1e-7)


def test_explicit_sharding_is_kept(rng):
    x, y = make_pair(rng, (8, 21, 25, 3))
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Explicit,))
    expected = ssim_statistics(x, y, SMALL).ssim
    with jax.set_mesh(mesh):
        parts = jax.device_put((x, y), NamedSharding(mesh, P("batch")))
        result = ssim_statistics(*parts, SMALL).ssim
        assert jax.typeof(result).sharding.spec == P("batch", None)
    np.testing.assert_allclose(result, expected, atol=1e-7)


def test_shard_map_over_the_batch(rng):
    x, y = make_pair(rng, (8, 21, 25, 3))
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    gradient = jax.vmap(jax.grad(score, (0, 1)))
    split = jax.shard_map(gradient, mesh=mesh, in_specs=P("batch"), out_specs=P("batch"))
    jax.tree.map(
        partial(np.testing.assert_allclose, atol=1e-7), jax.jit(split)(x, y), gradient(x, y)
    )


def test_shard_map_with_one_reference_for_all(rng):
    x, y = make_pair(rng, (8, 21, 25, 3))
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))

    def total(x, y):
        return jax.vmap(partial(score, x))(y).sum()

    split = jax.shard_map(jax.grad(total), mesh=mesh, in_specs=(P(), P("batch")), out_specs=P())
    np.testing.assert_allclose(split(x[0], y), jax.grad(total)(x[0], y), atol=1e-6)


def test_one_image_sharded_by_rows(rng):
    x, y = make_pair(rng, (8 * 13, 40, 3))
    mesh = jax.make_mesh((8,), ("rows",), axis_types=(AxisType.Auto,))
    by_parts = jax.shard_map(
        lambda x, y: by_rows.ssim_statistics_by_rows(x, y, SMALL, "rows"),
        mesh=mesh,
        in_specs=P("rows"),
        out_specs=P(),
    )
    for ours, theirs in zip(jax.jit(by_parts)(x, y), ssim_statistics(x, y, SMALL), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=MEAN_TOLERANCE)
    slope = jax.grad(lambda y: by_parts(x, y).ssim.mean())(y)
    np.testing.assert_allclose(slope, jax.grad(partial(score, x))(y), atol=1e-7)
    with pytest.raises(ValueError, match="13 rows on each device are fewer than the 20"):
        jax.shard_map(
            lambda x: by_rows.ssim_statistics_by_rows(
                x, x, Similarity((0.05,) * 20, 1e-4, 9e-4), "rows"
            ),
            mesh=mesh,
            in_specs=P("rows"),
            out_specs=P(),
        )(x)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_of_constant_images_are_finite(dtype, level):
    x = jnp.full((16, 16, 3), level, dtype)
    for y in (x, x.at[3, 3].set(0), 1 - x):
        for each in jax.grad(score, (0, 1))(x, y):
            assert each.dtype == dtype
            assert bool(jnp.isfinite(each).all())


def test_what_is_not_used_is_not_computed(rng):
    x, y = make_pair(rng, (1, 64, 64, 3))

    def flops(function):
        return jax.jit(function).lower(x, y).compile().cost_analysis()["flops"]

    parameters = {"similarity": SMALL, "luminance": True, "wrt": (True, False)}
    alone = flops(lambda x, y: find_module(PACKAGE, "xla").gradient(x, y, **parameters))
    ours = flops(jax.value_and_grad(partial(score, implementation="xla")))
    assert ours < 1.2 * alone


def test_an_unknown_implementation_is_an_error(rng):
    x, y = make_pair(rng, (12, 12, 1))
    with pytest.raises(ValueError, match="'fast' is unknown; use None or one of"):
        ssim_statistics(x, y, GAUSSIAN, implementation="fast")
    with pytest.raises(ValueError, match="is unknown"):
        comparison_map(x, y, GAUSSIAN, implementation="fast")
