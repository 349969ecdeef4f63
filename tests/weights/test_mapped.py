"""Safetensors files, mapped into memory."""

import json
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from jiqa.weights.mapped import read_safetensors, read_with_checksum, write_parameters
from jiqa.weights.trees import fingerprint


def safetensors(header: object, data: bytes = bytes(8)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(**changes: object) -> bytes:
    return safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}})


def test_arrays_come_back_as_the_library_reads_them(tmp_path, rng):
    path = tmp_path / "a.safetensors"
    arrays = {
        "kernel": rng.random((3, 4)).astype(np.float32),
        "half": rng.random(5).astype(np.float16),
        "scalar": np.asarray(2.5),
        "none": np.zeros((0, 3), np.float32),
        "flag": np.asarray([True, False, True]),
        "index": np.arange(3, dtype=np.uint8),
    }
    save_file(arrays, path)
    found, expected = read_safetensors(path), load_file(path)
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
        assert not array.flags.writeable


def test_bfloat16_is_widened(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(
        one(dtype="BF16", shape=[4]).replace(bytes(8), struct.pack("<4H", 0x3FC0, 0, 0, 0))
    )
    assert read_safetensors(path)["a"].tolist() == [1.5, 0, 0, 0]


def test_what_is_written_carries_its_checksum_and_is_read_by_the_library(tmp_path, rng):
    path = tmp_path / "new" / "a.safetensors"
    arrays = {"a": rng.random((2, 3)).T, "b": np.ones(2, np.float32)}
    write_parameters(path, arrays)
    found, recorded = read_with_checksum(path)
    assert recorded == fingerprint(arrays) == fingerprint(found)
    np.testing.assert_array_equal(load_file(path)["a"], arrays["a"])
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"jiqa_sha256": recorded}
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        safetensors({})[:9],
        safetensors(b"not json"),
        safetensors(b"[" * 100_000),
        safetensors([]),
        safetensors({"a": 3}),
        safetensors({"__metadata__": 3}),
        struct.pack("<Q", 2**63) + b"{}",
        one(shape=[3]),
        one(shape=[2**62, 2**62]),
        one(shape=[-2]),
        one(shape=[2.0]),
        one(shape="2"),
        one(dtype="F8_E4M3"),
        one(dtype="object"),
        one(dtype=None),
        one(data_offsets=[0, 16], shape=[4]),
        one(data_offsets=[-8, 0]),
        one(data_offsets=[8, 0]),
        one(data_offsets=[0]),
        one(data_offsets=[0, 10**12], shape=[10**12 // 4]),
    ],
)
def test_files_that_are_not_whole_are_an_error(tmp_path, data):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.safetensors: not a whole safetensors file: "):
        read_safetensors(path)


def test_many_names_for_the_same_bytes_are_an_error(tmp_path):
    path = tmp_path / "a.safetensors"
    item = {"dtype": "U8", "shape": [2**20], "data_offsets": [0, 2**20]}
    path.write_bytes(safetensors({f"a{n}": item for n in range(100)}, bytes(2**20)))
    with pytest.raises(ValueError, match="would unpack to more than"):
        read_safetensors(path)
