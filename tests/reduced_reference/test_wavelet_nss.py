"""The wavelet-domain statistic: its fit, its quantisation and its 162 bits."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import jiqa
from jiqa.reduced_reference import wavelet_nss
from jiqa.reduced_reference.wavelet_nss import pack, unpack


def toolbox_divergence(place, histogram, width):
    """The toolbox's `ggd_error`, typed again."""
    scale, shape = np.abs(place)
    samples = width * (np.arange(101 * 30) + 0.5) / 30 - 101 * width / 2
    model = np.exp(-((np.abs(samples) / scale) ** shape)).reshape(101, 30).sum(1)
    model /= model.sum()
    kept = (model > 0) & (histogram > 0)
    log_ratio = np.log(model[kept] / histogram[kept])
    return abs((model[kept] * log_ratio).sum() / model[kept].sum())


@pytest.mark.parametrize("photograph", [1, 13, 22])
def test_fit_is_no_worse_than_the_toolbox(shared_data, photograph):
    """The toolbox is `fminsearch` from [2 0.6], of which SciPy's Nelder-Mead is a twin."""
    image = jiqa.images.read_image(shared_data / f"data/pristine_kodak/{photograph}.png")
    image = jnp.asarray(image[:384, :384], jnp.float64)
    found = jiqa.wavelet_nss_features(image, data_range=255).values
    histograms = np.asarray(wavelet_nss._histograms(image, 255.0, "matlab"))[0]
    for band, width in enumerate(wavelet_nss.BIN_WIDTHS):
        given = (histograms[band], width)
        simplex = minimize(
            toolbox_divergence,
            [2, 0.6],
            given,
            method="Nelder-Mead",
            options={"xatol": 1e-4, "fatol": 1e-4},
        )
        ours = [found["scale"][0, band], found["shape"][0, band]]
        residual = toolbox_divergence(np.array(ours), *given)
        assert_allclose(residual, found["divergence"][0, band], rtol=1e-9)
        assert residual <= simplex.fun + 1e-4
        # The simplex stops at steps of 1e-4.
        assert_allclose(ours, np.abs(simplex.x), rtol=1e-3)


def test_fit_finds_the_distribution_that_samples_came_from():
    scale, shape = 3.0, 1.2
    edges = np.linspace(-50.5, 50.5, 101 * 200 + 1)
    density = np.exp(-((np.abs(edges[:-1] + edges[1:]) / 2 / scale) ** shape))
    histogram = density.reshape(101, 200).sum(1) / density.sum()
    log_scale, log_shape = jax.jit(wavelet_nss._fit)(jnp.asarray(histogram))
    # 30 samples a bin against 200.
    assert_allclose([math.exp(log_scale), math.exp(log_shape)], [scale, shape], rtol=1e-3)


def test_histogram_is_that_of_matlab(rng):
    image = 255 * rng.random((80, 91, 1))
    ours = wavelet_nss._histograms(jnp.asarray(image), 255.0, None)
    assert ours.shape == (1, 6, 101)
    bands = jiqa.core.steerable.steerable_pyramid_fourier(jnp.asarray(image), 3, 4).bands
    for index, (scale, orientation) in enumerate([(0, 0), (0, 2), (1, 1), (1, 3), (2, 0), (2, 2)]):
        border, width = 16 // 2**scale, 2 * 4**scale
        band = np.asarray(bands[scale][orientation].real)[border:-border, border:-border, 0]
        inner_edges = width * (np.arange(100) - 49.5)
        edges = np.concatenate([[-np.inf], inner_edges, [np.inf]])
        expected = np.histogram(band, edges)[0] / band.size
        assert_allclose(ours[0, index], expected, atol=1e-12)


def test_a_tie_goes_to_the_lower_bin():
    counts = wavelet_nss.count_in_bins(jnp.ceil(jnp.array([-1.0, 1.0]) / 2 + 49.5), 101)
    assert counts[49] == counts[50] == 1


