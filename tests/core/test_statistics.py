"""Natural-scene statistics against SciPy and the authors' formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import ndimage, special, stats

from jiqa.core.arrays import to_float
from jiqa.core.statistics import (
    AsymmetricGeneralizedGaussian,
    GeneralizedGaussian,
    fit_aggd,
    fit_ggd,
    fit_weibull,
    local_mean_and_deviation,
    median_of_nonnegative,
    mscn,
    neighbor_products,
    solve_positive_definite,
)

GRID = np.arange(200, 10001) / 1000
GRID_RATIO = special.gamma(1 / GRID) * special.gamma(3 / GRID) / special.gamma(2 / GRID) ** 2
SCIPY_BORDERS = {
    "zero": "constant",
    "symmetric": "reflect",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "wrap",
}
FITS = {
    "ggd": jax.jit(fit_ggd, static_argnames=("axis", "nearest")),
    "aggd": jax.jit(fit_aggd, static_argnames=("axis", "nearest")),
}


def grid_search_ggd(values: np.ndarray) -> float:
    """The shape of the authors' code: all entries of the table are tried."""
    ratio = np.mean(values**2) / np.mean(np.abs(values)) ** 2
    return GRID[np.argmin(np.abs(GRID_RATIO - ratio))]


def grid_search_aggd(values: np.ndarray) -> tuple[float, float, float]:
    """Shape and both deviations of the authors' code, with the ratio l / r of the papers."""
    left, right = (np.sqrt(np.mean(values[side] ** 2)) for side in (values < 0, values > 0))
    share = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (share**3 + 1) * (share + 1) / (share**2 + 1) ** 2
    return GRID[np.argmin((1 / GRID_RATIO - ratio) ** 2)], left, right


def asymmetric_samples(shape: float, left: float, right: float, count: int, rng) -> np.ndarray:
    """Draws from the asymmetric density: a side's probability is proportional to its scale."""
    magnitudes = np.abs(stats.gennorm.rvs(shape, size=count, random_state=rng))
    negative = rng.uniform(size=count) < left / (left + right)
    return np.where(negative, -left, right) * magnitudes


@pytest.mark.parametrize("border", SCIPY_BORDERS)
def test_mscn_is_that_of_scipy(border, rng):
    # Float64; the deviation is a root of a difference, which costs some digits.
    images = rng.uniform(0, 255, (2, 17, 12, 3))
    options = {"sigma": 7 / 6, "radius": 3, "mode": SCIPY_BORDERS[border], "axes": (1, 2)}
    mean = ndimage.gaussian_filter(images, **options)
    deviation = np.sqrt(ndimage.gaussian_filter(images**2, **options) - mean**2)
    coefficients = (images - mean) / (deviation + 2)
    compiled = jax.jit(
        lambda x: (
            *local_mean_and_deviation(x, border=border),
            mscn(x, border=border, constant=2.0),
        )
    )
    found = compiled(images)
    np.testing.assert_allclose(found[0], mean, rtol=1e-12)
    np.testing.assert_allclose(found[1], deviation, rtol=1e-11)
    np.testing.assert_allclose(found[2], coefficients, rtol=1e-9, atol=1e-12)
    # Float32: squares up to 255**2 leave 1e-2 of a variance that is above 1000 here.
    found = compiled(images.astype(np.float32))
    assert found[2].dtype == jnp.float32
    np.testing.assert_allclose(found[2], coefficients, atol=2e-5)


def test_mscn_options_and_errors(rng):
    images = jnp.asarray(rng.uniform(0, 255, (12, 15, 1)))
    mean, deviation = local_mean_and_deviation(images, window_size=5, sigma=2.0, border="valid")
    assert mean.shape == deviation.shape == (8, 11, 1)
    found = mscn(images, window_size=5, sigma=2.0)[2:-2, 2:-2]
    np.testing.assert_allclose(found, (images[2:-2, 2:-2] - mean) / (deviation + 1), rtol=1e-12)
    with pytest.raises(ValueError, match="border='valid'"):
        mscn(images, border="valid")


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("nearest", [True, False])
def test_ggd_is_found_from_its_moments(shape, nearest):
    # Quantiles of the distribution have its moments, but for the tails: up to 1e-3 at shape 0.5.
    values = 3 * stats.gennorm.ppf((np.arange(200_000) + 0.5) / 200_000, shape)
    found = FITS["ggd"](values, nearest=nearest)
    np.testing.assert_allclose(found.shape, shape, rtol=2e-3)
    np.testing.assert_allclose(found.scale, 3, rtol=5e-3)
    np.testing.assert_allclose(found.deviation, np.sqrt(np.mean(values**2)), rtol=1e-12)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_ggd_is_found_from_samples(shape, rng):
    # Five standard errors of the shape from 100000 samples, about 0.009 of it at most.
    values = 3 * stats.gennorm.rvs(shape, size=(3, 100_000), random_state=rng)
    found = FITS["ggd"](values)
    np.testing.assert_allclose(found.shape, shape, rtol=0.04)
    np.testing.assert_allclose(found.deviation, 3 * stats.gennorm.std(shape), rtol=0.03)


