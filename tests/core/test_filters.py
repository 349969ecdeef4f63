"""Filters against scipy, and MATLAB's imresize against its documented kernel and Pillow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from scipy import ndimage, signal

from jiqa.core import filters

# The borders of scipy.ndimage, by MATLAB's names.
SCIPY_MODES = {
    "zero": "constant",
    "symmetric": "reflect",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "wrap",
}
TOLERANCE = {"rtol": 0, "atol": 1e-13}  # double precision, other order of summation


def test_gaussian_window_is_fspecial():
    # MATLAB: fspecial('gaussian', [1 5], 1.5)
    expected = [0.1201, 0.2339, 0.2921, 0.2339, 0.1201]
    assert_allclose(filters.gaussian_window(5, 1.5), expected, atol=5e-5)
    assert_allclose(filters.gaussian_window(8, 2.0).sum(), 1)


@pytest.mark.parametrize("border", SCIPY_MODES)
@pytest.mark.parametrize(("height", "width"), [(3, 5), (4, 7), (2, 2), (8, 3), (11, 11)])
def test_separable_correlation_equals_scipy(rng, border, height, width):
    image = rng.random((13, 12))
    rows, columns = rng.random(height), rng.random(width)
    found = filters.correlate_separable(image[..., None], rows, columns, border=border)
    # imfilter centres an even window on element floor((n + 1) / 2); scipy on the one after.
    expected = ndimage.correlate(
        image,
        np.outer(rows, columns),
        mode=SCIPY_MODES[border],
        origin=(-(1 - height % 2), -(1 - width % 2)),
    )
    assert_allclose(found[..., 0], expected, **TOLERANCE)
    dense = filters.correlate(image[..., None], np.outer(rows, columns), border=border)
    assert_allclose(dense, found, **TOLERANCE)


def test_valid_correlation_and_stride(rng):
    image = rng.random((2, 15, 12, 3))
    kernel = np.outer(rows := rng.random(4), columns := rng.random(3))
    full = filters.correlate_separable(image, rows, columns)
    expected = signal.correlate2d(image[1, ..., 2], kernel, mode="valid")
    assert_allclose(full[1, ..., 2], expected, **TOLERANCE)
    strided = filters.correlate_separable(image, rows, columns, stride=3)
    assert_allclose(strided, full[:, ::3, ::3], **TOLERANCE)
    assert_allclose(filters.correlate(image, kernel, stride=3), strided, **TOLERANCE)


def test_correlation_is_its_own_type_and_batch(rng):
    images = rng.random((2, 3, 9, 10, 3)).astype(np.float32)
    window = filters.gaussian_window(3, 1.0)
    found = filters.correlate_separable(images, window)
    assert found.dtype == jnp.float32
    one = filters.correlate_separable(images[1, 2], window)
    assert_allclose(found[1, 2], one, rtol=1e-6)
    mapped = jax.vmap(lambda x: filters.correlate_separable(x, window))(images)
    assert_allclose(mapped, found, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "border", "message"),
    [(10, "valid", "smaller than the 10 x 10 window"), (3, "mirror", "border='mirror' is unknown")],
)
def test_bad_windows_and_borders_are_errors(size, border, message):
    with pytest.raises(ValueError, match=message):
        filters.correlate_separable(jnp.ones((9, 20, 1)), np.ones(size), border=border)


@pytest.mark.parametrize(("factor", "size"), [(2, (7, 8)), (3, (5, 5)), (4, (4, 4))])
def test_box_downsampling_is_imfilter_symmetric(rng, factor, size):
    image = rng.random((13, 15))
    kernel = np.full((factor, factor), factor**-2.0)
    origin = -(1 - factor % 2)
    smooth = ndimage.correlate(image, kernel, mode="reflect", origin=origin)
    found = filters.downsample_box(image[..., None], factor)[..., 0]
    assert found.shape == size
    assert_allclose(found, smooth[::factor, ::factor], **TOLERANCE)


@pytest.mark.parametrize(
    ("operator", "peak"), [("scharr", 10 / 16), ("prewitt", 1 / 3), ("sobel", 0.5)]
)
def test_gradients_of_a_step_and_a_ramp(operator, peak):
    ramp = np.tile(np.arange(8.0), (6, 1))[..., None]
    horizontal, vertical = filters.gradient(jnp.asarray(ramp), operator, border="valid")
    assert_allclose(horizontal, 2)
    assert_allclose(vertical, 0, atol=1e-12)
    dot = np.zeros((5, 5, 1))
    dot[2, 2] = 1
    horizontal, _ = filters.gradient(jnp.asarray(dot), operator)
    assert_allclose(horizontal[2, 1, 0], peak)
    assert_allclose(filters.gradient_magnitude(jnp.asarray(dot), operator)[2, 1, 0], peak)


def test_gradient_magnitude_has_finite_derivatives_on_flat_images():
    flat = jax.grad(lambda x: filters.gradient_magnitude(x).sum())(jnp.zeros((6, 6, 1)))
    assert jnp.all(jnp.isfinite(flat))


PILLOW = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@pytest.mark.parametrize("method", PILLOW)
@pytest.mark.parametrize("size", [(20, 31), (23, 61), (80, 90), (41, 47)])
def test_imresize_equals_pillow_inside(rng, method, size):
    """Pillow has the same kernels and antialiasing and differs at the border alone."""
    image = rng.random((41, 47)).astype(np.float32)
    found = filters.imresize(image[..., None].astype(np.float64), size, method)[..., 0]
    expected = Image.fromarray(image).resize(size[::-1], PILLOW[method])
    reach = 9
    inside = (slice(reach, -reach), slice(reach, -reach))
    # Pillow sums in single precision.
    assert_allclose(found[inside], np.asarray(expected)[inside], atol=2e-6)


def test_imresize_enlarges_as_octave():
    """GNU Octave 7.3, image package 2.14: imresize(reshape(sin(1:35), 5, 7), [9 11], 'bicubic').

    (When it shrinks, that package does not normalise the weights, and MATLAB does.)
    """
    image = np.sin(np.arange(1, 36)).reshape(7, 5).T[..., None]
    found = filters.imresize(image, (9, 11))[..., 0]
    corners = [found[0, 0], found[-1, 0], found[0, -1], found[-1, -1]]
    expected = [0.924564293243934, -1.002405392003007, -0.578276048537513, -0.473335666955318]
    assert_allclose(corners, expected, atol=1e-14)
    assert_allclose(found[1, 2], -0.100224248381131, atol=1e-14)


def test_imresize_equals_matlab():
    """MATLAB's results, as recorded in the tests of Octave's image package."""
    row = jnp.array([[10.0, 6.0]])[..., None]
    expected = [10.27777777777777, 8, 5.72222222222222]
    assert_allclose(filters.imresize(row, (3, 3))[1, :, 0], expected, atol=1e-13)
    image = jnp.array(MATLAB_IMAGE)[..., None]
    found = filters.imresize(image, 1 / 3, "bilinear")[..., 0]
    # MATLAB rounded to uint8 after each axis.
    assert_allclose(found, MATLAB_THIRD, atol=1)


MATLAB_IMAGE = [
    [116.0, 227, 153, 69, 146, 194, 59, 130, 139, 106],
    [2, 47, 137, 249, 90, 75, 16, 24, 158, 44],
    [155, 68, 46, 84, 166, 156, 69, 204, 32, 152],
    [71, 221, 137, 230, 210, 153, 192, 115, 30, 118],
    [107, 143, 108, 52, 51, 73, 101, 21, 175, 90],
    [54, 158, 143, 77, 26, 168, 113, 229, 165, 225],
    [9, 47, 133, 135, 130, 207, 236, 43, 19, 73],
    [129, 60, 59, 243, 64, 181, 249, 56, 32, 86],
]
MATLAB_THIRD = [[115, 131, 101, 102], [114, 117, 120, 121], [91, 147, 116, 76]]


def test_imresize_mirrors_the_image_at_the_border(rng):
    image = rng.random((10, 12, 1))
    padded = np.pad(image, ((10, 10), (12, 12), (0, 0)), mode="symmetric")
    for method in PILLOW:
        for scale in (0.5, 2.0):
            small = filters.imresize(image, scale, method)
            large = filters.imresize(padded, scale, method)
            top, left = small.shape[0], small.shape[1]
            assert_allclose(small, large[top : 2 * top, left : 2 * left], **TOLERANCE)


def test_imresize_without_antialiasing_interpolates():
    ramp = jnp.arange(12.0)[None, :, None] * jnp.ones((4, 1, 1))
    found = filters.imresize(ramp, (4, 4), "bilinear", antialias=False)
    assert_allclose(found[0, :, 0], [1, 4, 7, 10])


def test_imresize_scale_rounds_up_and_keeps_constants():
    image = jnp.full((2, 7, 10, 3), 0.3)
    resized = filters.imresize(image, 0.37)
    assert resized.shape == (2, 3, 4, 3)
    assert_allclose(resized, 0.3, rtol=1e-12)


@pytest.mark.parametrize(
    ("size", "method", "message"),
    [
        (0.5, "lanczos", "method='lanczos'"),
        ((0, 4), "bicubic", "positive"),
        (-1, "bicubic", "positive"),
    ],
)
def test_bad_resizing_is_an_error(size, method, message):
    with pytest.raises(ValueError, match=message):
        filters.imresize(jnp.ones((8, 8, 1)), size, method)


@pytest.mark.parametrize("shape", [(5, 9), (12, 8), (33, 20), (3, 2)])
@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
@pytest.mark.parametrize("antialias", [True, False])
def test_halving_by_filters_is_that_by_matrices(rng, shape, method, antialias):
    image = jnp.asarray(rng.random((*shape, 2)))
    found = filters.imresize(image, 0.5, method, antialias=antialias)
    down, across = (filters._resize_matrix(n, -(-n // 2), 0.5, method, antialias) for n in shape)
    assert_allclose(found, np.einsum("kh,lw,hwc->klc", down, across, image), rtol=1e-12)


def test_blocks_are_in_rows(rng):
    images = rng.random((2, 8, 12, 3))
    blocks = filters.split_blocks(jnp.asarray(images), 4)
    assert blocks.shape == (2, 3, 6, 4, 4)
    np.testing.assert_array_equal(blocks[1, 2, 4], images[1, 4:8, 4:8, 2])
