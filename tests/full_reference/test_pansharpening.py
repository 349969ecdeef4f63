"""D_lambda, D_s and QNR against torchmetrics, their definition, and bad arguments."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

import jiqa
from jiqa.core.filters import imresize


@pytest.fixture
def fusion():
    """A multispectral image of four bands, a fused and a panchromatic one of twice its size."""
    rng = np.random.default_rng(7)
    panchromatic = rng.random((32, 40, 1))
    fused = 0.6 * panchromatic + 0.4 * rng.random((32, 40, 4))
    low = fused.reshape(16, 2, 20, 2, 4).mean((1, 3))
    multispectral = np.clip(low + 0.1 * rng.standard_normal(low.shape), 0, 1)
    return multispectral, fused, panchromatic


def halved(images):
    height, width, bands = images.shape
    return images.reshape(height // 2, 2, width // 2, 2, bands).mean((1, 3))


# torchmetrics 1.9.0 on `fusion` in float64, with `pan_lr` and norm_order 1 and 2.
TORCHMETRICS = {
    1.0: (0.37541231513, 0.20735493302, 0.49507632852),
    2.0: (0.38097840548, 0.21237111092, 0.48755928874),
}


@pytest.mark.parametrize("exponent", TORCHMETRICS)
def test_torchmetrics_values(fusion, exponent):
    # Its quality index has a Gaussian window, and it stores qualities in float32.
    options = {"quality": partial(jiqa.ssim, k1=0.0, k2=0.0), "exponent": exponent}
    low = {"panchromatic_low": halved(fusion[2])}
    found = (
        jiqa.d_lambda(*fusion[:2], **options),
        jiqa.d_s(*fusion, **options, **low),
        jiqa.qnr(*fusion, **options, **low),
    )
    assert_allclose(found, TORCHMETRICS[exponent], rtol=1e-6)
    if exponent == 1:
        score = jiqa.qnr(*fusion, **options, **low, alpha=2.0, beta=0.5)
        assert_allclose(score, 0.34731712937, rtol=1e-6)


def test_definition(fusion):
    multispectral, fused, panchromatic = fusion
    smooth = ndimage.uniform_filter(panchromatic[..., 0], 7, mode="reflect")
    low = np.asarray(imresize(jnp.asarray(smooth)[..., None], 0.5))
    between = [
        abs(
            jiqa.uqi(fused[..., [i]], fused[..., [j]])
            - jiqa.uqi(multispectral[..., [i]], multispectral[..., [j]])
        )
        for i in range(4)
        for j in range(4)
        if i != j
    ]
    assert_allclose(jiqa.d_lambda(multispectral, fused), np.mean(between), rtol=1e-12)
    to_panchromatic = [
        abs(jiqa.uqi(fused[..., [i]], panchromatic) - jiqa.uqi(multispectral[..., [i]], low))
        for i in range(4)
    ]
    assert_allclose(jiqa.d_s(*fusion), np.mean(to_panchromatic), rtol=1e-9)
    product = (1 - np.mean(between)) * (1 - np.mean(to_panchromatic))
    assert_allclose(jiqa.qnr(*fusion), product, rtol=1e-9)


def test_batches_jit_and_gradients(fusion):
    scores = jiqa.qnr(*(np.stack([image, image[::-1]]) for image in fusion))
    assert scores.shape == (2,)
    assert_allclose(scores[0], jiqa.qnr(*fusion), rtol=1e-12)
    multispectral, fused, panchromatic = fusion
    one_band = multispectral[..., :1], fused[..., :1], panchromatic
    value, gradient = jax.jit(jax.value_and_grad(jiqa.d_s, argnums=1))(*one_band)
    assert_allclose(value, jiqa.d_s(*one_band), rtol=1e-12)
    assert jnp.isfinite(gradient).all()
    assert jnp.abs(gradient).max() > 0
    same = jnp.asarray(fused[..., :2])
    unchanged = jax.grad(jiqa.d_lambda, argnums=1)(same, same)
    assert jnp.isfinite(unchanged).all()


def test_integers_carry_their_range(fusion):
    levels = [np.round(image * 255).astype(np.uint8) for image in fusion]
    score = jiqa.qnr(*levels)
    assert score.dtype == jnp.float32
    assert_allclose(score, jiqa.qnr(*(image / 255 for image in levels)), rtol=1e-5)
    scaled = jiqa.qnr(*(image.astype(float) for image in levels), data_range=255)
    assert_allclose(score, scaled, rtol=1e-5)


def test_functions_of_three_images_are_no_metrics():
    assert not {"d_lambda", "d_s", "qnr"} & set(jiqa.list_metrics())


BAD = {
    "bands": (lambda m, f, p: (m[..., :3], f, p), ValueError, r"`multispectral` has shape"),
    "panchromatic size": (lambda m, f, p: (m, f, p[:-1]), ValueError, r"`panchromatic`.*32, 40, 1"),
    "panchromatic bands": (lambda m, f, _: (m, f, f), ValueError, r"`panchromatic` has shape"),
    "batch": (lambda m, f, p: (m[None], f, p), ValueError, r"`multispectral` has shape \(1,"),
    "rank": (lambda m, f, p: (m, f, p[..., 0]), ValueError, r"`panchromatic` must be an array"),
    "dtypes": (lambda m, f, p: (m, f, p.astype(np.float32)), TypeError, r"float32, float64"),
    "signed": (lambda *images: [np.int32(x) for x in images], TypeError, r"uint8 or uint16"),
    "range": (lambda m, f, p: (m, 255 * f, p), ValueError, r"d_s: `fused`.*data_range=255"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_clear_errors(fusion, case):
    change, error, message = BAD[case]
    with pytest.raises(error, match=message):
        jiqa.d_s(*change(*fusion))


def test_one_band_has_no_spectrum(fusion):
    with pytest.raises(ValueError, match="at least two bands"):
        jiqa.d_lambda(fusion[0][..., :1], fusion[1][..., :1])
