"""What every registered metric owes: finite gradients, right gradients, batches, clear errors."""

import dataclasses
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
    for name in jiqa.list_metrics()
    if jiqa.find(name).needs_reference and not (jiqa.find(name).options or jiqa.find(name).learned)
]
DIFFERENTIABLE = [name for name in METRICS if jiqa.load(name).differentiable]
# Multi-scale metrics run on small images by a smaller window.
SMALL = {
    "flip": {"pixels_per_degree": 20.0},
    "gmsd": {"luma": "bt601"},
    "ms_ssim": {"window_size": 3},
    "iw_ssim": {"window_size": 5},
    "mad": {"luma": "bt601"},
    "redlog": {"levels": 3},
    "rfsim": {"luma": "bt601"},
    "rred": {"luma": "bt601"},
}
SIDE = {
    "adm": 32,
    "butteraugli": 12,
    "cw_ssim": 56,
    "dss": 32,
    "ifc": 72,
    "iw_ssim": 80,
    "mad": 34,
    "ms_ssim": 48,
    "redlog": 32,
    "rr_ssim": 64,
    "rr_svd_projection": 40,
    "rred": 40,
    "wavelet_nss": 64,
    "s_cielab": 24,
    "ssim": 32,
    "vif": 72,
    "vif_p": 48,
    "vmaf": 32,
}
# White noise of full range hides every error from them, as it does from the eye.
MASKED = {"mad"}
# The information that equal images share depends on the image.
NO_IDENTICAL_SCORE = {"ifc"}


def takes(name, option):
    """Whether a metric has an option; those defined on colours cannot take luma."""
    return option in inspect.signature(jiqa.load(name).function).parameters


def options(name):
    return SMALL.get(name, {})


def shape(name, channels=3):
    side = SIDE.get(name, 16)
    return (side + 1, side + 4, channels)


def random_pair(name, rng, batch=(), dtype=np.float64):
    reference = rng.random((*batch, *shape(name)))
    if name in MASKED:
        reference = 0.4 + 0.2 * reference
    distorted = np.clip(reference + 0.2 * rng.standard_normal(reference.shape), 0, 1)
    return reference.astype(dtype), distorted.astype(dtype)


def badness(name, **given):
    """The loss of a metric, also of one without gradient."""
    return jiqa.as_loss(dataclasses.replace(jiqa.load(name), differentiable=True), **given)


@pytest.mark.parametrize("name", METRICS)
def test_identical_images_have_the_declared_score(name, rng):
    reference, distorted = random_pair(name, rng)
    metric = jiqa.load(name)
    score = metric(reference, distorted, **options(name))
    assert metric.score_range[0] <= score <= metric.score_range[1]
    if name in NO_IDENTICAL_SCORE:
        assert metric.identical is None
        assert metric(reference, reference, **options(name)) > 2 * score
        return
    assert_allclose(metric(reference, reference, **options(name)), metric.identical, atol=1e-9)
    assert abs(score - metric.identical) > 1e-6


@pytest.mark.parametrize("name", METRICS)
def test_more_noise_is_worse(name, rng):
    if name == "average_difference":
        pytest.skip("noise of zero mean does not change the average")
    reference, _ = random_pair(name, rng)
    reference = 0.25 + reference / 2
    noise = rng.standard_normal(reference.shape)
    loss = badness(name, **options(name))
    losses = [float(loss(reference, reference + level * noise)) for level in (0.01, 0.03, 0.1)]
    assert losses == sorted(losses)


@pytest.mark.parametrize("name", METRICS)
def test_batches_vmap_shardings_and_scan_give_the_same_score(name, rng):
    reference, distorted = random_pair(name, rng, batch=(8,))

    def score(x, y):
        return jiqa.load(name)(x, y, **options(name))

    _, scanned = jax.lax.scan(lambda _, pair: (0, score(*pair)), 0, (reference, distorted))
    mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("rows", "columns"))
    spec = PartitionSpec("rows", "columns")
    nested = [images.reshape(2, 4, *shape(name)) for images in (reference, distorted)]
    sharded = jax.device_put(nested, NamedSharding(mesh, spec))
    assert_allclose(jax.jit(score)(*sharded), scanned.reshape(2, 4), rtol=1e-10)
    mapped = jax.shard_map(
        jax.vmap(jax.vmap(score)), mesh=mesh, in_specs=(spec, spec), out_specs=spec
    )
    assert_allclose(jax.jit(mapped)(*nested), scanned.reshape(2, 4), rtol=1e-10)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_equals_finite_differences(name, rng):
    reference, distorted = random_pair(name, rng)
    reference, distorted = 0.1 + 0.8 * reference, 0.1 + 0.8 * distorted
    direction = rng.standard_normal(distorted.shape)
    loss = jax.jit(jax.value_and_grad(jiqa.as_loss(name, **options(name)), argnums=(0, 1)))
    _, gradients = loss(reference, distorted)
    for place, gradient in enumerate(gradients):

        def along(step, place=place):
            images = [reference, distorted]
            images[place] = images[place] + step * direction
            value, _ = loss(*images)
            return value

        step = 1e-6
        difference = (along(step) - along(-step)) / (2 * step)
        # Central differences with this step are good to about 1e-9 of the largest slope.
        assert_allclose(np.sum(gradient * direction), difference, rtol=1e-5, atol=1e-8)


