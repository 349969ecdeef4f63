"""What every metric of one image owes: finite gradients, right gradients, batches, clear errors."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.testing import assert_allclose

import jiqa
from jiqa.core.color import luma

METRICS = [
    name
    for name in jiqa.list_metrics("no_reference")
    if not (jiqa.find(name).options or jiqa.find(name).learned)
]
DIFFERENTIABLE = [name for name in METRICS if jiqa.load(name).differentiable]
# Options that make a metric cheap, or smooth where it would round.
SMALL = {
    "brisque": {"luma": "bt601", "nearest": False},
    "il_niqe": {"side": 32, "block_size": 16, "nearest": False, "rounded": False},
    "niqe": {"luma": "bt601", "block_size": 16, "nearest": False},
    "spectral_blockiness": {"median_size": 3},
}
SIDE = {"cpbd": 64, "jnb": 64, "lpc_si": 32, "niqe": 32, "spectral_blockiness": 24}
# A coefficient that changes its sign changes how many its side has: a jump, met in longer steps.
STEP = {"il_niqe": 1e-8}


def options(name):
    return SMALL.get(name, {})


def takes(name, option):
    return option in inspect.signature(jiqa.load(name).function).parameters


def shape(name, channels=3):
    side = SIDE.get(name, 16)
    return (side + 1, side + 4, channels)


def random_image(name, rng, batch=(), dtype=np.float64):
    """Noise on blocks of 8 x 8 pixels, with edges wide and narrow."""
    height, width, channels = shape(name)
    coarse = rng.random((*batch, height // 8 + 1, width // 8 + 1, channels))
    blocks = coarse.repeat(8, axis=-3).repeat(8, axis=-2)[..., :height, :width, :]
    return (0.1 + 0.6 * blocks + 0.2 * rng.random(blocks.shape)).astype(dtype)


@pytest.mark.parametrize("name", METRICS)
def test_score_is_in_the_declared_range(name, rng):
    metric = jiqa.load(name)
    assert metric.identical is None
    score = metric(random_image(name, rng), **options(name))
    assert score.shape == ()
    assert metric.score_range[0] <= score <= metric.score_range[1]


@pytest.mark.parametrize("name", METRICS)
def test_batches_vmap_shardings_and_scan_give_the_same_score(name, rng):
    images = random_image(name, rng, batch=(8,))

    def score(x):
        return jiqa.load(name)(x, **options(name))

    _, scanned = jax.lax.scan(lambda _, image: (0, score(image)), 0, images)
    mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("rows", "columns"))
    spec = PartitionSpec("rows", "columns")
    nested = images.reshape(2, 4, *shape(name))
    sharded = jax.device_put(nested, NamedSharding(mesh, spec))
    assert_allclose(jax.jit(score)(sharded), scanned.reshape(2, 4), rtol=1e-10)
    mapped = jax.shard_map(jax.vmap(jax.vmap(score)), mesh=mesh, in_specs=spec, out_specs=spec)
    assert_allclose(jax.jit(mapped)(nested), scanned.reshape(2, 4), rtol=1e-10)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_equals_finite_differences(name, rng):
    image = random_image(name, rng)
    direction = rng.standard_normal(image.shape)
    metric = functools.partial(jiqa.load(name), **options(name))
    score = jax.jit(jax.value_and_grad(lambda x: metric(x)))

    def along(step):
        value, _ = score(image + step * direction)
        return value

    _, gradient = score(image)
    step = STEP.get(name, 1e-6)
    difference = (along(step) - along(-step)) / (2 * step)
    # Central differences with such steps are good to about 1e-8 of the largest slope.
    assert_allclose(np.sum(gradient * direction), difference, rtol=1e-5, atol=1e-8)


def degenerate_images(name):
    rng = np.random.default_rng(1)
    black = np.zeros(shape(name))
    dot = black.copy()
    dot[5, 7] = 1.0
    ramp = np.broadcast_to(np.linspace(0, 1, shape(name)[1])[:, None], shape(name))
    return {
        "black": black,
        "gray": black + 0.5,
        "white": black + 1.0,
        "one colour": black + np.array([0.0, 0.5, 1.0]),
        "one dot on black": dot,
        "ramp": ramp,
        "tiny noise": 0.5 + 1e-8 * rng.random(shape(name)),
        "tiny noise on black": 1e-8 * rng.random(shape(name)),
    }


@pytest.mark.parametrize("name", METRICS)
def test_degenerate_images_are_finite(name):
    metric = jiqa.load(name)
    cases = degenerate_images(name)
    images = jnp.stack(list(cases.values())).astype(np.float32)

    def total(x):
        values = metric(x, **options(name))
        return jnp.sum(values), values

    derive = jax.grad(total, has_aux=True) if metric.differentiable else lambda x: (x, total(x)[1])
    gradients, values = jax.jit(derive)(images)
    for case, value, gradient in zip(cases, values, gradients, strict=True):
        assert jnp.isfinite(value), case
        assert metric.score_range[0] <= value <= metric.score_range[1] + 1e-6, case
        assert jnp.all(jnp.isfinite(gradient)), case


@pytest.mark.parametrize("name", METRICS)
def test_unsigned_integers_carry_their_range(name, rng):
    image = np.round(255 * random_image(name, rng)).astype(np.uint8)
    same = jiqa.load(name)(image.astype(np.float32), data_range=255, **options(name))
    assert jiqa.load(name)(image, **options(name)) == same


@pytest.mark.parametrize("name", METRICS)
def test_half_precision_is_computed_in_single(name, rng):
    image = random_image(name, rng, dtype=jnp.bfloat16)
    score = jiqa.load(name)(image, **options(name))
    assert score.dtype == jnp.float32
    assert score == jiqa.load(name)(image.astype(np.float32), **options(name))


@pytest.mark.parametrize("name", METRICS)
def test_luma_is_a_gray_image_of_its_own(name, rng):
    image = random_image(name, rng)
    metric = functools.partial(jiqa.load(name), **options(name))
    gray = metric(luma(jnp.asarray(image), "bt709"))
    assert jnp.isfinite(gray)
    if takes(name, "luma"):
        metric = functools.partial(jiqa.load(name), **{**options(name), "luma": "bt709"})
        assert_allclose(metric(image), gray, rtol=1e-9)


@pytest.mark.parametrize("name", ["entropy", "total_variation"])
def test_a_constant_image_inside_a_traced_function_is_checked_too(name, rng):
    image = jnp.asarray(random_image(name, rng))
    metric = functools.partial(jiqa.load(name), **options(name))
    assert_allclose(jax.jit(lambda: metric(image))(), metric(image), rtol=1e-9)
    too_bright = 200 * image
    with pytest.raises(ValueError, match="data_range"):
        jax.jit(lambda: metric(too_bright))()


BAD = {
    "rank": (np.zeros((64, 64)), {}, ValueError, r"Add the channel axis"),
    "channels first": (np.zeros((3, 64, 64)), {}, ValueError, r"jnp.moveaxis"),
    "four channels": (np.zeros((64, 64, 4)), {}, ValueError, r"1 or 3 channels"),
    "no pixels": (np.zeros((0, 64, 3)), {}, ValueError, r"at least one pixel"),
    "not a number": (np.full((64, 64, 3), np.nan), {}, ValueError, r"NaN or infinite"),
    "range": (np.full((64, 64, 3), 200.0), {}, ValueError, r"pass data_range=255, or divide"),
    "negative": (np.full((64, 64, 3), -1.0), {}, ValueError, r"map \[-1, 1\] to \[0, 1\]"),
    "contradiction": (
        np.zeros((64, 64, 3), np.uint8),
        {"data_range": 1.0},
        ValueError,
        r"contradicts dtype uint8",
    ),
    "signed": (np.zeros((64, 64, 3), np.int32), {}, TypeError, r"uint8 or uint16"),
    "list": ([[[0.0]]], {}, TypeError, r"NumPy or JAX array"),
    "unknown option": (np.zeros((64, 64, 3)), {"windw": 3}, TypeError, r"no option windw"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", METRICS)
def test_bad_input_is_a_clear_error(name, case):
    image, extra, error, message = BAD[case]
    with pytest.raises(error, match=message):
        jiqa.load(name)(image, **{**options(name), **extra})


@pytest.mark.parametrize("name", METRICS)
def test_two_images_and_unknown_luma_are_clear_errors(name):
    image = np.zeros(shape(name))
    with pytest.raises(TypeError, match=r"takes image, then keyword arguments"):
        jiqa.load(name)(image, image)
    if takes(name, "luma"):
        with pytest.raises(ValueError, match="matlab"):
            jiqa.load(name)(image, **{**options(name), "luma": "grey"})


@pytest.mark.parametrize("name", [name for name in METRICS if takes(name, "weights")])
def test_weights_choose_where_to_look(name, rng):
    image = random_image(name, rng)
    image[:, : shape(name)[1] // 2] = 0.5
    image[-2:, -2:] = 1.0
    metric = functools.partial(jiqa.load(name), **options(name))
    ones = np.ones(image.shape[:2])
    plain = metric(image)
    assert_allclose(metric(image, weights=0.3 * ones), plain, rtol=1e-9)
    assert_allclose(metric(image, weights=0 * ones), plain, rtol=1e-9)
    left = ones * (np.arange(image.shape[1]) < 0.25 * image.shape[1])
    assert abs(metric(image, weights=left) - plain) > 1e-3
    with pytest.raises(ValueError, match="weights"):
        metric(image, weights=ones[:-1])