def test_aggd_is_found_from_samples(rng):
    # The mean is that of the density: (b_r - b_l) gamma(2 / nu) / gamma(1 / nu).
    values = asymmetric_samples(1.3, 0.5, 2.0, 400_000, rng)
    found = FITS["aggd"](values)
    np.testing.assert_allclose(found.shape, 1.3, rtol=0.03)
    np.testing.assert_allclose([found.left_scale, found.right_scale], [0.5, 2.0], rtol=0.03)
    np.testing.assert_allclose(found.mean, np.mean(values), rtol=0.03)
    unit = stats.gennorm.std(1.3)
    deviations = [found.left_deviation, found.right_deviation]
    np.testing.assert_allclose(deviations, [0.5 * unit, 2 * unit], rtol=0.02)


def test_fits_are_those_of_the_grid_search(rng):
    values = rng.standard_normal((40, 200)) * np.abs(rng.standard_normal((40, 200))) ** rng.uniform(
        -0.5, 2, (40, 1)
    )
    values *= 10 ** rng.uniform(-3, 3, (40, 1))
    values = np.where(values < 0, rng.uniform(0.2, 1, (40, 1)), 1) * values
    found = FITS["ggd"](values).shape
    np.testing.assert_allclose(found, [grid_search_ggd(row) for row in values], rtol=1e-12)
    assert np.ptp(found) > 1
    fit = FITS["aggd"](values)
    expected = np.array([grid_search_aggd(row) for row in values]).T
    np.testing.assert_allclose(np.array(fit), expected, rtol=1e-12)


@pytest.mark.parametrize("fit", FITS)
def test_interpolated_shape_solves_the_equation(fit, rng):
    # The table of 0.001 is interpolated linearly: an error of 1e-6 of the ratio's range at most.
    values = rng.standard_normal((20, 300)) * np.abs(rng.standard_normal((20, 300)))
    shape = np.asarray(FITS[fit](values, nearest=False).shape)
    nearest = np.asarray(FITS[fit](values).shape)
    assert 0 < np.abs(shape - nearest).max() <= 5.01e-4
    ratio = special.gamma(1 / shape) * special.gamma(3 / shape) / special.gamma(2 / shape) ** 2
    expected = np.mean(values**2, -1) / np.mean(np.abs(values), -1) ** 2
    if fit == "aggd":
        share = np.array([np.divide(*grid_search_aggd(row)[1:]) for row in values])
        expected /= (share**3 + 1) * (share + 1) / (share**2 + 1) ** 2
    np.testing.assert_allclose(ratio, expected, rtol=1e-6)


def test_scales_and_mean_are_their_closed_forms():
    # Laplacian: sigma = sqrt(2) beta; Gaussian: sigma = beta / sqrt(2), E|x| = beta / sqrt(pi).
    shape = jnp.array([1.0, 2.0])
    scale = GeneralizedGaussian(shape, jnp.ones(2)).scale
    np.testing.assert_allclose(scale, [2**-0.5, 2**0.5], rtol=1e-13)
    fit = AsymmetricGeneralizedGaussian(shape, jnp.ones(2), 3 * jnp.ones(2))
    np.testing.assert_allclose(fit.right_scale, 3 * fit.left_scale, rtol=1e-13)
    expected = 2 * scale * np.array([1, np.pi**-0.5])
    np.testing.assert_allclose(fit.mean, expected, rtol=1e-13)


def test_degenerate_values_have_their_stated_fits():
    zeros, ones = jnp.zeros(50), jnp.ones(50)
    fit = fit_ggd(zeros)
    assert (float(fit.shape), float(fit.deviation)) == (0.2, 0.0)
    fit = fit_ggd(-ones)
    assert (float(fit.shape), float(fit.deviation)) == (10.0, 1.0)
    fit = fit_aggd(zeros)
    assert tuple(map(float, (*fit, fit.mean))) == (0.2, 0.0, 0.0, 0.0)
    fit = fit_aggd(3 * ones)
    assert tuple(map(float, fit)) == (10.0, 0.0, 3.0)
    fit = fit_aggd(-3 * ones)
    assert tuple(map(float, fit)) == (10.0, 3.0, 0.0)


