"""The kernels in C++: their numbers against the reference, and that all goes on without them."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.kernels import native as library
from jiqa.kernels.forms import choose_form
from jiqa.kernels.ssim_statistics import Similarity, native, reference, ssim_statistics
from tests.kernels.pairs import GAUSSIAN, LOPSIDED, UNIFORM, make_pair, make_weights

DTYPES = ["float32", "bfloat16", "float16", "uint8", "uint16"]

# One row of windows, several blocks of columns, several bands of rows, rows left over of each.
SHAPES = [(1, 11, 11, 3), (1, 12, 13, 3), (3, 97, 131, 1), (2, 64, 300, 3), (1, 301, 30, 2)]

CASES = [
    *((shape, GAUSSIAN) for shape in SHAPES),
    (SHAPES[1], UNIFORM),
    (SHAPES[3], UNIFORM),
    (SHAPES[2], LOPSIDED),
]

# Both round in float32, in other orders; a gradient divides differences of moments by c2.
MEAN_TOLERANCE = 2e-6
GRADIENT_TOLERANCE = 2e-5

needs_kernels = pytest.mark.skipif(not library.available(), reason="no native kernels here")
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no compiler here"
)


@needs_kernels
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("shape", "similarity"), CASES)
def test_sums_and_gradients_are_those_of_the_reference(rng, shape, similarity, weighted):
    x, y = make_pair(rng, shape)
    spread = make_weights(rng, shape, similarity)
    weights, positions = (spread,) if weighted else (), spread[0, ..., 0].size
    ours = native.sums(x, y, *weights, similarity=similarity)
    theirs = reference.sums(x, y, *weights, similarity=similarity)
    np.testing.assert_allclose(
        np.stack(ours) / positions, np.stack(theirs) / positions, atol=MEAN_TOLERANCE
    )
    for luminance in (True, False):
        parameters = {"similarity": similarity, "luminance": luminance}
        total, *gradients = native.gradient(x, y, *weights, wrt=(True, True), **parameters)
        wanted, *expected = reference.gradient(x, y, *weights, wrt=(True, True), **parameters)
        np.testing.assert_allclose(total / positions, wanted / positions, atol=MEAN_TOLERANCE)
        for mine, truth in zip(gradients, expected, strict=True):
            largest = jnp.abs(truth).max()
            np.testing.assert_allclose(mine / largest, truth / largest, atol=GRADIENT_TOLERANCE)


@needs_kernels
@pytest.mark.parametrize("wrt", [(True, False), (False, True)])
def test_one_gradient_is_that_of_both(rng, wrt):
    x, y = make_pair(rng, (2, 40, 45, 3))
    parameters = {"similarity": GAUSSIAN, "luminance": True}
    total, *both = native.gradient(x, y, wrt=(True, True), **parameters)
    alone, *one = native.gradient(x, y, wrt=wrt, **parameters)
    assert len(one) == 1
    np.testing.assert_allclose(alone, total, rtol=1e-6)
    scale = float(jnp.abs(both[0]).max())
    np.testing.assert_allclose(one[0], both[wrt.index(True)], atol=1e-6 * scale)


@needs_kernels
@pytest.mark.parametrize("luminance", [True, False])
@pytest.mark.parametrize(("shape", "similarity"), CASES)
def test_maps_are_those_of_the_reference(rng, shape, similarity, luminance):
    x, y = make_pair(rng, shape)
    parameters = {"similarity": similarity, "luminance": luminance}
    np.testing.assert_allclose(
        native.comparison_map(x, y, **parameters),
        reference.comparison_map(x, y, **parameters),
        atol=1e-5,
    )


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_read_as_it_is(rng, dtype):
    x, y = make_pair(rng, (2, 70, 61, 3), dtype)
    top = float(np.iinfo(dtype).max) if dtype.startswith("uint") else 1.0
    similarity = Similarity(GAUSSIAN.window, 1e-4 * top**2, 9e-4 * top**2)
    wide = x.astype(jnp.float32), y.astype(jnp.float32)
    for compute in (
        partial(native.sums, similarity=similarity),
        partial(native.gradient, similarity=similarity, luminance=True, wrt=(True, True)),
    ):
        for ours, theirs in zip(compute(x, y), compute(*wide), strict=True):
            assert ours.dtype == jnp.float32
            np.testing.assert_array_equal(ours, theirs)


@needs_kernels
@pytest.mark.parametrize("bits", [0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF])
def test_every_kind_of_half_is_converted(bits):
    value = np.full((1, 12, 20, 1), bits, np.uint16).view(np.float16)
    top = float(value.max())
    similarity = Similarity((1.0,), top**2, top**2)
    black = jnp.zeros_like(jnp.asarray(value))
    ssim, _ = native.sums(jnp.asarray(value), black, similarity=similarity)
    np.testing.assert_allclose(ssim / (12 * 20), 0.5, rtol=1e-6)  # c1 / (x^2 + c1) with c1 = x^2


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("similarity", [GAUSSIAN, UNIFORM, LOPSIDED])
def test_equal_images_give_exactly_one_and_no_slope(rng, dtype, similarity):
    x, _ = make_pair(rng, (2, 57, 261, 3), dtype)
    reach = len(similarity.window) - 1
    for total in native.sums(x, x, similarity=similarity):
        np.testing.assert_array_equal(total, (57 - reach) * (261 - reach))
    parameters = {"similarity": similarity, "luminance": True}
    np.testing.assert_array_equal(native.comparison_map(x, x, **parameters), 1)
    _, *gradients = native.gradient(x, x, wrt=(True, True), **parameters)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0)


@needs_kernels
def test_results_do_not_depend_on_the_batch(rng):
    x, y = make_pair(rng, (5, 150, 64, 3))
    for compute in (
        partial(native.sums, similarity=GAUSSIAN),
        partial(native.gradient, similarity=GAUSSIAN, luminance=True, wrt=(False, True)),
    ):
        for whole, alone in zip(compute(x, y), compute(x[3:4], y[3:4]), strict=True):
            np.testing.assert_array_equal(whole[3:4], alone)


@needs_kernels
def test_a_broken_pixel_spreads_no_further_than_its_windows(rng):
    x, y = make_pair(rng, (1, 40, 50, 3))
    x = x.at[0, 20, 25, 1].set(jnp.nan)
    broken = jnp.isnan(native.comparison_map(x, y, similarity=GAUSSIAN, luminance=True))
    expected = jnp.zeros((1, 30, 40, 3), bool).at[0, 10:21, 15:26, 1].set(True)
    np.testing.assert_array_equal(broken, expected)


@needs_kernels
def test_several_threads_may_call_at_once(rng):
    x, y = make_pair(rng, (2, 200, 100, 3))
    compute = jax.jit(partial(native.sums, similarity=GAUSSIAN))
    expected = compute(x, y)[0]
    with ThreadPoolExecutor(8) as pool:
        for total, _ in pool.map(lambda _: compute(x, y), range(40)):
            np.testing.assert_array_equal(total, expected)


@needs_kernels
def test_an_empty_batch_is_empty():
    nothing = jnp.zeros((0, 20, 20, 3), jnp.float32)
    total, gradient = native.gradient(
        nothing, nothing, similarity=GAUSSIAN, luminance=True, wrt=(False, True)
    )
    assert total.shape == (0, 3)
    assert gradient.shape == nothing.shape


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 12, 13, 1), "float32"), ((1, 64, 64, 3), "float64")]
)
def test_what_they_do_not_take_falls_to_another_form(rng, shape, dtype):
    x = jnp.asarray(rng.random(shape), dtype)
    form = choose_form(
        "jiqa.kernels.ssim_statistics", "sums", [x, x], "cpu", "native", similarity=GAUSSIAN
    )
    assert form != "native"
    ssim = ssim_statistics(x, x, GAUSSIAN, implementation="native").ssim
    np.testing.assert_allclose(ssim, 1, rtol=1e-6)


SCORE = """
import os
if os.environ.get("ONE_CORE"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import jax.numpy as jnp
from jiqa.kernels import native
from jiqa.kernels.ssim_statistics import Similarity, ssim_statistics
x = jnp.linspace(0, 1, 256 * 256 * 3, dtype=jnp.float32).reshape(256, 256, 3)
ssim = ssim_statistics(x, x, Similarity((0.1,) * 10, 1e-4, 9e-4)).ssim
print(native.available(), *ssim.round(5))
"""


def start(**environment):
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", SCORE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output.split(), errors


def test_the_environment_turns_them_off():
    output, errors = finish(start(JIQA_NATIVE="0"))
    assert output == ["False", "1.0", "1.0", "1.0"]
    assert errors == ""


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_that_works_other_forms_are_used(tmp_path, compiler):
    output, errors = finish(start(CXX=compiler, XDG_CACHE_HOME=str(tmp_path)))
    assert output == ["False", "1.0", "1.0", "1.0"]
    assert errors == ""
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@needs_kernels
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to bind to a core")
def test_one_core_is_enough():
    assert finish(start(ONE_CORE="1"))[0] == ["True", "1.0", "1.0", "1.0"]


@pytest.mark.slow
@needs_compiler
def test_two_processes_may_build_at_once(tmp_path):
    for process in [start(XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]:
        assert finish(process)[0] == ["True", "1.0", "1.0", "1.0"]
    left = list((tmp_path / "jiqa").iterdir())
    assert all(path.suffix == ".so" for path in left)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and builds that only copy what was built before."""
    (built,) = library.cache_folder().glob(f"{library.library_name(library.find_compiler())}-*.so")
    content = built.read_bytes()

    def build(compiler, workplace):  # noqa: ARG001
        (workplace / "native.so").write_bytes(content)
        return workplace / "native.so"

    monkeypatch.setattr(library, "build", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "jiqa"


@needs_kernels
@pytest.mark.parametrize("damage", [b"", b"no library", None])
def test_a_damaged_library_is_built_again(cache, damage):
    library.load()
    (path,) = cache.iterdir()
    content = path.read_bytes()
    path.unlink()  # not written over: it is in use
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    library.load()
    (path,) = cache.iterdir()
    assert path.read_bytes() == content


@needs_kernels
def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "jiqa").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert library._register.__wrapped__() is False
