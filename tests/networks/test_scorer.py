"""Trained networks as metrics: any leading axes, any range, from files, in tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jiqa.cli import main
from jiqa.networks import Model
from jiqa.networks.scorer import as_metric
from jiqa.pairs import Pair
from jiqa.scoring import score_files


@pytest.fixture
def model():
    return Model.create("cnniqa", filters=4)


def test_leading_axes_ranges_and_gradients(model, rng):
    metric = as_metric(model, "mine")
    images = rng.integers(0, 256, (2, 3, 33, 34, 3), dtype=np.uint8)
    scores = metric(images)
    assert scores.shape == (2, 3)
    np.testing.assert_allclose(metric(images / 255.0), scores, 1e-5)
    np.testing.assert_allclose(metric(images[1, 2]), scores[1, 2], 1e-5)
    np.testing.assert_allclose(jax.vmap(metric)(jnp.asarray(images)), scores, 1e-5)
    assert np.isfinite(jax.grad(lambda x: metric(x).sum())(images / 255.0)).all()


def test_a_file_is_a_metric(model, rng, tmp_path, capsys):
    path = tmp_path / "mine.safetensors"
    model.save(path)
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    found = score_files([Pair(None, tmp_path / "image.png")], [str(path)])
    expected = model(jnp.asarray(image[None] / 255.0, jnp.float32))["score"][0]
    assert found.frame[str(path)][0] == pytest.approx(float(expected), rel=1e-4)
    assert len(found.metadata["metrics"][str(path)]["sha256"]) == 64
    assert main(["score", str(tmp_path / "image.png"), "--model", str(path)]) == 0
    assert "image.png" in capsys.readouterr().out