def degenerate_pairs(shape):
    rng = np.random.default_rng(1)
    photo = rng.random(shape)
    one_pixel = photo.copy()
    one_pixel[5, 7] += 0.25
    black, gray, white = (np.full(shape, value) for value in (0.0, 0.5, 1.0))
    dot = black.copy()
    dot[5, 7] = 1.0
    return {
        "identical": (photo, photo),
        "black": (black, black),
        "black and white": (black, white),
        "white and black": (white, black),
        "constant": (gray, gray),
        "constant and photo": (gray, photo),
        "photo and constant": (photo, gray),
        "white": (white, white),
        "one pixel": (photo, one_pixel),
        "one dot on black": (black, dot),
        "tiny noise": (gray, gray + 1e-8 * photo),
        "tiny noise on black": (black, 1e-8 * photo),
    }


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_are_finite_on_degenerate_images(name):
    loss = jiqa.as_loss(name, **options(name))
    cases = degenerate_pairs(shape(name))
    reference, distorted = (
        jnp.stack([pair[i] for pair in cases.values()]).astype(np.float32) for i in (0, 1)
    )

    def total(x, y):
        values = loss(x, y)
        return jnp.sum(values), values

    derive = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
    gradients, values = derive(reference, distorted)
    for i, case in enumerate(cases):
        assert not jnp.isnan(values[i]), case
        for gradient in gradients:
            assert jnp.all(jnp.isfinite(gradient[i])), case


@pytest.mark.parametrize("name", METRICS)
def test_unsigned_integers_carry_their_range(name, rng):
    x, y = (np.round(255 * image).astype(np.uint8) for image in random_pair(name, rng))
    own = jiqa.load(name)(x, y, **options(name))
    floats = x.astype(np.float32), y.astype(np.float32)
    assert own == jiqa.load(name)(*floats, data_range=255, **options(name))


@pytest.mark.parametrize("name", METRICS)
def test_half_precision_is_computed_in_single(name, rng):
    reference, distorted = random_pair(name, rng, dtype=jnp.bfloat16)
    score = jiqa.load(name)(reference, distorted, **options(name))
    x, y = reference.astype(np.float32), distorted.astype(np.float32)
    assert score.dtype == jnp.float32
    assert score == jiqa.load(name)(x, y, **options(name))


@pytest.mark.parametrize("name", METRICS)
def test_luma_is_a_gray_image_of_its_own(name, rng):
    pair = random_pair(name, rng)
    metric = functools.partial(jiqa.load(name), **options(name))
    gray = metric(*(luma(jnp.asarray(image), "bt709") for image in pair))
    assert jnp.isfinite(gray)
    if takes(name, "luma"):
        metric = functools.partial(jiqa.load(name), **{**options(name), "luma": "bt709"})
        assert_allclose(metric(*pair), gray, rtol=1e-9)


@pytest.mark.parametrize("name", ["gmsd", "psnr", "rred", "ssim"])
def test_a_constant_image_inside_a_traced_function_is_checked_too(name, rng):
    reference, distorted = random_pair(name, rng)
    metric = functools.partial(jiqa.load(name), jnp.asarray(reference), **options(name))
    assert_allclose(jax.jit(metric)(distorted), metric(distorted), rtol=1e-9)
    with pytest.raises(ValueError, match="data_range"):
        jax.jit(functools.partial(jiqa.load(name), jnp.asarray(reference) * 200))(distorted)


