"""Metrics in the salient region: regions hold what they should, and metrics look there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.regions import REGIONS, SALIENCY, salient_crop, salient_pixels, salient_rectangle


def test_pixels_hold_the_share_and_no_more(rng):
    saliency = rng.random((3, 20, 31)) ** 4
    for energy in (0.1, 0.5, 1.0):
        mask = np.asarray(salient_pixels(saliency, energy))
        held = (saliency * mask).sum((-2, -1)) / saliency.sum((-2, -1))
        least = np.where(mask == 1, saliency, np.inf).min((-2, -1)) / saliency.sum((-2, -1))
        assert (held >= energy - 1e-12).all()
        assert (held - least < energy + 1e-12).all()


def test_rectangle_is_the_smallest_that_suffices(rng):
    saliency = rng.random((40, 64)) ** 6
    mask = np.asarray(salient_rectangle(saliency, 0.3))
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    height, width = len(rows), len(columns)
    assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert (saliency * mask).sum() >= 0.3 * saliency.sum()
    smaller = height - 40 // 16, width - 64 // 16
    windows = np.lib.stride_tricks.sliding_window_view(saliency, smaller).sum((-2, -1))
    assert windows.max() < 0.3 * saliency.sum()
    assert mask.sum() == height * width


def test_crop_holds_the_most_saliency_and_serves_every_metric(rng):
    saliency = rng.random((2, 40, 64)) ** 6
    x, y = rng.random((2, 2, 40, 64, 3))
    crop, maps = salient_crop(saliency, x, saliency[..., None], side=0.6)
    assert crop.shape == (2, 24, 38, 3)
    windows = np.lib.stride_tricks.sliding_window_view(saliency, (24, 38), (1, 2)).sum((-2, -1))
    assert_allclose(maps.sum((1, 2, 3)), windows.max((1, 2)))
    look = jiqa.salient_region("vsnr", saliency=lambda _: saliency, region="crop", side=0.6)
    assert_allclose(look(x, y), jiqa.vsnr(*salient_crop(saliency, x, y, side=0.6)))


@pytest.mark.parametrize("saliency", SALIENCY)
def test_every_saliency_gives_a_score(rng, saliency):
    x, y = rng.random((2, 30, 40, 3))
    assert jnp.isfinite(jiqa.salient_region("mse", saliency=saliency)(x, y))


@pytest.mark.parametrize("region", REGIONS)
def test_damage_outside_of_the_region_counts_less(region):
    reference = jnp.full((64, 80, 3), 0.4).at[10:22, 12:26].set(jnp.array([0.9, 0.3, 0.2]))
    there = reference.at[11:21, 13:25].add(0.1)
    elsewhere = reference.at[50:60, 60:72].add(0.1)
    look = jiqa.salient_region("mse", region=region, energy=0.5)
    assert look(reference, there) > 2 * look(reference, elsewhere)


@pytest.mark.parametrize(
    ("saliency", "region"),
    [("spectral_residual", "rectangle"), (lambda x: x.mean(-1), "rectangle"), ("sdsp", "crop")],
)
def test_transformations_agree(rng, saliency, region):
    x, y = rng.random((2, 4, 30, 40, 3))
    look = jiqa.salient_region("gmsd", saliency=saliency, region=region)
    batch = look(x, y)
    assert batch.shape == (4,)
    for each in (jax.jit(look), jax.vmap(look)):
        assert_allclose(each(x, y), batch, rtol=1e-9)
    assert_allclose(look(x[1], y[1]), batch[1], rtol=1e-9)
    assert jnp.isfinite(jax.grad(lambda y: look(x, y).sum())(y)).all()


def test_integers_and_range_agree(rng):
    x, y = rng.integers(0, 256, (2, 30, 40, 3), np.uint8)
    plain = jiqa.salient_region("psnr")(x, y)
    given = jiqa.salient_region("psnr", data_range=255)(x.astype(float), y.astype(float))
    assert_allclose(plain, given, rtol=1e-4)


def test_a_metric_without_reference(rng):
    image = rng.random((30, 40, 3))
    assert jnp.isfinite(jiqa.salient_region("colorfulness", region="pixels")(image))


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        ("vsnr", {}, "vsnr takes no weights; .* region='crop'"),
        ("ssim", {"region": "crop", "side": 1.5}, "side=1.5 must be above 0"),
        ("ssim", {"region": "circle"}, "region='circle' is unknown"),
        ("ssim", {"energy": 0.0}, "above 0"),
        ("ssim", {"saliency": "eyes"}, "saliency='eyes' is unknown"),
        ("sism", {}, "did you mean"),
    ],
)
def test_errors_are_clear(metric, options, message):
    with pytest.raises(ValueError, match=message):
        jiqa.salient_region(metric, **options)
