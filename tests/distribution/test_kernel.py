"""Kernel distances against torch-fidelity, torchmetrics and clean-fid, and against the formulas."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.testing import assert_allclose

from jiqa.distribution import blocks
from jiqa.distribution.kernel import (
    gaussian_mmd,
    kernel_distance,
    kernel_distance_of,
    polynomial_mmd,
)
from tests.distribution.data.parameters import features

GOLDENS = json.loads((Path(__file__).parent / "data/goldens.json").read_text())["distances"]
X, Y, _ = features()


def plain(kernel, x, y, unbiased):
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    if unbiased:
        xx, yy = (k[~np.eye(len(k), dtype=bool)] for k in (xx, yy))
    return xx.mean() + yy.mean() - 2 * xy.mean()


def cubic(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def gaussian(x, y, sigma=10.0):
    distances = ((x[:, None] - y[None]) ** 2).sum(-1)
    return np.exp(-distances / (2 * sigma**2))


def test_subsets_are_torch_fidelitys():
    """With the subsets that it draws, its generated images being its first input."""
    rng = np.random.RandomState(2020)
    drawn = [[rng.choice(len(z), 40, replace=False) for z in (Y, X)] for _ in range(7)]
    y_rows, x_rows = (np.array(rows) for rows in zip(*drawn, strict=True))
    found = kernel_distance_of(X, Y, x_rows, y_rows)
    assert_allclose(found.mean, GOLDENS["torch-fidelity"]["kid_mean"], rtol=1e-10)
    assert_allclose(found.deviation, GOLDENS["torch-fidelity"]["kid_std"], rtol=1e-10)


def test_all_images_are_torchmetrics_and_clean_fids():
    same = min(len(X), len(Y))
    found = polynomial_mmd(X[:same], Y[:same])
    for package in ("torchmetrics", "clean-fid"):
        assert_allclose(found, GOLDENS[package]["kid_of_first"], rtol=1e-10)


def test_values_are_the_formulas():
    """Sets of different size."""
    for unbiased in (True, False):
        found = polynomial_mmd(X, Y, unbiased=unbiased)
        assert_allclose(found, plain(cubic, X, Y, unbiased), rtol=1e-10)
        found = gaussian_mmd(X, Y, unbiased=unbiased)
        assert_allclose(found, 1000 * plain(gaussian, X, Y, unbiased), rtol=1e-10)
    expected = 3 * plain(lambda x, y: gaussian(x, y, 2.5), X, Y, False)
    assert_allclose(gaussian_mmd(X, Y, sigma=2.5, scale=3), expected, rtol=1e-10)


def test_blocks_give_the_same(monkeypatch):
    """Of 7 rows, which divide neither set."""
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 7 * len(Y))
    jax.clear_caches()
    assert_allclose(polynomial_mmd(X, Y), plain(cubic, X, Y, True), rtol=1e-10)
    assert_allclose(gaussian_mmd(X, Y), 1000 * plain(gaussian, X, Y, False), rtol=1e-10)
    jax.clear_caches()


def test_single_precision_keeps_small_differences(rng):
    """KID of about 1e-3 of kernels of about 1: to 1e-6, where sums in float32 lose 1e-5."""
    x, y = np.abs(rng.normal(0.4, 0.4, (2, 600, 64))).astype(np.float32)
    y = y * np.float32(1.01)
    expected = plain(cubic, *(z.astype(np.float64) for z in (x, y)), True)
    assert 1e-4 < abs(expected) < 1e-1
    assert_allclose(polynomial_mmd(x, y), expected, atol=2e-7)
    expected = plain(gaussian, *(z.astype(np.float64) for z in (x, y)), False)
    far = np.float32(1000)  # from the origin
    assert_allclose(gaussian_mmd(x, y), 1000 * expected, rtol=1e-3)
    moved = [(z + far).astype(np.float32) for z in (x, y)]
    expected = plain(gaussian, *(z.astype(np.float64) for z in moved), False)
    assert_allclose(gaussian_mmd(*moved), 1000 * expected, rtol=1e-3)


def test_one_distribution_has_no_distance(rng):
    x, y = rng.normal(size=(2, 400, 8))
    found = kernel_distance(x, y, subsets=20, subset_size=200)
    assert abs(found.mean) < 2 * found.deviation
    assert_allclose(gaussian_mmd(x, x), 0, atol=1e-12)
    apart = kernel_distance(x, y + 1, subsets=20, subset_size=200)
    assert apart.mean > 10 * apart.deviation


def test_the_key_decides_the_subsets():
    def of(key):
        return kernel_distance(X, Y, key=key, subsets=5, subset_size=30)

    first, again, other = of(jax.random.key(1)), of(jax.random.key(1)), of(jax.random.key(2))
    assert first == again
    assert first != other
    everything = kernel_distance(X[:30], Y[:30], subsets=3, subset_size=30)
    assert_allclose(everything.mean, polynomial_mmd(X[:30], Y[:30]), rtol=1e-9)
    assert everything.deviation < 1e-9


def test_transformations_and_gradient(rng):
    x, y = jnp.asarray(X[:24]), jnp.asarray(Y[:16])
    value = polynomial_mmd(x, y)
    assert_allclose(jax.jit(polynomial_mmd)(x, y), value, rtol=1e-12)
    assert_allclose(jax.vmap(polynomial_mmd)(x[None], y[None])[0], value, rtol=1e-12)
    mesh = Mesh(np.array(jax.devices()[:8]), ("n",))
    rows = NamedSharding(mesh, PartitionSpec("n"))
    assert_allclose(polynomial_mmd(*jax.device_put((x, y), rows)), value, rtol=1e-12)
    for function in (polynomial_mmd, gaussian_mmd):
        gradient = jax.jit(jax.grad(function, 1))(x, y)
        direction = rng.normal(size=y.shape)
        ahead, behind = (function(x, y + s * 1e-5 * direction) for s in (1, -1))
        assert_allclose((gradient * direction).sum(), (ahead - behind) / 2e-5, rtol=1e-6)
        assert jnp.isfinite(jax.grad(function, 1)(x, x)).all()


def test_wrong_arguments_are_clear_errors():
    with pytest.raises(ValueError, match="100 subsets of 1000 images; give at least 1 of 2 to 90"):
        kernel_distance(X, Y)
    with pytest.raises(ValueError, match="0 subsets of 10 images"):
        kernel_distance(X, Y, subsets=0, subset_size=10)
    with pytest.raises(ValueError, match="sigma=0 must be positive"):
        gaussian_mmd(X, Y, sigma=0)
    for function in (kernel_distance, polynomial_mmd, gaussian_mmd):
        name = function.__name__
        with pytest.raises(ValueError, match=f"{name}: .*16 dimensions and `generated` 3"):
            function(X, Y[:, :3])
        with pytest.raises(ValueError, match=rf"{name}: .*shape \(1, 16\)"):
            function(X[:1], Y)
        with pytest.raises(ValueError, match=f"{name}: .*NaN"):
            function(X, Y * np.nan)
