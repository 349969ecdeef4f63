"""Fréchet distance against four packages, singular covariances, the loss, and files."""

import json
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.distribution import moments
from jiqa.distribution.frechet import FrechetLoss, frechet_distance
from jiqa.distribution.statistics import (
    Statistics,
    load_statistics,
    of_features,
    save_statistics,
)
from tests.distribution.data.parameters import features

GOLDENS = json.loads((Path(__file__).parent / "data/goldens.json").read_text())["distances"]
X, Y, _ = features()


def by_singular_values(x, y):
    """The same from the features: tr (AB)^(1/2) is the nuclear norm of their product."""
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    overlap = np.linalg.norm(x @ y.T, "nuc")
    return ((x_mean - y_mean) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * overlap


def test_values_are_the_packages():
    found = frechet_distance(X, Y)
    for package in ("pytorch-fid", "clean-fid", "torch-fidelity", "torchmetrics"):
        assert_allclose(found, GOLDENS[package]["fid"], rtol=1e-9, err_msg=package)
    assert_allclose(found, by_singular_values(X, Y), rtol=1e-12)


def test_streamed_float32_features_give_float64s_value():
    x, y = X[:90].astype(np.float32), Y.astype(np.float32)
    states = [moments.update(moments.init(16, jnp.float32), z) for z in (x, y)]
    expected = by_singular_values(x.astype(np.float64), y.astype(np.float64))
    assert_allclose(frechet_distance(*states), expected, rtol=1e-11)
    assert_allclose(frechet_distance(of_features(x), states[1]), expected, rtol=1e-11)


def test_symmetry_and_zero():
    assert frechet_distance(X, X) < 1e-10
    assert_allclose(frechet_distance(X, Y), frechet_distance(Y, X), rtol=1e-12)
    one = np.arange(5.0)[:, None]
    assert_allclose(frechet_distance(one, one + 3), 9, rtol=1e-12)


def test_singular_covariances_are_exact_and_said(rng):
    """20 and 30 images of 64 dimensions, whose covariances have ranks 19 and 29."""
    x, y = rng.normal(size=(20, 64)), 2 * rng.normal(size=(30, 64)) + 1
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        distance = frechet_distance(x, y)
    assert [str(warning.message)[:63] for warning in found] == [
        "frechet_distance: `reference` has 20 images for 64 dimensions, ",
        "frechet_distance: `generated` has 30 images for 64 dimensions, ",
    ]
    assert found[0].filename == __file__
    assert_allclose(distance, by_singular_values(x, y), rtol=1e-12)
    constant = np.ones((9, 2))
    assert_allclose(frechet_distance(constant, constant + 1), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(
            Statistics(np.zeros(2), np.eye(2), 0), Statistics(np.ones(2), np.eye(2), 3)
        )


def test_loss_is_the_distance_and_its_gradient_finite(rng):
    loss = FrechetLoss.from_reference(X)
    batch = jnp.asarray(Y[:10])
    with pytest.warns(UserWarning, match="10 images for 16"):
        expected = frechet_distance(X, Y[:10])
    compute = jax.jit(jax.value_and_grad(lambda loss, batch: loss(batch), 1))
    value, gradient = compute(loss, batch)
    assert_allclose(value, expected, rtol=1e-10)
    direction = rng.normal(size=batch.shape)
    ahead, behind = (loss(batch + s * 1e-5 * direction) for s in (1, -1))
    assert_allclose((gradient * direction).sum(), (ahead - behind) / 2e-5, rtol=1e-6)
    in_float32 = batch.astype(jnp.float32)
    assert_allclose(compute(loss, in_float32)[0], expected, rtol=1e-5)
    same = batch[:1].repeat(10, 0)
    for degenerate in (jnp.zeros_like(batch), same, same.at[0, 0].add(1), jnp.asarray(X[:10])):
        assert jnp.isfinite(compute(loss, degenerate.astype(jnp.float32))[1]).all()
    enough = np.concatenate([Y, Y]).astype(np.float32)
    assert_allclose(loss(enough), frechet_distance(X, enough), rtol=1e-5)


def test_files(tmp_path):
    statistics = of_features(X)
    save_statistics(tmp_path / "a.safetensors", statistics)
    np.savez_compressed(tmp_path / "b.npz", mu=statistics.mean, sigma=statistics.covariance)
    own, theirs = load_statistics(tmp_path / "a.safetensors"), load_statistics(tmp_path / "b.npz")
    assert (own.count, theirs.count) == (120, 0)
    for found in (own, theirs):
        assert_allclose(found.mean, statistics.mean, rtol=0)
        assert_allclose(found.covariance, statistics.covariance, rtol=0)


def test_wrong_files_are_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_statistics(tmp_path / "missing.npz")
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_statistics(tmp_path / "missing.safetensors")
    for name, content in {
        "text": b"no archive",
        "cut": b"PK\x03\x04",
        "empty": b"",
    }.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=f"{name}.npz: no archive with the arrays mu and sigma"
        ):
            load_statistics(path)
    np.savez(tmp_path / "other.npz", mu=np.zeros(3))
    with pytest.raises(ValueError, match="no archive with the arrays mu and sigma"):
        load_statistics(tmp_path / "other.npz")
    np.savez(tmp_path / "pickle.npz", mu=np.array([{}]), sigma=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="no archive with the arrays mu and sigma"):
        load_statistics(tmp_path / "pickle.npz")
    (tmp_path / "text.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"text\.safetensors: no statistics of jiqa"):
        load_statistics(tmp_path / "text.safetensors")
    np.savez(tmp_path / "shapes.npz", mu=np.zeros(3), sigma=np.eye(2))
    with pytest.raises(
        ValueError, match=r"shapes.npz: statistics: mean \(3,\) and covariance \(2, 2"
    ):
        load_statistics(tmp_path / "shapes.npz")
    np.savez(tmp_path / "nan.npz", mu=np.zeros(2), sigma=np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="NaN or infinite"):
        load_statistics(tmp_path / "nan.npz")


def test_wrong_arguments_are_clear_errors():
    with pytest.raises(ValueError, match="16 dimensions and `generated` 15"):
        frechet_distance(X, Y[:, :15])
    with pytest.raises(ValueError, match=r"`reference` has shape \(1, 16\).*at least 2 images"):
        frechet_distance(X[:1], Y)
    with pytest.raises(ValueError, match=r"`generated` has shape \(0, 16\)"):
        frechet_distance(X, Y[:0])
    with pytest.raises(ValueError, match="`generated` holds NaN"):
        frechet_distance(X, np.where(Y > 1, np.nan, Y))
    with pytest.raises(TypeError, match="`reference` is a list"):
        frechet_distance(X.tolist(), Y)
    kinds = [Statistics(np.zeros(2), np.eye(2), 9, name) for name in ("a", "b", "")]
    with pytest.raises(ValueError, match="`reference` is of a and `generated` of b"):
        frechet_distance(*kinds[:2])
    assert frechet_distance(*kinds[1:]) == 0
    with pytest.raises(ValueError, match="not symmetric"):
        Statistics(np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]), 5)
    with pytest.raises(ValueError, match="count=-1"):
        Statistics(np.zeros(2), np.eye(2), -1)
    with pytest.raises(ValueError, match="15 dimensions and the reference 16"):
        FrechetLoss.from_reference(X)(Y[:, :15])
