"""Files of fitted parameters: whole or refused."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.core.models import SupportVectors, find_model, load_model, save_model


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    slope: np.ndarray
    offset: np.ndarray


LINE = Line(np.arange(3.0), np.array(2.5))


def test_a_model_comes_back_as_it_was(tmp_path):
    save_model(tmp_path / "line.safetensors", LINE)
    found = load_model(tmp_path / "line.safetensors", Line)
    np.testing.assert_array_equal(found.slope, LINE.slope)
    assert found.offset.shape == ()
    assert found.offset == 2.5


def test_models_are_found_by_name_file_or_as_they_are(tmp_path):
    path = tmp_path / "line.safetensors"
    save_model(path, LINE)
    assert find_model(LINE, Line, {}) is LINE
    assert find_model("ours", Line, {"ours": path}) is find_model(str(path), Line, {})
    with pytest.raises(ValueError, match=r"'theirs' is neither a file nor one of ours"):
        find_model("theirs", Line, {"ours": path})
    with pytest.raises(TypeError, match="model is a Line; give a SupportVectors or its file"):
        find_model(LINE, SupportVectors, {})


def test_what_is_no_such_model_is_a_clear_error(tmp_path):
    path = tmp_path / "line.safetensors"
    save_model(path, LINE)
    with pytest.raises(ValueError, match="a model of kind Line, not SupportVectors"):
        load_model(path, SupportVectors)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="not a model"):
        load_model(path, Line)
    save_model(path, Line(np.array([1.0, np.nan]), np.zeros(())))
    with pytest.raises(ValueError, match="not finite"):
        load_model(path, Line)
    with pytest.raises(FileNotFoundError, match="no such model"):
        load_model(tmp_path / "nothing", Line)


def test_support_vectors_sum_their_kernels(rng):
    vectors, coefficients = rng.standard_normal((5, 3)), rng.standard_normal(5)
    model = SupportVectors(vectors, coefficients, np.array(0.3), np.array(0.7))
    points = rng.standard_normal((2, 4, 3))
    squares = ((points[..., None, :] - vectors) ** 2).sum(-1)
    expected = (coefficients * np.exp(-0.7 * squares)).sum(-1) - 0.3
    np.testing.assert_allclose(model.predict(jnp.asarray(points)), expected, rtol=1e-12)