def test_score_is_that_of_the_formula(rng):
    reference, distorted = rng.random((2, 64, 64, 1))
    sent = {k: np.asarray(v)[0] for k, v in jiqa.wavelet_nss_features(reference).values.items()}
    histograms = np.asarray(wavelet_nss._histograms(jnp.asarray(distorted), 1.0, None))[0]
    growth = sum(
        abs(
            toolbox_divergence(np.array([sent["scale"][k], sent["shape"][k]]), histograms[k], width)
            - sent["divergence"][k]
        )
        for k, width in enumerate(wavelet_nss.BIN_WIDTHS)
    )
    assert_allclose(jiqa.wavelet_nss(reference, distorted), np.log2(1 + growth / 1e-3), rtol=1e-8)


def test_quantisation_is_the_toolboxs():
    values = {
        "scale": jnp.asarray([[0.123456, 9.999, 7.7, 1e-7, 31.4159, 1e9]]),
        "shape": jnp.asarray([[0.6, 0.01, 1.234, 9.0, 0.05, 1.64375]]),
        "divergence": jnp.asarray([[0.0, 0.01, 0.012345, 1.0, 0.06375, 0.000126]]),
    }
    ours = wavelet_nss._decode(wavelet_nss._encode(values), jnp.float64)
    scale, shape, residual = (np.asarray(values[k]) for k in ("scale", "shape", "divergence"))
    exponent = np.floor(np.log10(scale))
    step = 9 / 256
    expected = (np.round((scale / 10**exponent - 1) / step) * step + 1) * 10**exponent
    inside = [0, 1, 2, 4]
    assert_allclose(ours["scale"][0, inside], expected[0, inside], rtol=1e-12)
    assert_allclose(ours["scale"][0, [3, 5]], [1e-5, (1 + 255 * step) * 1e3])  # 3 bits of exponent
    assert_allclose(
        ours["shape"], np.clip(np.round((shape - 0.05) / 0.00625) * 0.00625 + 0.05, 0.05, 1.64375)
    )
    assert_allclose(ours["divergence"], np.clip(np.round(residual / 0.00025) * 0.00025, 0, 0.06375))


def test_162_bits_are_21_bytes_in_the_toolboxs_order(rng):
    image = rng.random((64, 64, 1))
    exact = jiqa.wavelet_nss_features(image)
    quantized = jiqa.wavelet_nss_features(image, quantize=True)
    data = pack(exact)
    assert len(data) == 21
    assert data == pack(quantized)
    received = unpack(data)
    for name, value in quantized.values.items():
        assert_allclose(received.values[name], value, rtol=1e-6)  # in single precision
    bits = "".join(f"{byte:08b}" for byte in data)
    codes = wavelet_nss._encode(exact.values)
    assert int(bits[:8], 2) == codes["mantissa"][0, 0]
    assert int(bits[48:51], 2) == codes["exponent"][0, 0]
    assert int(bits[66:74], 2) == codes["shape"][0, 0]
    assert int(bits[154:162], 2) == codes["divergence"][0, 5]
    assert bits[162:] == "000000"
    distorted = np.clip(image + 0.1 * rng.standard_normal(image.shape), 0, 1)
    assert_allclose(
        jiqa.wavelet_nss_distance(received, distorted),
        jiqa.wavelet_nss_162_bits(image, distorted),
        rtol=1e-5,
    )
    assert 0 <= jiqa.wavelet_nss_162_bits(image, image) < 6


def test_pack_takes_one_image_and_unpack_21_bytes(rng):
    features = jiqa.wavelet_nss_features(rng.random((64, 64, 1)))
    with pytest.raises(ValueError, match="36 scalars are not the 18"):
        pack(jax.tree.map(lambda value: jnp.stack([value, value]), features))
    with pytest.raises(ValueError, match="20 bytes are not the 21"):
        unpack(bytes(20))


def test_flat_images_are_finite_and_small_ones_an_error():
    flat = np.full((64, 64, 1), 0.5)
    features = jiqa.wavelet_nss_features(flat)
    assert all(np.isfinite(value).all() for value in features.values.values())
    assert jiqa.wavelet_nss(flat, flat) == 0
    assert np.isfinite(jiqa.wavelet_nss(flat, np.random.default_rng(0).random(flat.shape)))
    with pytest.raises(ValueError, match="at least 33 a side"):
        jiqa.wavelet_nss(flat[:32], flat[:32])
    least = jax.eval_shape(jiqa.wavelet_nss, flat[:33, :33], flat[:33, :33])
    assert least.shape == ()