def test_gradients_are_finite_on_degenerate_images(rng):
    noise = rng.standard_normal((9, 9, 1))
    dot = np.zeros((9, 9, 1))
    dot[4, 4] = 255
    images = np.stack([0 * noise, 0 * noise + 255, 1e-8 * noise, 128 + 1e-8 * noise, dot, -dot])

    @jax.jit
    @jax.value_and_grad
    def total(x):
        coefficients = mscn(x)
        axes = (-3, -2, -1)
        ggd = fit_ggd(coefficients, axis=axes)
        aggd = fit_aggd(coefficients * jnp.roll(coefficients, 1, -2), axis=axes)
        return sum(jnp.sum(part) for part in (*ggd, *aggd, aggd.mean, coefficients))

    for dtype in (jnp.float32, jnp.bfloat16):
        value, gradient = total(to_float(jnp.asarray(images, dtype)))
        assert gradient.dtype == jnp.float32
        assert np.isfinite(float(value))
        assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.parametrize("fit", [fit_ggd, fit_aggd])
def test_gradients_are_finite_at_any_scale(fit, rng):
    gradient = jax.jit(jax.grad(lambda x: fit(x).shape))
    for scale in (1e-30, 1e-18, 1e-12, 1e12):
        values = jnp.asarray(rng.standard_normal(64) * scale, jnp.float32)
        assert np.isfinite(np.asarray(gradient(values))).all(), scale


def test_gradients_are_those_of_finite_differences(rng):
    images = jnp.asarray(rng.uniform(0, 255, (9, 8, 1)))
    check_grads(jax.jit(mscn), (images,), order=1, modes=["rev"], rtol=1e-5, eps=1e-3)
    values = jnp.asarray(rng.standard_normal((2, 60)))
    for fit in (fit_ggd, fit_aggd):
        # The gradient within one step of the table is a chord's: 5e-4 of the tangent's.
        smooth = jax.jit(lambda x, fit=fit: tuple(fit(x, nearest=False)))
        check_grads(smooth, (values,), order=1, modes=["rev"], rtol=1e-5, eps=1e-7)


def test_nearest_shape_has_the_gradient_of_the_interpolated(rng):
    values = jnp.asarray(rng.standard_normal((2, 60)))
    for fit in (fit_ggd, fit_aggd):
        stepped, smooth = (
            jax.jit(jax.grad(lambda x, how=how, fit=fit: jnp.sum(fit(x, nearest=how).shape)))(
                values
            )
            for how in (True, False)
        )
        assert np.abs(smooth).max() > 0
        np.testing.assert_array_equal(stepped, smooth)


