"""Pyramids against pyrtools, scipy and closed forms."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import fft, signal

from jiqa.core import pyramids, steerable

GOLDENS = dict(np.load(Path(__file__).parent / "data" / "pyrtools_goldens.npz"))
SHAPES = [(32, 40), (33, 47)]
# Both sides compute in double precision; what is left is the order of summation.
TOLERANCE = {"rtol": 0, "atol": 1e-12}


def golden_image(shape):
    return np.random.default_rng(shape[0]).random(shape)[..., None]


def golden(shape, name, key):
    return GOLDENS[f"{shape[0]}x{shape[1]}/{name}/{key}"]


@pytest.mark.parametrize("shape", SHAPES)
def test_laplacian_pyramid_equals_pyrtools(shape):
    for level, band in enumerate(pyramids.laplacian_pyramid(golden_image(shape), 3)):
        assert_allclose(band[..., 0], golden(shape, "laplacian", f"{level}_0"), **TOLERANCE)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "levels"), [("sp1", 1), ("sp3", 1), ("sp5", 2)])
def test_steerable_pyramid_equals_pyrtools(shape, name, levels):
    pyramid = steerable.steerable_pyramid(golden_image(shape), levels, name)
    check_pyramid(pyramid, shape, name)


@pytest.mark.parametrize(
    ("name", "levels", "orientations", "complex_bands"),
    [("real", 2, 4, False), ("complex", 2, 4, True), ("complex_odd", 1, 3, True)],
)
def test_fourier_pyramid_equals_pyrtools(name, levels, orientations, complex_bands):
    shape = SHAPES[0]
    pyramid = steerable.steerable_pyramid_fourier(
        golden_image(shape), levels, orientations, complex_bands=complex_bands
    )
    check_pyramid(pyramid, shape, name)


@pytest.mark.parametrize("complex_bands", [False, True])
@pytest.mark.parametrize("shape", [(33, 47), (45, 31)])
def test_fourier_pyramid_of_odd_sides_keeps_the_energy(rng, shape, complex_bands):
    image = rng.random((*shape, 1))
    pyramid = steerable.steerable_pyramid_fourier(image, 2, 3, complex_bands=complex_bands)
    parts = [pyramid.highpass, pyramid.lowpass, *(b for bands in pyramid.bands for b in bands)]
    # A complex band has the energy of its real part twice: once more in the imaginary part.
    share = [0.5 if jnp.iscomplexobj(part) else 1.0 for part in parts]
    energies = [jnp.sum(jnp.abs(part) ** 2) * part.size for part in parts]
    total = sum(s * e for s, e in zip(share, energies, strict=True))
    # The masks are interpolated in a table of 256 steps an octave.
    assert_allclose(total / image.size, np.sum(image**2), rtol=1e-4)


def check_pyramid(pyramid, shape, name):
    assert_allclose(pyramid.highpass[..., 0], golden(shape, name, "residual_highpass"), **TOLERANCE)
    assert_allclose(pyramid.lowpass[..., 0], golden(shape, name, "residual_lowpass"), **TOLERANCE)
    for level, bands in enumerate(pyramid.bands):
        for orientation, band in enumerate(bands):
            expected = golden(shape, name, f"{level}_{orientation}")
            assert_allclose(band[..., 0], expected, **TOLERANCE)


@pytest.mark.parametrize("shape", [(32, 32), (33, 48), (31, 45)])
def test_laplacian_pyramid_reconstructs(rng, shape):
    image = rng.random((2, *shape, 3))
    bands = pyramids.laplacian_pyramid(image, 3)
    assert_allclose(pyramids.reconstruct_laplacian(bands), image, **TOLERANCE)


def test_gaussian_pyramid_keeps_brightness_with_unit_window():
    window = pyramids.BINOMIAL / np.sqrt(2)
    levels = pyramids.gaussian_pyramid(jnp.full((21, 30, 1), 0.7), 3, window)
    for level in levels:
        assert_allclose(level, 0.7, rtol=1e-12)


def test_haar_responses_are_conv2_same(rng):
    image = rng.random((13, 18))
    for scale, (vertical, horizontal) in enumerate(
        pyramids.haar_responses(image[..., None], 3), start=1
    ):
        size = 2**scale
        kernel = np.full((size, size), 2.0**-scale)
        kernel[: size // 2] *= -1
        for found, taps in ((vertical, kernel), (horizontal, kernel.T)):
            full = signal.convolve2d(image, taps, mode="full")
            start = size // 2
            same = full[start : start + 13, start : start + 18]
            assert_allclose(found[..., 0], same, **TOLERANCE)


def test_haar_transform_is_orthonormal_and_inverts(rng):
    image = rng.random((2, 12, 18, 3))
    parts = pyramids.haar_transform(image)
    assert_allclose(sum(jnp.sum(part**2) for part in parts), np.sum(image**2), rtol=1e-12)
    assert_allclose(pyramids.inverse_haar_transform(*parts), image, **TOLERANCE)


def test_haar_transform_needs_even_sides():
    with pytest.raises(ValueError, match="sides must be even"):
        pyramids.haar_transform(jnp.ones((5, 4, 1)))


def test_log_gabor_peaks_at_its_wavelength_and_orientation():
    filters = pyramids.log_gabor_filters(96, 96, scales=2, orientations=4)
    assert_allclose(filters[:, :, 0, 0], 0)
    for scale, wavelength in enumerate((6, 12)):
        # Horizontal frequencies belong to orientation 0, vertical ones to orientation 2.
        assert filters[scale, 0, 0].argmax() == 96 // wavelength
        assert filters[scale, 2, :, 0].argmax() == 96 - 96 // wavelength
        assert_allclose(filters[scale, 0].max(), 1, rtol=1e-3)


def test_log_gabor_response_of_a_grating_has_its_amplitude_and_phase():
    x = np.arange(96)
    grating = np.broadcast_to(np.cos(2 * np.pi * x / 6 + 0.3), (96, 96))[..., None]
    responses = pyramids.log_gabor_responses(
        jnp.asarray(grating), pyramids.log_gabor_filters(96, 96)
    )
    expected = 0.5 * np.exp(1j * (2 * np.pi * x / 6 + 0.3))
    # The opposite frequency leaks by exp(-pi^2 / 2 deviation^2) = 1e-5.
    assert_allclose(responses[0, 0, 40, :, 0], expected, atol=2e-5)


@pytest.mark.parametrize("size", [4, 8])
def test_block_dct_equals_scipy(rng, size):
    image = rng.random((2, 16, 24, 3))
    coefficients = pyramids.block_dct(image, size)
    block = image[1, size : 2 * size, 2 * size : 3 * size, 2]
    assert_allclose(coefficients[1, 1, 2, 2], fft.dctn(block, norm="ortho"), **TOLERANCE)
    assert_allclose(pyramids.inverse_block_dct(coefficients), image, **TOLERANCE)


TRANSFORMS = {
    "laplacian": partial(pyramids.laplacian_pyramid, levels=3),
    "haar": partial(pyramids.haar_responses, scales=2),
    "log_gabor": lambda x: pyramids.log_gabor_responses(x, pyramids.log_gabor_filters(33, 40)),
    "sp3": partial(steerable.steerable_pyramid, levels=1, filters="sp3"),
    "fourier": partial(steerable.steerable_pyramid_fourier, levels=2, orientations=4),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_batches_vmap_jit_and_gradients(rng, name):
    transform = TRANSFORMS[name]
    images = rng.random((2, 33, 40, 1))
    single = jax.tree.leaves(transform(images[1]))
    batched = jax.tree.leaves(jax.jit(transform)(images))
    mapped = jax.tree.leaves(jax.vmap(transform)(images))
    for one, many, each in zip(single, batched, mapped, strict=True):
        assert_allclose(each[1], one, **TOLERANCE)
        assert_allclose(jnp.take(many, 1, axis=many.ndim - 4), one, **TOLERANCE)

    def energy(image):
        return sum(jnp.sum(jnp.abs(part) ** 2) for part in jax.tree.leaves(transform(image)))

    direction = rng.random((33, 40, 1))
    slope = jnp.sum(jax.grad(energy)(images[0]) * direction)
    step = 1e-4
    difference = energy(images[0] + step * direction) - energy(images[0] - step * direction)
    assert_allclose(slope, difference / (2 * step), rtol=1e-6)


@pytest.mark.parametrize(
    "transform",
    [
        lambda x: pyramids.gaussian_pyramid(x, 5),
        lambda x: steerable.steerable_pyramid(x, 3),
        lambda x: steerable.steerable_pyramid_fourier(x, 4, 2),
        lambda x: pyramids.block_dct(x[:9]),
    ],
)
def test_too_small_images_are_errors(transform):
    with pytest.raises(ValueError, match=r"at least|least side|multiple of"):
        transform(jnp.ones((16, 16, 1)))


def test_unknown_filters_are_an_error():
    with pytest.raises(ValueError, match="use sp1, sp3 or sp5"):
        steerable.steerable_pyramid(jnp.ones((64, 64, 1)), 1, "sp7")
