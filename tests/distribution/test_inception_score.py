"""Inception score against torch-fidelity, streamed, merged, and at its ends."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.distribution import inception_score
from tests.distribution.data.parameters import features

GOLDENS = json.loads((Path(__file__).parent / "data/goldens.json").read_text())["distances"]
LOGITS = features()[2]


def test_values_are_torch_fidelitys(monkeypatch):
    monkeypatch.setattr(inception_score, "BATCH", 30)
    expected = GOLDENS["torch-fidelity"]["isc_mean"], GOLDENS["torch-fidelity"]["isc_std"]
    assert_allclose(inception_score.score(LOGITS, 4), expected, rtol=1e-10)
    assert_allclose(inception_score.score(LOGITS.astype(np.float32), 4), expected, rtol=1e-5)


def test_streams_parts_and_devices_agree():
    """Dealt out in turn, in any batches, over devices: what the same parts give at once."""
    turns = np.argsort(np.arange(50) % 5, kind="stable")
    expected = inception_score.score(LOGITS[turns], 5)
    state = inception_score.init(12, 5)
    for batch in (LOGITS[:15], LOGITS[15:30], LOGITS[30:45], LOGITS[45:]):
        state = inception_score.update(state, batch)
    assert_allclose(inception_score.compute(state), expected, rtol=1e-12)

    def count(logits, parts):
        state = inception_score.update(inception_score.init(12, 5), logits, parts)
        return inception_score.merge_across(state, "i")

    parts = np.pad(np.arange(50) % 5, (0, 6), constant_values=-1).reshape(8, 7)
    padded = np.pad(LOGITS, ((0, 6), (0, 0)), constant_values=np.nan).reshape(8, 7, 12)
    across = jax.jit(jax.vmap(count, axis_name="i"))(padded, parts)
    first = jax.tree.map(lambda leaf: leaf[0], across)
    assert_allclose(inception_score.compute(first), expected, rtol=1e-12)
    doubled = inception_score.merge(state, state)
    assert_allclose(inception_score.compute(doubled), expected, rtol=1e-12)


def test_the_ends_of_the_range():
    assert_allclose(inception_score.score(np.zeros((6, 5)), 2), (1, 0), atol=1e-12)
    sure = 1e4 * np.eye(5)
    assert_allclose(inception_score.score(sure, 1), (5, 0), atol=1e-12)
    assert_allclose(inception_score.score(np.repeat(sure[:1], 4, 0), 1), (1, 0), atol=1e-12)


def test_wrong_arguments_are_clear_errors():
    with pytest.raises(ValueError, match="splits=51 of 50 images; give from 1 to 50"):
        inception_score.score(LOGITS, 51)
    with pytest.raises(ValueError, match="splits=0"):
        inception_score.score(LOGITS, 0)
    with pytest.raises(ValueError, match="NaN"):
        inception_score.score(LOGITS * np.nan)
    state = inception_score.init(4, 2)
    with pytest.raises(ValueError, match="12 classes but the state has 4"):
        inception_score.update(state, LOGITS)
    with pytest.raises(ValueError, match=r"`parts` is float64 \(3,\); give integers \(3,\)"):
        inception_score.update(state, jnp.zeros((3, 4)), jnp.zeros(3))
    with pytest.raises(ValueError, match="1 images for 2 parts leave one empty"):
        inception_score.compute(inception_score.update(state, jnp.zeros((1, 4))))
