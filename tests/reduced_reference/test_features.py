"""What all reduced-reference metrics share: features, their files, and the two functions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from safetensors.numpy import save_file

import jiqa
from jiqa.reduced_reference import Features, load_features, save_features
from jiqa.reduced_reference.rr_ssim import SLOPES

SMALL = {"redlog": {"levels": 3}}
METRICS = jiqa.list_metrics("reduced_reference")
METHODS = [name for name in METRICS if not jiqa.load(name).options]


def functions(method):
    return getattr(jiqa, f"{method}_features"), getattr(jiqa, f"{method}_distance")


def from_distance(method, distance):
    """The score that the metric of a method makes of its distance."""
    return 1 - SLOPES["all"] * distance if method == "rr_ssim" else distance


@pytest.fixture
def pair(rng):
    reference = rng.random((2, 64, 70, 3))
    return reference, np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1)


def test_all_methods_are_registered():
    assert METHODS == ["redlog", "rr_ssim", "rr_svd_projection", "rred", "wavelet_nss"]
    for name in METRICS:
        assert jiqa.load(name).side_information in jiqa.describe(name)
    assert "side info" not in jiqa.describe("ssim")


@pytest.mark.parametrize("method", METHODS)
def test_a_file_between_sender_and_receiver_changes_nothing(method, pair, tmp_path):
    """Without luma, which is not the default: the receiver reads it from the features."""
    reference, distorted = pair
    make, distance = functions(method)
    given = {**SMALL.get(method, {}), "luma": None}
    features = make(reference, **given)
    save_features(tmp_path / "features.safetensors", features)
    loaded = load_features(tmp_path / "features.safetensors")
    assert jax.tree.structure(loaded) == jax.tree.structure(features)
    for name, value in features.values.items():
        assert loaded.values[name].dtype == value.dtype == jnp.float64
    received = from_distance(method, distance(loaded, distorted))
    assert received.shape == (2,)
    assert_allclose(received, jiqa.load(method)(reference, distorted, **given), rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_features_of_one_reference_serve_a_batch(method, pair):
    reference, distorted = pair
    make, distance = functions(method)
    features = jax.jit(lambda image: make(image, **SMALL.get(method, {})))(reference[0])
    one_by_one = jax.vmap(distance, in_axes=(None, 0))(features, distorted)
    assert_allclose(distance(features, distorted), one_by_one, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_features_of_other_channels_are_an_error(method, pair):
    reference, distorted = pair
    make, distance = functions(method)
    given = {**SMALL.get(method, {}), "luma": None}
    features = jax.eval_shape(lambda image: make(image, **given), reference[0])
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), features)
    with pytest.raises(ValueError, match=r"compare images of one size and as many channels"):
        distance(zeros, distorted[0, ..., :1])


@pytest.mark.parametrize("method", METHODS)
def test_features_of_another_method_are_an_error(method, pair):
    _, distance = functions(method)
    other = Features.of("other", {"luma": None}, {"entropies": jnp.zeros((1, 6))})
    with pytest.raises(ValueError, match=f"{method}: the features are those of other"):
        distance(other, pair[1])


def test_the_stated_side_information_is_what_is_sent():
    photo = jax.ShapeDtypeStruct((256, 260, 3), np.float32)
    scalars = {
        "redlog": 6,
        "rr_ssim": 24,
        "rr_svd_projection": 24 * (64 + 1),
        "rred": 42 * 43,
        "wavelet_nss": 18,
    }
    for method, count in scalars.items():
        features = jax.eval_shape(functions(method)[0], photo)
        assert (features.scalars, features.nbytes) == (count, 4 * count)
        if method != "rred":  # a scalar for each 6 x 6 pixels
            said = jiqa.load(method).side_information
            assert f"{count} scalars" in said
            assert f"{4 * count} bytes" in said
    assert jax.eval_shape(partial(jiqa.rred_features, tile=None), photo).nbytes == 4
    assert jax.eval_shape(partial(jiqa.rred_features, luma=None), photo).scalars == 3 * 42 * 43


def test_wrong_files_are_clear_errors(tmp_path):
    path = tmp_path / "features"
    with pytest.raises(FileNotFoundError):
        load_features(path)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(ValueError, match="no whole safetensors file"):
        load_features(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="holds no features"):
        load_features(path)
    save_file({"entropies": np.zeros(3)}, path, {"jiqa_features": "99"})
    with pytest.raises(ValueError, match="features of version 99"):
        load_features(path)
    save_features(path, Features.of("rred", {}, {"entropies": jnp.zeros(500)}))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        load_features(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "features"
    save_features(path, Features.of("rred", {"subband": 4}, {"entropies": jnp.zeros(3)}))
    with pytest.raises(TypeError):
        save_features(path, Features.of("rred", {"subband": {1}}, {"entropies": jnp.ones(3)}))
    assert load_features(path).options == (("subband", 4),)
    assert list(tmp_path.iterdir()) == [path]
