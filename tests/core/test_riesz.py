"""Riesz transforms against the whole Fourier transform, and their known properties."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.core.riesz import riesz_transform


def plain_riesz(image):
    """The real part of the product of spectra, with frequencies as the authors of RFSIM have."""
    rows, columns = image.shape
    v, u = np.meshgrid(
        (np.arange(rows) - rows // 2) / (rows - rows % 2),
        (np.arange(columns) - columns // 2) / (columns - columns % 2),
        indexing="ij",
    )
    length = np.hypot(u, v)
    length[rows // 2, columns // 2] = np.inf
    x, y = -1j * u / length, -1j * v / length
    spectrum = np.fft.fft2(image)
    return [
        np.fft.ifft2(spectrum * np.fft.ifftshift(response)).real
        for response in (x, y, x * x, x * y, y * y)
    ]


@pytest.mark.parametrize("size", [(6, 8), (7, 8), (6, 5), (9, 7)])
def test_equals_the_whole_transform(size, rng):
    image = rng.random(size)
    for response, known in zip(riesz_transform(image[..., None]), plain_riesz(image), strict=True):
        assert_allclose(response[..., 0], known, atol=1e-14)


def test_images_and_channels_are_transformed_apart(rng):
    images = rng.random((2, 6, 7, 3))
    batch = riesz_transform(images)
    single = riesz_transform(images[1, ..., 2:])
    for many, one in zip(batch, single, strict=True):
        assert many.shape == images.shape
        assert_allclose(many[1, ..., 2:], one, atol=1e-15)


def test_turning_the_image_exchanges_the_directions(rng):
    image = rng.random((8, 8, 1))
    upright, turned = (riesz_transform(each) for each in (image, np.swapaxes(image, 0, 1)))
    for one, other in (("x", "y"), ("xx", "yy"), ("xy", "xy")):
        assert_allclose(
            getattr(turned, one), np.swapaxes(getattr(upright, other), 0, 1), atol=1e-14
        )


def test_single_precision_stays(rng):
    responses = jax.jit(riesz_transform)(rng.random((8, 8, 1)).astype(np.float32))
    assert {response.dtype for response in responses} == {np.dtype("float32")}