BAD = {
    "rank": (np.zeros((64, 64)), {}, ValueError, r"Add the channel axis"),
    "channels first": (np.zeros((3, 64, 64)), {}, ValueError, r"jnp.moveaxis"),
    "four channels": (np.zeros((64, 64, 4)), {}, ValueError, r"1 or 3 channels"),
    "no pixels": (np.zeros((0, 64, 3)), {}, ValueError, r"at least one pixel"),
    "not a number": (np.full((64, 64, 3), np.nan), {}, ValueError, r"NaN or infinite"),
    "range": (np.full((64, 64, 3), 200.0), {}, ValueError, r"pass data_range=255, or divide"),
    "negative": (np.full((64, 64, 3), -1.0), {}, ValueError, r"map \[-1, 1\] to \[0, 1\]"),
    "unit as 255": (
        np.full((64, 64, 3), 0.5),
        {"data_range": 255},
        ValueError,
        r"leave data_range",
    ),
    "zero range": (np.zeros((64, 64, 3)), {"data_range": 0}, ValueError, r"positive, finite"),
    "contradiction": (
        np.zeros((64, 64, 3), np.uint8),
        {"data_range": 1.0},
        ValueError,
        r"contradicts dtype uint8",
    ),
    "signed": (np.zeros((64, 64, 3), np.int32), {}, TypeError, r"uint8 or uint16"),
    "list": ([[[0.0]]], {}, TypeError, r"NumPy or JAX array"),
    "unknown option": (np.zeros((64, 64, 3)), {"windw": 3}, TypeError, r"no option windw"),
    "unknown luma": (np.zeros((96, 96, 3)), {"luma": "grey"}, ValueError, r"matlab"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", METRICS)
def test_bad_input_is_a_clear_error(name, case):
    if case == "unknown luma" and not takes(name, "luma"):
        pytest.skip("takes no luma")
    image, extra, error, message = BAD[case]
    with pytest.raises(error, match=message):
        jiqa.load(name)(image, image, **{**options(name), **extra})


@pytest.mark.parametrize("name", METRICS)
def test_unlike_images_are_a_clear_error(name):
    image = np.zeros((64, 64, 3))
    with pytest.raises(ValueError, match=r"shapes differ.*\(64, 64, 3\).*\(64, 65, 3\)"):
        jiqa.load(name)(image, np.zeros((64, 65, 3)))
    with pytest.raises(TypeError, match=r"dtypes differ.*float64.*float32"):
        jiqa.load(name)(image, image.astype(np.float32))
    with pytest.raises(TypeError, match=r"takes reference, distorted"):
        jiqa.load(name)(image)


@pytest.mark.parametrize(
    "name", ["ssim", "uqi", "ms_ssim", "iw_ssim", "cw_ssim", "dss", "lmse", "pamse"]
)
def test_images_smaller_than_the_window_are_a_clear_error(name):
    small = np.zeros((2, 40, 3))
    with pytest.raises(ValueError, match=r"(smaller than the|at least)"):
        jiqa.load(name)(small, small)


WEIGHTED = [name for name in METRICS if takes(name, "weights")]
WITHOUT_BORDER = {
    "cw_ssim": 40,
    "dssim": 10,
    "mad": 40,
}  # pixels to be added to either side, so that much is left within


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_choose_where_to_look(name, rng):
    wider = [(0, WITHOUT_BORDER.get(name, 0))] * 2 + [(0, 0)]
    reference, distorted = (np.pad(image, wider, "wrap") for image in random_pair(name, rng))
    height, width = reference.shape[:2]
    metric = jiqa.load(name)
    plain = metric(reference, distorted, **options(name))
    ones = np.ones((height, width))
    equal = metric(reference, distorted, weights=0.3 * ones, **options(name))
    assert_allclose(equal, plain, rtol=1e-9)
    nowhere = metric(reference, distorted, weights=0 * ones, **options(name))
    assert_allclose(nowhere, plain, rtol=1e-9)
    right = ones * (np.arange(width) >= 0.75 * width)
    half_good = np.where(np.arange(width)[:, None] < width // 3, distorted, reference)
    looked = badness(name, weights=right, **options(name))(reference, half_good)
    assert looked < badness(name, **options(name))(reference, half_good) - 1e-9
    with pytest.raises(ValueError, match="weights"):
        metric(reference, distorted, weights=ones[:-1], **options(name))
    with pytest.raises(ValueError, match="negative"):
        metric(reference, distorted, weights=-ones, **options(name))