def test_transformations_and_batches_agree(rng):
    # Sums may run in another order: a few ulp, and the same entry of the table.
    images = jnp.asarray(rng.uniform(0, 255, (2, 3, 9, 11, 1)))

    def fits(x):
        coefficients = mscn(x)
        return (
            *fit_ggd(coefficients, axis=(-3, -2, -1)),
            *fit_aggd(coefficients, axis=(-3, -2, -1)),
        )

    expected = np.array(fits(images))
    assert expected.shape == (5, 2, 3)
    compiled = jax.jit(lambda x: (fits(x), jax.vmap(jax.vmap(fits))(x)))
    for found in compiled(images):
        np.testing.assert_allclose(np.array(found), expected, rtol=1e-12)
    alone = jax.jit(fits)(images[1, 2])
    np.testing.assert_allclose(np.array(alone), expected[:, 1, 2], rtol=1e-12)
    flat = jax.jit(fit_aggd)(mscn(images).reshape(2, 3, -1))
    np.testing.assert_allclose(np.array(flat), expected[2:], rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_median_is_numpys(rng, count, dtype):
    values = np.abs(rng.standard_normal((3, 4, count))).astype(dtype)
    values[0, 0] = 0
    values[1, :, : count // 2] = 0.25  # ties
    median = median_of_nonnegative(jnp.asarray(values))
    assert median.dtype == dtype
    np.testing.assert_array_equal(median, np.median(values, -1).astype(dtype))


def test_gradient_of_the_median_goes_to_the_middle():
    slope = jax.grad(median_of_nonnegative)
    np.testing.assert_array_equal(slope(jnp.array([5.0, 1.0, 2.0])), [0, 0, 1])
    np.testing.assert_array_equal(slope(jnp.array([5.0, 1.0, 2.0, 3.0])), [0, 0, 0.5, 0.5])
    np.testing.assert_array_equal(
        slope(jnp.array([2.0, 2.0, 0.0, 9.0, 2.0])), [1 / 3] * 2 + [0, 0, 1 / 3]
    )


def test_neighbors_are_left_above_and_on_both_diagonals(rng):
    values = rng.standard_normal((5, 7, 2))
    left, above, above_left, below_left = neighbor_products(jnp.asarray(values))
    np.testing.assert_array_equal(left[3, 4], values[3, 4] * values[3, 3])
    np.testing.assert_array_equal(above[0, 4], values[0, 4] * values[-1, 4])
    np.testing.assert_array_equal(above_left[3, 0], values[3, 0] * values[2, -1])
    np.testing.assert_array_equal(below_left[4, 4], values[4, 4] * values[0, 3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_areas_and_slopes_have_no_coefficient(dtype):
    """The authors' code gives rounding noise, whose signs a fit would count."""
    rows, columns = np.indices((20, 24))
    step = np.where(columns < 12, 37.0, 200.0)
    for image, zero in ((step, abs(columns - 11.5) > 3), (5.0 * rows, (rows > 2) & (rows < 17))):
        coefficients = mscn(jnp.asarray(image[..., None], dtype))[..., 0]
        np.testing.assert_array_equal(coefficients == 0, zero)


@pytest.mark.parametrize("shape", [0.3, 0.9, 2.0, 15.0])
def test_weibull_maximises_the_likelihood(shape, rng):
    values = 7 * rng.weibull(shape, (2, 3000))
    found = fit_weibull(jnp.asarray(values))
    for sample, k, scale in zip(values, found.shape, found.scale, strict=True):
        excess = np.sum(sample**k * np.log(sample)) / np.sum(sample**k) - 1 / k
        np.testing.assert_allclose(excess, np.log(sample).mean(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(scale, np.mean(sample**k) ** (1 / k), rtol=1e-12)
    # SciPy's search stops at its own tolerance.
    expected = stats.weibull_min.fit(values[0], floc=0)[::2]
    np.testing.assert_allclose([found.shape[0], found.scale[0]], expected, rtol=2e-4)
    single = fit_weibull(jnp.asarray(values, jnp.float32))
    np.testing.assert_allclose(single.shape, found.shape, rtol=1e-5)


def test_weibull_of_some_zeros_and_of_equal_samples(rng):
    tiny = 2.0**-52
    mostly = np.where(rng.random(4000) < 0.1, tiny, 3 * rng.random(4000))
    k = float(fit_weibull(jnp.asarray(mostly)).shape)
    excess = np.sum(mostly**k * np.log(mostly)) / np.sum(mostly**k) - 1 / k
    np.testing.assert_allclose(excess, np.log(mostly).mean(), rtol=1e-12)
    for value in (tiny, 1.0, 300.0):
        fit = fit_weibull(jnp.full(100, value))
        np.testing.assert_allclose([fit.scale, fit.shape], [value, 1e4], rtol=1e-12)


def test_weibull_gradients(rng):
    values = jnp.asarray(0.1 + rng.weibull(1.5, (2, 60)))
    check_grads(jax.jit(fit_weibull), (values,), order=1, modes=["rev"], rtol=1e-6, eps=1e-6)
    gradient = jax.grad(lambda x: sum(fit_weibull(x)))(jnp.ones(60))
    assert np.isfinite(np.asarray(gradient)).all()


def test_solution_of_positive_definite_systems(rng):
    factors = rng.standard_normal((3, 36, 50)) * np.linspace(0.01, 10, 36)[:, None]
    matrices, right = factors @ factors.swapaxes(1, 2), rng.standard_normal((3, 36, 2))
    found = solve_positive_definite(jnp.asarray(matrices), jnp.asarray(right))
    np.testing.assert_allclose(found, np.linalg.solve(matrices, right), rtol=1e-7)
    inputs = (jnp.asarray(np.eye(4) + matrices[0, :4, :4]), jnp.asarray(right[0, :4]))
    check_grads(solve_positive_definite, inputs, order=1, modes=["rev"], rtol=1e-5)
