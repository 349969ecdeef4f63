"""Names, layout and checksum of parameters."""

import numpy as np
import pytest

from jiqa.weights.trees import check_shapes, fingerprint, nest, to_jax


def test_names_and_layout_of_pytorch_become_those_of_jax(rng):
    convolution, dense = rng.random((8, 3, 5, 2), np.float32), rng.random((4, 6), np.float32)
    arrays = {
        "features.0.weight": convolution,
        "features.0.bias": np.ones(8, np.float32),
        "norm.weight": np.ones(8, np.float32),
        "norm.running_mean": np.ones(8, np.float32),
        "norm.running_var": np.ones(8, np.float32),
        "norm.num_batches_tracked": np.asarray(5),
        "head.weight": dense,
        "video.weight": np.ones((1, 2, 3, 4, 5), np.float32),
        "alpha": np.ones((1, 2, 1, 1), np.float32),
    }
    found = to_jax(arrays)
    assert list(found) == [
        *("features.0.kernel", "features.0.bias", "norm.scale", "norm.mean", "norm.var"),
        *("head.kernel", "video.weight", "alpha"),
    ]
    assert found["features.0.kernel"].shape == (5, 2, 3, 8)
    assert found["features.0.kernel"][4, 1, 2, 7] == convolution[7, 2, 4, 1]
    np.testing.assert_array_equal(found["head.kernel"], dense.T)
    assert all(array.flags.c_contiguous for array in found.values())
    assert fingerprint(to_jax(found)) == fingerprint(found)


def test_names_of_chainer_become_those_of_jax(rng):
    found = to_jax(
        {"conv1.W": rng.random((4, 3, 2, 2)), "fc1.W": np.ones((5, 4)), "fc1.b": np.ones(5)}
    )
    assert {name: array.shape for name, array in found.items()} == {
        "conv1.kernel": (2, 2, 3, 4),
        "fc1.kernel": (4, 5),
        "fc1.bias": (5,),
    }


def test_numbers_become_float32_and_integers_stay():
    found = to_jax({"a": np.float16([0.5]), "b": np.float64([0.1]), "index": np.int64([7])})
    assert [array.dtype for array in found.values()] == ["float32", "float32", "int64"]
    assert to_jax({"scalar": np.asarray(2.0)})["scalar"].shape == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.filterwarnings("ignore:overflow")
def test_numbers_that_are_not_finite_in_float32_are_an_error(value):
    with pytest.raises(ValueError, match=r"conv\.bias has values that are not finite in float32"):
        to_jax({"conv.bias": np.asarray([1.0, value])})


def test_names_that_collide_are_an_error():
    with pytest.raises(ValueError, match=r"two arrays would be a\.bias; one of them is a\.b"):
        to_jax({"a.bias": np.ones(1), "a.b": np.ones(1)})
    with pytest.raises(ValueError, match=r"a\.b lies below another array"):
        nest({"a": 1, "a.b": 2})
    with pytest.raises(ValueError, match="a is both an array and above one"):
        nest({"a.b": 2, "a": 1})


def test_the_checksum_is_of_names_types_shapes_and_values():
    arrays = {"b": np.zeros(2, np.float32), "a": np.arange(6.0).reshape(2, 3)}
    variants = [
        {"c": arrays["b"], "a": arrays["a"]},
        {"b": arrays["b"].astype(np.float64), "a": arrays["a"]},
        {"b": arrays["b"], "a": arrays["a"].reshape(3, 2)},
        {"b": np.float32([0, 1e-30]), "a": arrays["a"]},
    ]
    assert len({fingerprint(tree) for tree in [arrays, *variants]}) == 5
    in_other_order = {"a": np.asfortranarray(arrays["a"]), "b": arrays["b"]}
    assert fingerprint(in_other_order) == fingerprint(arrays)


def test_differences_from_what_is_expected_are_listed():
    arrays = {"kernel": np.ones((3, 2)), "extra": np.ones(1)}
    message = (
        r"parameters of net: missing: bias; unexpected: extra; kernel is \[3, 2\], not \[2, 3\]"
    )
    with pytest.raises(ValueError, match=message):
        check_shapes(arrays, {"kernel": [2, 3], "bias": [3]}, "net")
    with pytest.raises(ValueError, match="and 12 more"):
        check_shapes({}, {f"layer{n}": [1] for n in range(20)}, "net")
    check_shapes(arrays, {"kernel": [3, 2], "extra": [1]}, "net")
