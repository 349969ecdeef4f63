"""Parts of distortions beside other implementations."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from jiqa.core import pyramids
from jiqa.datasets.distortions import blur, camera, noise, quantization, spatial, wavelet
from jiqa.datasets.distortions.calibration import find_strength, psnr
from jiqa.datasets.distortions.color import shift


@pytest.mark.parametrize(("border", "mode"), [("replicate", "nearest"), ("symmetric", "reflect")])
def test_smoothing_is_that_of_scipy(rng, border, mode):
    image = rng.random((13, 9, 3))
    found = blur.smooth(jnp.asarray(image), 2.0, 6, most=9, border=border)
    expected = ndimage.gaussian_filter(image, (2, 2, 0), mode=mode, radius=(6, 6, 0))
    assert_allclose(found, expected, atol=1e-13)


def test_convolution_is_that_of_scipy(rng):
    image, kernel = rng.random((11, 14, 1)), rng.random((5, 5))
    found = blur.convolve(jnp.asarray(image), jnp.asarray(kernel))
    assert_allclose(found[..., 0], ndimage.convolve(image[..., 0], kernel, mode="nearest"))


def test_disk_has_the_area_of_its_pixels():
    fine = (np.mgrid[-700:700, -700:700] + 0.5) / 200
    inside = (fine**2).sum(0) < 2.3**2
    expected = inside.reshape(7, 200, 7, 200).mean((1, 3))
    assert_allclose(blur.disk(2.3, 3), expected / expected.sum(), atol=1e-4)


def test_line_of_any_direction_has_its_length():
    for angle in (0.0, 0.4, 2.0):
        track = np.asarray(blur.line(9.0, angle, 10))
        offsets = np.mgrid[-5:6, -5:6]
        along = offsets[1] * np.cos(angle) - offsets[0] * np.sin(angle)
        assert_allclose(track.sum(), 1)
        assert_allclose((track * along).sum(), 0, atol=1e-12)
        # A uniform line of length 9, each point as wide as a triangle of one pixel.
        assert_allclose((track * along**2).sum(), 9**2 / 12, rtol=0.1)


def test_shift_and_sample_are_interpolation(rng):
    image = jnp.asarray(rng.random((7, 8, 2)))
    expected = ndimage.shift(image, (1.25, 2.5, 0), order=1, mode="nearest")
    assert_allclose(shift(image, 1.25, 2.5), expected)
    places = rng.random((2, 30)) * 6
    expected = ndimage.map_coordinates(image[..., 1], places, order=1)
    assert_allclose(spatial.sample(image, jnp.asarray(places))[:, 1], expected)


def test_otsu_is_the_best_of_all_thresholds(rng):
    levels = rng.integers(0, 12, 300) * 20

    def within(cuts):
        classes = np.searchsorted(cuts, levels, side="right")
        return sum(
            ((levels[classes == i] - levels[classes == i].mean()) ** 2).sum()
            for i in np.unique(classes)
        )

    for count in (1, 2, 3):
        found = np.asarray(quantization.otsu_thresholds(jnp.asarray(levels), count))
        assert_array_equal(found[count:], 256)
        values = np.unique(levels)[1:]
        best = min(within(np.array(cuts)) for cuts in itertools.combinations(values, count))
        assert_allclose(within(found[:count]), best)


def test_palette_has_less_error_than_median_cut(rng):
    from PIL import Image

    pixels = np.clip(rng.normal(120, 40, (40, 50, 3)), 0, 255).astype(np.uint8)
    palette = quantization.least_variance_palette(pixels, 12).astype(float)
    assert palette.shape == (12, 3)
    distance = ((pixels.reshape(-1, 1, 3) - palette) ** 2).sum(-1).min(1).mean()
    cut = np.asarray(Image.fromarray(pixels).quantize(12).convert("RGB"), float)
    assert distance < ((pixels - cut) ** 2).sum(-1).mean()


def test_transforms_are_inverted(rng):
    image = jnp.asarray(rng.random((16, 24, 3)))
    assert_allclose(pyramids.inverse_block_dct(pyramids.block_dct(image)), image, atol=1e-14)
    assert_allclose(wavelet.merge_bands(*wavelet.split_bands(image)), image, atol=1e-14)


@pytest.mark.parametrize(
    ("function", "variance"),
    [
        (noise.white_noise, 0.001),
        (noise.correlated_noise, 0.001),
        (noise.high_frequency_noise, 0.001),
    ],
)
def test_noise_has_its_variance(function, variance):
    image = jnp.full((128, 128, 3), 0.5)
    found = function(image, variance, jax.random.key(0)) - image
    assert_allclose(jnp.var(found), variance, rtol=0.05)
    assert_allclose(jnp.mean(found), 0, atol=0.002)


def test_spectrum_of_pink_noise():
    image = jnp.zeros((128, 128, 1))
    field = noise.pink_noise(image, 1.0, jax.random.key(0))
    assert_allclose(jnp.abs(field).max(), 1)
    power = np.abs(np.fft.fft2(field[..., 0])) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    rings = [(frequency > low) & (frequency < 1.3 * low) for low in (0.03, 0.3)]
    low, high = (power[ring].mean() for ring in rings)
    assert_allclose(low / high, 100, rtol=0.3)  # a tenth of the frequency, squared


def test_sensor_noise_is_that_of_photons():
    light = jnp.full((200, 200), 0.25)
    counts = camera.expose(light, 400.0, jax.random.key(1), read_noise=5.0) * 400
    assert_allclose(jnp.mean(counts), 100, rtol=0.01)
    assert_allclose(jnp.var(counts), 100 + 25, rtol=0.03)


def test_demosaicking_keeps_measured_samples_and_ramps(rng):
    image = jnp.asarray(rng.random((9, 11, 3)))
    mask = camera.mosaic(image)
    assert_array_equal(mask.sum(-1), 1)
    found = camera.demosaic(image, mask)
    assert_array_equal(found * mask, image * mask)
    y, x = jnp.mgrid[:9, :11]
    ramp = (0.02 * x + 0.03 * y)[..., None] * jnp.ones(3)
    assert_allclose(camera.demosaic(ramp, mask)[1:-1, 1:-1], ramp[1:-1, 1:-1], atol=1e-12)


def test_bisection_finds_a_psnr_and_the_nearest_if_there_is_none():
    image = jnp.full((8, 8, 1), 0.5)
    strength = find_strength(lambda s: image + s, image, 30.0, (1e-4, 1.0))
    assert_allclose(psnr(image, image + strength), 30, atol=0.02)
    least = find_strength(lambda s: image + s, image, 90.0, (0.1, 1.0))
    assert_allclose(least, 0.1, rtol=1e-3)
    equal = find_strength(lambda s: image + 0 * s, image, 30.0, (0.1, 1.0))
    assert bool(jnp.isfinite(equal))
