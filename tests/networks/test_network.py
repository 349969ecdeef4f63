"""Models: pytrees, files, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model, count_parameters, find_network, list_networks, read_about
from jiqa.networks.network import fill


@pytest.fixture
def model():
    return Model.create("cnniqa", seed=3, filters=4, higher_is_better=False)


@pytest.fixture
def images(rng):
    return jnp.asarray(rng.random((2, 40, 70, 3)), jnp.float32)


def test_a_model_is_a_pytree(model, images):
    expected = model(images)["score"]
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x)["score"])(model, images), expected, 1e-5)
    slopes = jax.grad(lambda m: m(images)["score"].sum())(model)
    assert jax.tree.structure(slopes) == jax.tree.structure(model)
    ensemble = jax.tree.map(lambda *leaves: jnp.stack(leaves), model, model)
    both = jax.vmap(lambda m: m(images)["score"])(ensemble)
    np.testing.assert_allclose(both, jnp.stack([expected] * 2), 1e-5)


def test_a_file_gives_the_model_again(model, images, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path, {"data": "Kodak", "epochs": 3})
    loaded = Model.load(path)
    np.testing.assert_array_equal(loaded(images)["score"], model(images)["score"])
    assert (loaded.network, loaded.higher_is_better) == ("cnniqa", False)
    assert read_about(path)["facts"] == {"data": "Kodak", "epochs": 3}


def test_damaged_and_foreign_files_are_refused(model, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="no such model"):
        Model.load(path)
    model.save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Model.load(path)
    path.write_bytes(b"no safetensors")
    with pytest.raises(ValueError, match="not a network that jiqa saved"):
        Model.load(path)


def test_arrays_must_fit():
    shapes = {"layers": {0: np.zeros(2), 1: np.zeros(3)}}
    with pytest.raises(ValueError, match=r"here: 2 arrays .*layers\.0 is \[3\], not \[2\]"):
        fill(shapes, {"layers.0": np.zeros(3), "layers.1": np.zeros(3), "x": np.zeros(1)}, "here")


def test_names():
    with pytest.raises(ValueError, match="no network is called 'cnniq'; did you mean cnniqa"):
        find_network("cnniq")
    assert set(list_networks("full_reference")).isdisjoint(list_networks("no_reference"))
    assert count_parameters("cnniqa", filters=4) < count_parameters("cnniqa")


def test_seeds_differ(images):
    first, second = (Model.create("cnniqa", seed=seed) for seed in (0, 1))
    assert first(images)["score"][0] != second(images)["score"][0]
