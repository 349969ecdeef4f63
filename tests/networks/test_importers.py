"""Networks of published checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model
from jiqa.networks.importers import SOURCES, import_network
from jiqa.networks.network import named_arrays
from tests.networks.pairs import pairs

TRANSPOSED = {4: (3, 2, 0, 1), 2: (1, 0)}  # from the layout of JAX to that of PyTorch
PYTORCH = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
CHAINER = {"kernel": "W", "bias": "b"}
HEIGHT, WIDTH = 32, 64


def published(source, rng):
    """A model, and its arrays by the names and in the layout of a source."""
    known = SOURCES[source]
    model = Model.create(known.network, seed=1, **known.options)
    theirs = {ours: their for their, ours in known.layers.items()}
    last_parts = CHAINER if source.endswith("deepiqa") else PYTORCH
    arrays = {}
    trees = {"parameters": model.parameters, "statistics": model.statistics}
    for name, array in named_arrays(trees).items():
        layer, _, last = name.partition(".")[2].rpartition(".")
        array = np.asarray(array)
        axes = TRANSPOSED.get(array.ndim) if last == "kernel" else None
        arrays[f"{theirs[layer]}.{last_parts.get(last, last)}"] = array.transpose(axes)
    for layer in known.unused:
        arrays[f"{layer}.{last_parts['kernel']}"] = rng.random((2, 2))
    return model, arrays


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_written_as_published_is_read(source, rng, tmp_path):
    model, arrays = published(source, rng)
    np.savez(tmp_path / "net.npz", **{name.replace(".", "/"): x for name, x in arrays.items()})
    read = import_network(tmp_path / "net.npz", source, higher_is_better=True)
    assert (read.network, read.options) == (model.network, model.options)
    for found, expected in zip(jax.tree.leaves(read), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_checkpoint_that_does_not_fit_is_an_error(rng, tmp_path):
    _, arrays = published("diqam_nr_lidq92", rng)
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(ValueError, match=r"net.npz: .* arrays do not fit the network: "):
        import_network(tmp_path / "net.npz", "diqam_fr_lidq92", higher_is_better=True)
    np.savez(tmp_path / "more.npz", **arrays, **{"conv11.weight": np.ones((1, 1, 3, 3))})
    with pytest.raises(ValueError, match=r"conv11\.kernel is .*, not wanted"):
        import_network(tmp_path / "more.npz", "diqam_nr_lidq92", higher_is_better=True)


def test_polarity_is_asked_for_where_parameters_differ(tmp_path):
    with pytest.raises(ValueError, match="say higher_is_better=True if yours were trained on MOS"):
        import_network(tmp_path / "net.npz", "wadiqam_fr_deepiqa")


def test_a_transposed_convolution_is_that_of_pytorch(rng, tmp_path):
    """PyTorch's adds each value, times the kernel, to the places around twice its own."""
    _, arrays = published("distortion_sensitivity_ahn", rng)
    np.savez(tmp_path / "net.npz", **arrays)
    model = import_network(tmp_path / "net.npz", "distortion_sensitivity_ahn")
    up = model.merge().up[0]
    kernel, bias = arrays["up_2.0.weight"], arrays["up_2.0.bias"]  # [in, out, 3, 3]
    x = rng.standard_normal((3, 4, kernel.shape[0]))
    expected = np.zeros((2 * 3 + 2, 2 * 4 + 2, kernel.shape[1]))
    for row, column in np.ndindex(3, 4):
        added = np.einsum("i,iohw->hwo", x[row, column], kernel)
        expected[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += added
    found = up(jnp.asarray(x)[None])[0]
    np.testing.assert_allclose(found, expected[1:-1, 1:-1] + bias, atol=1e-4)


def test_imported_networks_score_images(rng, tmp_path):
    _, arrays = published("wadiqam_fr_deepiqa", rng)
    np.savez(tmp_path / "net.npz", **arrays)
    model = import_network(tmp_path / "net.npz", "wadiqam_fr_deepiqa", higher_is_better=False)
    result = model(*pairs(rng, 1, HEIGHT, WIDTH, 3))
    assert result["patches"].shape == (1, 2)
    assert not model.higher_is_better
