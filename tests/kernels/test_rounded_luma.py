"""Rounded luma: the form in C++ against the truth, its derivative, and that it is chosen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.core.filters import downsample_box
from jiqa.kernels import native as library
from jiqa.kernels.forms import choose_form
from jiqa.kernels.rounded_luma import native, reference, rounded_luma

WEIGHTS = (0.298936, 0.587043, 0.114021)

needs_kernels = pytest.mark.skipif(not library.available(), reason="no native kernels here")


@needs_kernels
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 7, 5, 3), (1, 190, 371, 3), (0, 4, 4, 3)])
@pytest.mark.parametrize("levels", [255.0, 1.0])
def test_forms_are_alike_on_whole_levels(rng, shape, levels):
    images = jnp.asarray(rng.integers(0, 256, shape) / levels, jnp.float32)
    ours, truth = (
        form.luma(images, weights=WEIGHTS, levels=levels, halve=False)
        for form in (native, reference)
    )
    assert ours.shape == (*shape[:-1], 1)
    assert ours.dtype == jnp.float32
    np.testing.assert_array_equal(np.rint(ours * levels), np.rint(truth * levels))
    np.testing.assert_allclose(ours, truth, rtol=2e-7)  # XLA multiplies by 1 / levels


@needs_kernels
def test_forms_differ_by_a_level_at_most_and_hardly_ever(rng):
    """Sums of fractions are rounded, and near a half one of both may go up."""
    images = jnp.asarray(rng.random((1, 200, 300, 3)), jnp.float32)
    ours, truth = (
        form.luma(images, weights=WEIGHTS, levels=255.0, halve=False)
        for form in (native, reference)
    )
    apart = np.abs(np.asarray(ours) - np.asarray(truth)) * 255
    assert apart.max() < 1.01
    assert (apart > 0.01).mean() < 1e-4


@pytest.mark.parametrize("implementation", [None, "reference"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 7, 5, 3), (1, 301, 64, 3), (2, 2, 301, 3)])
def test_halves_are_means_with_zeros_beyond(rng, shape, implementation):
    images = jnp.asarray(rng.integers(0, 256, shape) / 255, jnp.float32)

    def luma(x, halve):
        return rounded_luma(x, WEIGHTS, levels=255.0, halve=halve, implementation=implementation)

    whole = downsample_box(luma(images, False), 2, border="zero")
    np.testing.assert_allclose(luma(images, True), whole, rtol=1e-6)
    slope = jax.grad(lambda x: luma(x, True)[-1, 0, 0, 0])(images)
    np.testing.assert_allclose(slope[-1, 0, 0], np.divide(WEIGHTS, 4), rtol=1e-6)
    assert jnp.count_nonzero(slope) == 3 * min(2, shape[1]) * min(2, shape[2])


@pytest.mark.parametrize("implementation", [None, "reference"])
def test_derivatives_are_those_of_the_sum_and_transformations_agree(rng, implementation):
    images = jnp.asarray(rng.random((3, 6, 7, 3)), jnp.float32)

    def luma(x):
        return rounded_luma(x, WEIGHTS, levels=255.0, implementation=implementation)

    _, change = jax.jvp(luma, (images,), (jnp.ones_like(images),))
    np.testing.assert_allclose(change, 1, rtol=1e-6)
    slope = jax.grad(lambda x: luma(x)[1, 2, 3, 0])(images)
    np.testing.assert_allclose(slope[1, 2, 3], WEIGHTS, rtol=1e-6)
    assert jnp.count_nonzero(slope) == 3
    np.testing.assert_array_equal(jax.vmap(luma)(images), luma(images))


def test_double_precision_and_other_platforms_take_the_reference():
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float64)
    parameters = {"weights": WEIGHTS, "levels": 1.0, "halve": False}
    package = "jiqa.kernels.rounded_luma"
    assert choose_form(package, "luma", [image], "cpu", **parameters) == "reference"
    single = jax.ShapeDtypeStruct(image.shape, jnp.float32)
    assert choose_form(package, "luma", [single], "cuda", **parameters) == "reference"


def test_an_unknown_implementation_is_an_error():
    with pytest.raises(ValueError, match="implementation='fast' is unknown"):
        rounded_luma(jnp.zeros((2, 2, 3)), WEIGHTS, levels=1.0, implementation="fast")
