"""The form for TPUs, interpreted, against the reference; and faults that must be caught."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.pallas.mosaic.interpret import interpret_pallas_call
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from jiqa.kernels.separable import reference as separable_reference
from jiqa.kernels.separable import tpu as separable_tpu
from jiqa.kernels.ssim_statistics import reference, tpu
from jiqa.kernels.tiles import MOST_COLUMNS, Tiling
from tests.kernels.pairs import GAUSSIAN, LOPSIDED, UNIFORM, make_pair, make_weights

# Rounding of float32 in another order of addition; that of the gradient is magnified by 1 / c2.
MEAN_TOLERANCE, GRADIENT_TOLERANCE = 2e-6, 3e-5


@pytest.mark.parametrize(
    ("shape", "similarity", "weighted"),
    [
        ((1, 11, 11, 3), GAUSSIAN, False),
        ((2, 12, 13, 1), GAUSSIAN, True),
        ((1, 97, 131, 3), UNIFORM, True),
        ((1, 150, 2000, 1), GAUSSIAN, True),  # several blocks along both axes
        ((1, 133, 130, 1), LOPSIDED, False),  # the images have more blocks than the map
    ],
)
def test_sums_and_gradients_equal_the_reference(rng, shape, similarity, weighted):
    reach = len(similarity.window) - 1
    operands = make_pair(rng, shape)
    if weighted:
        operands = (*operands, make_weights(rng, shape, similarity))
    positions = (shape[1] - reach) * (shape[2] - reach)
    expected = jax.jit(partial(reference.sums, similarity=similarity))(*operands)
    ours = tpu.sums(*operands, similarity=similarity, interpret=True)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one / positions, other / positions, atol=MEAN_TOLERANCE)
    parameters = {"similarity": similarity, "luminance": True, "wrt": (True, True)}
    total, *slopes = tpu.gradient(*operands, interpret=True, **parameters)
    truth, *expected = jax.jit(partial(reference.gradient, **parameters))(*operands)
    np.testing.assert_allclose(total / positions, truth / positions, atol=MEAN_TOLERANCE)
    for one, other in zip(slopes, expected, strict=True):
        largest = jnp.abs(other).max()
        np.testing.assert_allclose(one / largest, other / largest, atol=GRADIENT_TOLERANCE)


@pytest.mark.parametrize("luminance", [True, False])
def test_maps_and_single_gradients_equal_the_reference(rng, luminance):
    x, y = make_pair(rng, (1, 37, 141, 2))
    parameters = {"similarity": GAUSSIAN, "luminance": luminance}
    ours = tpu.comparison_map(x, y, interpret=True, **parameters)
    np.testing.assert_allclose(ours, reference.comparison_map(x, y, **parameters), atol=1e-5)
    parameters["wrt"] = (luminance, not luminance)
    _, expected = reference.gradient(x, y, **parameters)
    _, slope = tpu.gradient(x, y, interpret=True, **parameters)
    np.testing.assert_allclose(slope, expected, atol=2e-4)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.uint8])
def test_other_dtypes_are_read_as_they_are(rng, dtype):
    x, y = make_pair(rng, (1, 30, 33, 1), dtype)
    expected = reference.sums(x, y, similarity=UNIFORM)
    ours = tpu.sums(x, y, similarity=UNIFORM, interpret=True)
    np.testing.assert_allclose(ours[0], expected[0], rtol=1e-5)


def test_equal_images_give_exactly_one(rng):
    x, _ = make_pair(rng, (2, 57, 61, 1))
    for total in tpu.sums(x, x, similarity=GAUSSIAN, interpret=True):
        np.testing.assert_array_equal(total, 47 * 51)


@pytest.mark.parametrize(
    ("shape", "taps", "stride"),
    [
        ((1, 17, 30, 1), (11, 11), 1),
        ((1, 18, 31, 1), (17, 3), 2),
        ((2, 139, 141, 3), (8, 5), 1),
        ((2, 269, 141, 3), (11, 11), 2),  # several blocks along the rows
        ((1, 20, 2000, 1), (1, 30), 1),  # and along the columns
        ((1, 20, 2000, 1), (5, 8), 2),
    ],
)
def test_separable_equals_the_reference(rng, shape, taps, stride):
    window = {"rows": rng.random(taps[0]).tolist(), "columns": rng.random(taps[1]).tolist()}
    x = jnp.asarray(rng.random(shape), jnp.float32)
    expected = separable_reference.correlation(x, stride=stride, **window)
    ours = separable_tpu.correlation(x, stride=stride, interpret=True, **window)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    size = shape[1:3]
    np.testing.assert_allclose(
        separable_tpu.adjoint(expected, stride=stride, size=size, interpret=True, **window),
        separable_reference.adjoint(expected, stride=stride, size=size, **window),
        rtol=1e-5,
        atol=1e-5,
    )


def find_fault(function, *operands):
    """What the interpreter of TPU memory finds wrong with a kernel: a word, or None."""
    parameters = pltpu.InterpretParams(detect_races=True, dma_execution_mode="on_wait")
    try:
        results = jax.block_until_ready(function(*operands, interpret=parameters))
        races = interpret_pallas_call.races
        if races is not None and races.races_found:
            return "race"
    except Exception as error:  # raised inside a callback, so of the runtime's own type
        if "out of bound" in str(error).lower().replace("-", " "):
            return "bounds"
        raise
    finally:
        pltpu.reset_tpu_interpret_mode_state()
    if not all(bool(jnp.isfinite(each).all()) for each in jax.tree.leaves(results)):
        return "uninitialised"
    return None


def test_no_fault_is_found(rng):
    x, y = make_pair(rng, (1, 75, 135, 1))
    parameters = {"similarity": GAUSSIAN, "luminance": True, "wrt": (True, True)}
    assert find_fault(partial(tpu.sums, similarity=GAUSSIAN), x, y) is None
    assert find_fault(partial(tpu.gradient, **parameters), x, y) is None


def copied(x, wait_first=True, offset=0, *, interpret):
    """A kernel that copies its input to vector memory and reads it from there."""

    def body(source, result, scratch, semaphore):
        copy = pltpu.make_async_copy(source.at[pl.ds(offset, 8)], scratch, semaphore)
        copy.start()
        if wait_first:
            copy.wait()
        result[...] = scratch[...]
        if not wait_first:
            copy.wait()

    return pl.pallas_call(
        body,
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)],
        out_shape=jax.ShapeDtypeStruct((8, 128), x.dtype),
        scratch_shapes=[pltpu.VMEM((8, 128), x.dtype), pltpu.SemaphoreType.DMA],
        interpret=interpret,
    )(x)


def overwritten(x, *, interpret):
    """A kernel that writes where an unfinished copy writes too."""

    def body(source, result, semaphore):
        copy = pltpu.make_async_copy(source, result, semaphore)
        copy.start()
        result[...] = jnp.zeros_like(result)
        copy.wait()

    return pl.pallas_call(
        body,
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)],
        out_shape=jax.ShapeDtypeStruct((8, 128), x.dtype),
        out_specs=pl.BlockSpec(memory_space=pltpu.VMEM),
        scratch_shapes=[pltpu.SemaphoreType.DMA],
        interpret=interpret,
    )(x)


def test_planted_faults_are_found():
    x = jnp.ones((16, 128), jnp.float32)
    assert find_fault(copied, x) is None
    assert find_fault(partial(copied, wait_first=False), x) in ("race", "uninitialised")
    assert find_fault(partial(copied, offset=12), x) == "bounds"
    assert find_fault(overwritten, x[:8]) == "race"


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(11, 11), (138, 522), (139, 523), (1080, 1920), (2160, 3840)])
def test_blocks_cover_everything(size, stride):
    results = tuple((length - 11) // stride + 1 for length in size)
    tiling = Tiling.cut(results, size, (11, 11), jnp.float32, stride)
    (rows, columns), width = tiling.grid, tiling.width
    assert rows * 128 >= results[0] > (rows - 1) * 128
    assert columns * width >= results[1] > (columns - 1) * width
    assert (columns - 1) * tiling.across + tiling.read_columns >= size[1] - stride + 1
    assert tiling.read_columns <= MOST_COLUMNS
