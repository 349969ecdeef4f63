"""Precision, recall, density and coverage against the packages prdc and torch-fidelity."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jiqa.distribution import blocks
from jiqa.distribution.manifold import _kth_smallest, density_coverage, prdc, precision_recall
from tests.distribution.data.parameters import features

GOLDENS = json.loads((Path(__file__).parent / "data/goldens.json").read_text())["distances"]
X, Y, _ = features()


@pytest.mark.parametrize("neighbors", [3, 5])
def test_values_are_those_of_prdc(neighbors, monkeypatch):
    """In one block, and in blocks of 11 rows that do not divide the sets; in float32 too."""
    expected = [
        GOLDENS["prdc"][f"{name}_{neighbors}"]
        for name in ("precision", "recall", "density", "coverage")
    ]
    for elements, dtype in ((2**24, np.float64), (11 * len(X), np.float32)):
        monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", elements)
        jax.clear_caches()
        x, y = X.astype(dtype), Y.astype(dtype)
        found = (
            *precision_recall(x, y, neighbors=neighbors),
            *density_coverage(x, y, neighbors=neighbors),
        )
        assert_allclose(found, expected, rtol=1e-6)
        assert prdc(x, y, neighbors=neighbors) == found
    jax.clear_caches()


@pytest.mark.parametrize("k", [1, 3, 20])
def test_equal_distances_count_each(k, rng):
    distances = rng.integers(0, 4, (50, 20)).astype(float)
    assert_array_equal(_kth_smallest(distances, k), np.sort(distances, 1)[:, k - 1])


def test_precision_and_recall_are_torch_fidelitys():
    expected = GOLDENS["torch-fidelity"]
    assert_allclose(precision_recall(X, Y), (expected["precision"], expected["recall"]), rtol=1e-6)


def test_features_far_from_the_origin_keep_their_neighbors():
    moved = [(z + 1000).astype(np.float32) for z in (X, Y)]
    expected = [GOLDENS["prdc"][f"{name}_5"] for name in ("density", "coverage")]
    assert_allclose(density_coverage(*moved), expected, rtol=0.02)


def test_equal_and_disjoint_sets():
    same = (*precision_recall(X, X), density_coverage(X, X).coverage)
    assert same == (1, 1, 1)
    assert 0.8 < density_coverage(X, X).density <= 1.2 + 1e-9
    apart = (*precision_recall(X, Y + 1e3), *density_coverage(X, Y + 1e3))
    assert apart == (0, 0, 0, 0)
    # One image over and over is precise, and diverse in nothing.
    once = np.repeat(X[:1], 50, 0)
    assert precision_recall(X, once) == (1, 0)


def test_jit_and_vmap():
    x, y = jnp.asarray(X), jnp.asarray(Y)
    value = precision_recall(x, y)
    assert jax.jit(precision_recall)(x, y) == value
    assert jax.vmap(precision_recall)(x[None], y[None]).precision[0] == value.precision


def test_wrong_arguments_are_clear_errors():
    for function in (precision_recall, density_coverage, prdc):
        name = function.__name__
        with pytest.raises(ValueError, match=f"{name}: neighbors=0 must be at least 1"):
            function(X, Y, neighbors=0)
        with pytest.raises(ValueError, match=rf"{name}: .*\(90, 16\).* at least 91 images"):
            function(X, Y, neighbors=90)
        with pytest.raises(ValueError, match=f"{name}: .*16 dimensions and `generated` 3"):
            function(X, Y[:, :3])
        with pytest.raises(ValueError, match=f"{name}: `reference` holds NaN"):
            function(X * np.inf, Y)
