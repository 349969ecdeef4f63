"""The form for NVIDIA GPUs, interpreted against the reference, and lowered for a GPU not here."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import triton

import jiqa
from jiqa.core.filters import uniform_window
from jiqa.kernels.forms import PREFERENCES, choose_form
from jiqa.kernels.separable import gpu as separable_gpu
from jiqa.kernels.separable import reference as separable_reference
from jiqa.kernels.ssim_statistics import Similarity, gpu, pair, reference
from tests.kernels.pairs import GAUSSIAN, LOPSIDED, UNIFORM, make_pair, make_weights

BOTH = {"luminance": True, "wrt": (True, True)}

# Rounding of float32 in another order of addition; that of the gradient is magnified by 1 / c2.
MEAN_TOLERANCE, GRADIENT_TOLERANCE = 2e-6, 1e-5

SEVERAL_PROGRAMS = (1, 20, 89, 3)  # along H and along W


def assert_same_gradient(ours, theirs, positions):
    np.testing.assert_allclose(
        ours[0] / positions, theirs[0] / positions, atol=MEAN_TOLERANCE, rtol=0
    )
    assert len(ours) == len(theirs)
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        assert one.dtype == jnp.float32
        largest = jnp.abs(other).max()
        np.testing.assert_allclose(one / largest, other / largest, atol=GRADIENT_TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("shape", "similarity", "weighted"),
    [
        ((1, 11, 11, 3), GAUSSIAN, False),
        ((2, 12, 13, 1), GAUSSIAN, True),
        ((2, 97, 131, 3), UNIFORM, True),
        ((1, 40, 300, 1), LOPSIDED, False),
    ],
)
def test_sums_and_gradients_equal_the_reference(rng, shape, similarity, weighted):
    operands = make_pair(rng, shape)
    if weighted:
        operands = (*operands, make_weights(rng, shape, similarity))
    reach = len(similarity.window) - 1
    positions = (shape[1] - reach) * (shape[2] - reach)
    ours = gpu.sums(*operands, similarity=similarity, interpret=True)
    expected = reference.sums(*operands, similarity=similarity)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one / positions, other / positions, atol=MEAN_TOLERANCE, rtol=0)
    ours = gpu.gradient(*operands, similarity=similarity, interpret=True, **BOTH)
    assert_same_gradient(
        ours, reference.gradient(*operands, similarity=similarity, **BOTH), positions
    )


@pytest.mark.parametrize(
    ("luminance", "wrt"), [(True, (True, False)), (True, (False, True)), (False, (False, True))]
)
def test_only_the_gradient_asked_for_is_returned(rng, luminance, wrt):
    x, y = make_pair(rng, (1, 20, 101, 3))
    parameters = {"similarity": LOPSIDED, "luminance": luminance, "wrt": wrt}
    ours = gpu.gradient(x, y, interpret=True, **parameters)
    assert_same_gradient(ours, reference.gradient(x, y, **parameters), 18 * 99)


@pytest.mark.parametrize("luminance", [True, False])
def test_maps_equal_the_reference(rng, luminance):
    x, y = make_pair(rng, (2, 37, 141, 3))
    parameters = {"similarity": UNIFORM, "luminance": luminance}
    ours = gpu.comparison_map(x, y, interpret=True, **parameters)
    np.testing.assert_allclose(ours, reference.comparison_map(x, y, **parameters), atol=1e-5)


def test_a_long_window_gives_a_thread_one_pixel(rng):
    x, y = make_pair(rng, (1, 21, 25, 1))
    similarity = Similarity(tuple(uniform_window(19).tolist()), 1e-4, 9e-4)
    ours = gpu.comparison_map(x, y, similarity=similarity, luminance=True, interpret=True)
    expected = reference.comparison_map(x, y, similarity=similarity, luminance=True)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, np.uint8, np.uint16])
def test_other_dtypes_are_read_as_they_are(rng, dtype):
    x, y = make_pair(rng, (1, 30, 33, 3), dtype)
    top = float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0
    similarity = Similarity(UNIFORM.window, 1e-4 * top**2, 9e-4 * top**2)
    ours = gpu.sums(x, y, similarity=similarity, interpret=True)
    for one, other in zip(ours, reference.sums(x, y, similarity=similarity), strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_equal_images_give_exactly_one(rng):
    x, _ = make_pair(rng, (2, 57, 61, 3))
    for total in gpu.sums(x, x, similarity=GAUSSIAN, interpret=True):
        np.testing.assert_array_equal(total, 47 * 51)
    ones = gpu.comparison_map(x, x, similarity=GAUSSIAN, luminance=True, interpret=True)
    np.testing.assert_array_equal(ones, 1)


@pytest.mark.parametrize(
    ("shape", "rows", "columns", "stride"),
    [
        ((2, 29, 131, 3), GAUSSIAN.window, (0.5, 0.3, 0.2), 1),
        ((2, 29, 32, 3), GAUSSIAN.window, (0.1, 0.2, 0.3, 0.4), 2),
        ((1, 97, 130, 3), (0.5, 0.5), (0.5, 0.5), 2),
        ((1, 40, 51, 1), (0.1, 0.2, 0.3), (0.4, 0.3, 0.2, 0.1), 3),
    ],
)
def test_correlations_equal_the_reference(rng, shape, rows, columns, stride):
    window = {"rows": rows, "columns": columns, "stride": stride}
    image = jnp.asarray(rng.standard_normal(shape), jnp.float32)
    ours = separable_gpu.correlation(image, interpret=True, **window)
    expected = separable_reference.correlation(image, **window)
    np.testing.assert_allclose(ours, expected, atol=MEAN_TOLERANCE)
    window["size"] = shape[1:3]
    ours = separable_gpu.adjoint(expected, interpret=True, **window)
    expected = separable_reference.adjoint(expected, **window)
    np.testing.assert_allclose(ours, expected, atol=MEAN_TOLERANCE)


def test_half_precision_is_rounded_once(rng):
    window = {"rows": (0.5, 0.3), "columns": (0.4, 0.6), "stride": 1}
    image = jnp.asarray(rng.standard_normal((1, 20, 21, 1)), jnp.bfloat16)
    ours = separable_gpu.correlation(image, interpret=True, **window)
    expected = separable_reference.correlation(image.astype(jnp.float32), **window)
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_allclose(ours.astype(jnp.float32), expected, rtol=2**-8, atol=1e-6)


def check_indices(monkeypatch):
    """Makes every load and every store inside its mask fail the test if it is out of bounds."""
    outside = []

    def check(ref, mask):
        (index,) = ref.transforms[0].indices
        size = ref.ref.aval.shape[0]
        wrong = (index < 0) | (index >= size)
        if mask is not None:
            wrong &= mask
        jax.debug.callback(lambda count: outside.append(int(count)), jnp.sum(wrong))

    def load(ref, **options):
        check(ref, options.get("mask"))
        return original_load(ref, **options)

    def store(ref, value, **options):
        check(ref, options.get("mask"))
        return original_store(ref, value, **options)

    original_load, original_store = triton.load, triton.store
    monkeypatch.setattr(triton, "load", load)
    monkeypatch.setattr(triton, "store", store)
    return outside


def test_nothing_outside_an_image_is_read_or_written(rng, monkeypatch):
    outside = check_indices(monkeypatch)
    x, y = make_pair(rng, SEVERAL_PROGRAMS)
    weights = make_weights(rng, x.shape, LOPSIDED)
    gpu.sums(x, y, weights, similarity=LOPSIDED, interpret=True)
    gpu.comparison_map(x, y, similarity=LOPSIDED, luminance=True, interpret=True)
    gpu.gradient(x, y, weights, similarity=LOPSIDED, interpret=True, **BOTH)
    for stride in (1, 2):
        window = {"rows": (0.5, 0.3, 0.2), "columns": (0.5, 0.5), "stride": stride}
        small = separable_gpu.correlation(x, interpret=True, **window)
        separable_gpu.adjoint(small, size=x.shape[1:3], interpret=True, **window)
    jax.effects_barrier()
    assert len(outside) > 100
    assert not any(outside)


def test_a_read_outside_an_image_is_noticed(rng, monkeypatch):
    outside = check_indices(monkeypatch)
    monkeypatch.setattr(pair, "clamp", lambda index, size: index)  # noqa: ARG005
    x, y = make_pair(rng, (1, 7, 9, 3))
    gpu.sums(x, y, similarity=LOPSIDED, interpret=True)
    jax.effects_barrier()
    assert any(outside)


def lower(function, *operands):
    """The module of a function lowered for CUDA, where no GPU is."""
    triton_call = jax.export.DisabledSafetyCheck.custom_call("__gpu$xla.gpu.triton")
    shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in operands]
    exported = jax.export.export(
        jax.jit(function), platforms=["cuda"], disabled_checks=[triton_call]
    )
    return exported(*shapes).mlir_module()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_kernels_lower_for_cuda(rng, dtype):
    x, y = make_pair(rng, (1, 33, 35, 3), dtype)
    for function in (
        partial(gpu.sums, similarity=GAUSSIAN),
        partial(gpu.comparison_map, similarity=UNIFORM, luminance=True),
        partial(gpu.gradient, similarity=GAUSSIAN, **BOTH),
    ):
        assert "xla.gpu.triton" in lower(function, x, y)


@pytest.mark.parametrize("stride", [1, 2])
def test_correlations_lower_for_cuda(rng, stride):
    image, _ = make_pair(rng, (1, 33, 35, 3))
    window = {"rows": GAUSSIAN.window, "columns": UNIFORM.window, "stride": stride}
    small = jax.eval_shape(partial(separable_reference.correlation, **window), image)
    assert "xla.gpu.triton" in lower(partial(separable_gpu.correlation, **window), image)
    adjoint = partial(separable_gpu.adjoint, size=(33, 35), **window)
    assert "xla.gpu.triton" in lower(adjoint, small)


def test_a_metric_lowers_for_cuda_with_this_form(rng):
    x, y = make_pair(rng, (33, 35, 3))
    assert "xla.gpu.triton" in lower(jax.value_and_grad(jiqa.ssim, 1), x, y)


def test_what_does_not_fit_is_left_to_the_next_form():
    def choose(taps, channels=3, dtype=jnp.float32, function="gradient"):
        image = jax.ShapeDtypeStruct((1, 64, 64, channels), dtype)
        similarity = Similarity((1 / taps,) * taps, 1e-4, 9e-4)
        package = "jiqa.kernels.ssim_statistics"
        parameters = (
            {"similarity": similarity, **BOTH}
            if function == "gradient"
            else {"similarity": similarity}
        )
        return choose_form(package, function, [image, image], "cuda", **parameters)

    assert PREFERENCES["cuda"][0] == "gpu"
    assert choose(11) == "gpu"
    assert choose(19) == "reference"
    assert choose(19, function="sums") == "gpu"
    assert choose(11, dtype=jnp.float64) == "reference"
    assert choose(11, channels=64) == "reference"
