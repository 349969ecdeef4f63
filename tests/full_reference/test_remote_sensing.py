"""Metrics of bands against loops over windows, and their stated values where all is black."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

import jiqa


@pytest.fixture
def bands(rng):
    """A reference and a distorted image with black pixels and flat areas."""
    reference = rng.random((21, 26, 3))
    reference[:12, :13] = 0.5
    reference[12:, 15:] = 0.0
    distorted = np.clip(reference + 0.2 * rng.standard_normal(reference.shape), 0, 1)
    distorted[:11, :10] = 0.25
    return reference, distorted


@pytest.mark.parametrize("size", [8, 5])
def test_scc_is_the_correlation_of_high_frequencies_in_windows(bands, size):
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8
    expected = np.zeros((21, 26, 3))
    for band in range(3):
        x, y = (ndimage.correlate(image[..., band], kernel, mode="reflect") for image in bands)
        x, y = (np.pad(z, ((size // 2, (size - 1) // 2),) * 2) for z in (x, y))
        for row in range(21):
            for column in range(26):
                window = np.s_[row : row + size, column : column + size]
                # Rounding leaves 1e-16 of a flat area.
                if min(x[window].std(), y[window].std()) > 1e-12:
                    pair = x[window].ravel(), y[window].ravel()
                    expected[row, column, band] = np.corrcoef(*pair)[0, 1]
    assert (expected == 0).any()
    assert_allclose(jiqa.scc_map(*bands, window_size=size), expected.mean(-1), atol=1e-12)
    assert_allclose(jiqa.scc(*bands, window_size=size), expected.mean(), rtol=1e-12)


def test_scc_of_equal_images_lacks_the_flat_windows(bands):
    share = jiqa.scc(bands[0], bands[0])
    assert 0.5 < share < 1
    assert_allclose(np.unique(np.round(jiqa.scc_map(bands[0], bands[0]), 9)), [0, 1])


@pytest.mark.parametrize("size", [8, 7, 5])
def test_rmse_sw_and_rase_in_windows(bands, size):
    """Windows start `size // 2` before their centres, which are `round(size / 2)` inside."""
    reference, distorted = bands
    margin = round(size / 2)
    rows, columns = range(margin, 21 - margin), range(margin, 26 - margin)
    errors, relative = np.zeros((2, len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            top, left = row - size // 2, column - size // 2
            window = np.s_[top : top + size, left : left + size]
            squares = ((reference - distorted)[window] ** 2).mean((0, 1))
            errors[i, j] = np.sqrt(squares).mean()
            level = reference[window].mean()
            relative[i, j] = 100 * np.sqrt(squares.mean()) / level if level else 0
    assert (relative == 0).any()
    for name, expected in (("rmse_sw", errors), ("rase", relative)):
        options = {"window_size": size}
        assert_allclose(getattr(jiqa, f"{name}_map")(*bands, **options), expected, rtol=1e-10)
        assert_allclose(getattr(jiqa, name)(*bands, **options), expected.mean(), rtol=1e-10)


def test_ergas_and_its_weights(bands, rng):
    reference, distorted = bands
    weights = rng.random((21, 26))

    def expected(weights):
        mean = np.average(reference, axis=(0, 1), weights=weights)
        squares = np.average((reference - distorted) ** 2, axis=(0, 1), weights=weights)
        return 100 / 8 * np.sqrt(np.mean(squares / mean**2))

    shape = (21, 26, 3)
    assert_allclose(jiqa.ergas(*bands, ratio=1 / 8), expected(np.ones(shape)), rtol=1e-12)
    full = np.broadcast_to(weights[..., None], shape)
    assert_allclose(jiqa.ergas(*bands, ratio=1 / 8, weights=weights), expected(full), rtol=1e-12)


def test_ergas_of_black_bands(bands):
    black = bands[0] * [1, 1, 0]
    assert jiqa.ergas(black, bands[1]) == jnp.inf
    assert jnp.isfinite(jiqa.ergas(black, bands[1] * [1, 1, 0]))
    assert jiqa.ergas(0 * black, 0 * black) == 0


def test_sam_is_the_mean_angle_of_pixels_that_have_one(bands):
    reference, distorted = (image.reshape(-1, 3) for image in bands)
    lengths = np.linalg.norm(reference, axis=1) * np.linalg.norm(distorted, axis=1)
    seen = lengths > 0
    assert 0.5 < seen.mean() < 0.9
    cosines = np.sum(reference * distorted, axis=1)[seen] / lengths[seen]
    angles = np.arccos(np.minimum(cosines, 1))  # good to about 1e-8
    assert_allclose(jiqa.sam(*bands), angles.mean(), atol=1e-8)
    pixels = np.asarray(jiqa.sam_map(*bands)).ravel()
    assert_allclose(pixels[seen], angles, atol=3e-8)
    assert (pixels[~seen] == 0).all()


def test_sam_does_not_depend_on_brightness(bands):
    assert_allclose(jiqa.sam(bands[0], 0.3 * bands[0]), 0, atol=1e-12)
    small = jiqa.sam(np.full((1, 1, 3), 0.5), np.array([[[0.5, 0.5, 0.5 + 1e-9]]]))
    assert_allclose(small, 2e-9 * np.sqrt(2) / 3, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_sam_of_black_images_is_zero_with_finite_gradient(channels):
    black, gray = jnp.zeros((4, 5, channels)), jnp.full((4, 5, channels), 0.5)
    for pair in ((black, black), (black, gray), (gray, black), (gray, gray)):
        value, gradients = jax.value_and_grad(jiqa.sam, (0, 1))(*pair)
        assert value == 0
        assert all((gradient == 0).all() for gradient in gradients)


def test_relative_metrics_do_not_depend_on_the_range(bands):
    for name in ("scc", "ergas", "sam", "rase"):
        metric = getattr(jiqa, name)
        scaled = metric(*(image * 255 for image in bands), data_range=255)
        assert_allclose(scaled, metric(*bands), rtol=1e-9)


@pytest.mark.parametrize("name", ["rase", "rmse_sw"])
def test_images_smaller_than_the_windows_are_a_clear_error(name):
    image = jnp.ones((8, 20, 3))
    with pytest.raises(ValueError, match=r"8 x 20 pixels; window_size=8 needs at least 9"):
        getattr(jiqa, name)(image, image)
