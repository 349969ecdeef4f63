"""Pixel metrics: definitions, the golden test without data, degenerate images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa

INFINITY = float("inf")


def magic(size):
    """MATLAB's magic square of a doubly even size."""
    numbers = np.arange(1, size * size + 1).reshape(size, size)
    i, j = np.indices((size, size))
    return np.where((i % 4 == j % 4) | (i % 4 + j % 4 == 3), size * size + 1 - numbers, numbers)


def test_golden_values_without_data():
    """B = A + mod(magic(256), 5) - 2 for any A: MSE, PSNR, |AD| and MD are known."""
    square = magic(256)
    assert set(square.sum(0)) == set(square.sum(1)) == {256 * (256**2 + 1) // 2}
    reference = np.full((256, 256, 1), 128.0)
    distorted = reference + (square % 5 - 2)[..., None]
    images = {"reference": reference, "distorted": distorted, "data_range": 255}
    assert_allclose(jiqa.mse(**images), 1.9999847, atol=5e-8)
    assert_allclose(jiqa.psnr(**images), 45.1205368, atol=5e-8)
    assert_allclose(abs(jiqa.average_difference(**images)), 1.5259e-5, atol=5e-10)
    assert_allclose(jiqa.maximum_difference(**images), 2)


# SYSTEMS 2.2: values of full-range luma of the calibration pairs.
CALIBRATION = {
    "i03_11_5": {
        "psnr": 22.27,
        "mae": 13.2368,
        "nae": 0.13403,
        "maximum_difference": 138.755,
        "structural_content": 1.02658,
        "lmse": 1.00202,
    },
    "i04_18_5": {
        "psnr": 56.02,
        "mae": 0.3359,
        "nae": 0.00365,
        "maximum_difference": 1.044,
        "structural_content": 0.99980,
        "lmse": 0.00983,
    },
    "i06_18_3": {
        "psnr": 56.56,
        "mae": 0.3153,
        "nae": 0.00229,
        "maximum_difference": 1.009,
        "structural_content": 1.00010,
        "lmse": 0.00115,
    },
}


@pytest.mark.parametrize("name", CALIBRATION)
def test_calibration_values(shared_data, name):
    folder = shared_data / "data" / "tid2013_calibration"
    images = [
        jiqa.images.read_image(folder / path).astype(float)
        for path in (f"ref/{name[:3].upper()}.png", f"dist/{name}.png")
    ]
    for metric, value in CALIBRATION[name].items():
        score = float(getattr(jiqa, metric)(*images, data_range=255, luma="bt601"))
        digits = len(str(value).split(".")[1])
        assert_allclose(score, value, rtol=0, atol=0.51 * 10**-digits, err_msg=metric)


def test_definitions_equal_numpy(rng):
    reference, distorted = rng.random((2, 9, 12, 3))
    error = reference - distorted
    expected = {
        "mse": np.mean(error**2),
        "rmse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "psnr": -10 * np.log10(np.mean(error**2)),
        "snr": 10 * np.log10(np.sum(reference**2) / np.sum(error**2)),
        "nae": np.sum(np.abs(error)) / np.sum(reference),
        "maximum_difference": np.abs(error).max(),
        "structural_content": np.sum(reference**2) / np.sum(distorted**2),
        "normalized_cross_correlation": np.sum(reference * distorted) / np.sum(reference**2),
        "average_difference": error.mean(),
    }
    for metric, value in expected.items():
        assert_allclose(getattr(jiqa, metric)(reference, distorted), value, rtol=1e-12)


def test_maximum_difference_sees_brightening():
    dark, bright = np.zeros((4, 4, 1)), np.full((4, 4, 1), 0.75)
    assert jiqa.maximum_difference(dark, bright) == jiqa.maximum_difference(bright, dark) == 0.75


def test_lmse_borders(rng):
    reference, distorted = rng.random((2, 7, 9, 1))

    def del2(image):
        image = image[..., 0]
        rows = np.diff(image, 2, axis=0)
        rows = np.vstack([2 * rows[0] - rows[1], rows, 2 * rows[-1] - rows[-2]])
        columns = np.diff(image, 2, axis=1).T
        columns = np.vstack([2 * columns[0] - columns[1], columns, 2 * columns[-1] - columns[-2]])
        return rows + columns.T

    for border, cut in (("interior", slice(1, -1)), ("del2", slice(None))):
        f, g = del2(reference)[cut, cut], del2(distorted)[cut, cut]
        expected = np.sum((f - g) ** 2) / np.sum(f**2)
        assert_allclose(jiqa.lmse(reference, distorted, border=border), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="use interior or del2"):
        jiqa.lmse(reference, distorted, border="zero")
    with pytest.raises(ValueError, match="needs 4 pixels"):
        jiqa.lmse(reference[:3], distorted[:3], border="del2")


BLACK, GRAY = np.zeros((6, 6, 1)), np.full((6, 6, 1), 0.5)


@pytest.mark.parametrize(
    ("metric", "reference", "distorted", "value"),
    [
        ("psnr", GRAY, GRAY, INFINITY),
        ("snr", GRAY, GRAY, INFINITY),
        ("snr", BLACK, GRAY, -INFINITY),
        ("snr", BLACK, BLACK, INFINITY),
        ("nae", BLACK, BLACK, 0),
        ("nae", BLACK, GRAY, INFINITY),
        ("lmse", GRAY, GRAY, 0),
        ("lmse", GRAY, np.eye(6)[..., None], INFINITY),
        ("structural_content", GRAY, BLACK, INFINITY),
        ("structural_content", BLACK, BLACK, 1),
        ("normalized_cross_correlation", BLACK, BLACK, 1),
        ("normalized_cross_correlation", GRAY, BLACK, 0),
    ],
)
def test_stated_values_of_degenerate_images(metric, reference, distorted, value):
    assert getattr(jiqa, metric)(reference, distorted) == value


def test_caps():
    assert jiqa.psnr(GRAY, GRAY, cap=80.0) == 80
    assert jiqa.snr(GRAY, GRAY, cap=80.0) == 80
    assert jiqa.snr(BLACK, GRAY, cap=80.0) == -80
    assert jiqa.psnr(BLACK, GRAY, cap=80.0) == jiqa.psnr(BLACK, GRAY)


@pytest.mark.parametrize("error", [1e-9, 1e-15, 1e-18, 1e-20])
def test_a_capped_gradient_of_hardly_any_error_is_zero(error):
    """The mean squared error is a number of single precision, and its square is none."""
    black = jnp.zeros((30, 30, 1), jnp.float32)
    gradient = jax.grad(lambda y: jiqa.psnr(black, y, cap=100.0))(black.at[3, 4].set(error))
    assert jnp.all(gradient == 0)


def test_maps_average_to_their_metric(rng):
    images = rng.random((2, 4, 9, 12, 3))
    assert_allclose(jiqa.mse_map(*images).mean((-1, -2)), jiqa.mse(*images), rtol=1e-12)
    assert_allclose(jiqa.mae_map(*images).mean((-1, -2)), jiqa.mae(*images), rtol=1e-12)
    assert jnp.all(jiqa.mse_map(*images) >= 0)


@pytest.mark.parametrize(
    "name",
    [
        "average_difference",
        "maximum_difference",
        "nae",
        "normalized_cross_correlation",
        "snr",
        "structural_content",
    ],
)
def test_weights_of_a_region_are_those_of_a_crop(rng, name):
    x, y = rng.random((2, 12, 14, 3))
    weights = np.zeros((12, 14))
    weights[2:9, 3:11] = 0.7
    metric = jiqa.load(name)
    inside = metric(x[2:9, 3:11], y[2:9, 3:11])
    assert_allclose(metric(x, y, weights=weights), inside, rtol=1e-12)
    assert abs(metric(x, y) - inside) > 1e-6


@pytest.mark.parametrize("border", ["interior", "del2"])
def test_weights_of_the_laplacian(rng, border):
    x, y = rng.random((2, 12, 14, 1))
    weights = np.zeros((12, 14))
    weights[3:9, 4:11] = 0.7  # a crop that is one pixel wider has these inside
    inside = jiqa.lmse(x[2:10, 3:12], y[2:10, 3:12])
    assert_allclose(jiqa.lmse(x, y, border=border, weights=weights), inside, rtol=1e-12)
