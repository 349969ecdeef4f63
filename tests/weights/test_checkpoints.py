"""Checkpoints of other frameworks: what they hold, and what is wrong with the others."""

import io
import pickle
import struct
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from jiqa.weights import read_checkpoint

DATA = Path(__file__).parent / "data"
TORCH_FILES = ["archive.pt", "row.pth", "row4.pth"]


def legacy(value: bytes, storages: dict[str, bytes], counts: dict[str, int]) -> bytes:
    """A file of PyTorch before 1.6 around the pickle of its value."""
    heads = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    data = b"".join(pickle.dumps(head, 2) for head in heads) + value
    data += pickle.dumps(list(storages), 2)
    return data + b"".join(struct.pack("<q", counts[key]) + storages[key] for key in storages)


def tensor(offset: int, shape: tuple, strides: tuple, count: int, kind=b"Float") -> bytes:
    """The pickle of {"w": tensor} in protocol 2."""

    def number(value):
        return b"\x8a\x08" + struct.pack("<q", value)

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(X\7\0\0\0storagectorch\n" + kind + b"Storage\nX\1\0\0\0kX\3\0\0\0cpu"
    return (
        b"\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n("
        + storage + number(count) + b"tQ" + number(offset) + numbers(shape) + numbers(strides)
        + b"\x89ccollections\nOrderedDict\n)RtRs."
    )  # fmt: skip


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "checkpoint"


@pytest.mark.parametrize("name", TORCH_FILES)
def test_tensors_of_pytorch_of_all_dtypes_and_strides(name):
    found = read_checkpoint(DATA / name)
    expected = np.load(DATA / "expected.npz")
    assert list(found) == expected.files
    for key, array in found.items():
        np.testing.assert_array_equal(array, expected[key])
        assert array.dtype == expected[key].dtype
        assert array.shape == expected[key].shape
        assert not array.flags.writeable


@pytest.mark.parametrize("name", ["training.pt", "training_row.pth"])
def test_only_the_parameters_of_a_training_run_are_read(name):
    found = read_checkpoint(DATA / name)
    assert {key: array.shape for key, array in found.items()} == {
        "0.weight": (4, 3, 2, 5),
        "0.bias": (4,),
        "1.weight": (4,),
        "1.bias": (4,),
        "1.running_mean": (4,),
        "1.running_var": (4,),
        "1.num_batches_tracked": (),
        "2.weight": (2, 4),
        "2.bias": (2,),
    }


def test_files_saved_from_a_gpu(shared_data):
    found = read_checkpoint(shared_data / "data/weights/lpips/v0.1/alex.pth")
    assert [array.shape for array in found.values()] == [
        (1, channels, 1, 1) for channels in (64, 192, 384, 256, 256)
    ]
    assert all((array >= 0).all() for array in found.values())


def test_npz_and_the_names_of_chainer(path, rng):
    arrays = {"conv1/W": rng.random((4, 3, 2, 2)), "fc1/b": np.asfortranarray(rng.random((3, 2)))}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    found = read_checkpoint(path)
    assert list(found) == ["conv1.W", "fc1.b"]
    np.testing.assert_array_equal(found["conv1.W"], arrays["conv1/W"])
    np.testing.assert_array_equal(found["fc1.b"], arrays["fc1/b"])
    assert read_checkpoint(DATA / "expected.npz").keys() == set(np.load(DATA / "expected.npz"))


def test_safetensors_and_plain_pickles(path, rng):
    arrays = {"a": rng.random((2, 3)).astype(np.float32), "b": np.arange(3)}
    save_file(arrays, path)
    np.testing.assert_array_equal(read_checkpoint(path)["a"], arrays["a"])
    path.write_bytes(pickle.dumps({"net": {"conv": {"kernel": arrays["a"]}, 0: [arrays["b"]]}}))
    found = read_checkpoint(path)
    assert list(found) == ["net.conv.kernel", "net.0.0"]
    np.testing.assert_array_equal(found["net.0.0"], arrays["b"])


def test_flax():
    pytest.importorskip("msgpack")
    found = read_checkpoint(DATA / "flax.msgpack")
    kernel = np.arange(6.0, dtype=np.float32).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(found["params.Conv_0.kernel"], kernel)
    assert found["batch_stats.mean"].tolist() == [1.5, 1.5]
    assert found["step"] == 7


def test_arrays_that_flax_has_cut_into_chunks(path):
    msgpack = pytest.importorskip("msgpack")

    def packed(array):
        return msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes())))

    chunks = {"0": packed(np.arange(4.0)), "1": packed(np.arange(4.0, 6.0))}
    whole = {"__msgpack_chunked_array__": True, "shape": {"0": 3, "1": 2}, "chunks": chunks}
    path.write_bytes(msgpack.packb({"layer": {"kernel": whole}}))
    np.testing.assert_array_equal(
        read_checkpoint(path)["layer.kernel"], np.arange(6.0).reshape(3, 2)
    )


def test_flax_without_msgpack_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(ImportError, match=r"pip install 'jiqa\[flax\]'"):
        read_checkpoint(DATA / "flax.msgpack")


def test_a_tensor_by_hand_is_read(path):
    numbers = np.arange(6.0, dtype=np.float32).tobytes()
    path.write_bytes(legacy(tensor(1, (2, 2), (1, 2), 6), {"k": numbers}, {"k": 6}))
    assert read_checkpoint(path)["w"].tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "message"),
    [
        (5, (2,), (1,), "reaches beyond its storage"),
        (0, (2, 4), (3, 1), "reaches beyond its storage"),
        (2**60, (1,), (1,), "reaches beyond its storage"),
        (-1, (2,), (1,), "whose shape is none"),
        (0, (-2,), (1,), "whose shape is none"),
        (5, (2,), (-1,), "whose shape is none"),
        (0, (2, 2), (1,), "zip"),
        (0, (10**6, 10**6), (0, 0), "unpack to more than"),
        (0, (2**62, 4), (0, 0), "unpack to more than"),
    ],
)
def test_tensors_that_do_not_fit_their_storage_are_an_error(path, offset, shape, strides, message):
    numbers = bytes(24)
    path.write_bytes(legacy(tensor(offset, shape, strides, 6), {"k": numbers}, {"k": 6}))
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path)


def test_storages_that_claim_more_than_there_is_are_an_error(path):
    value = tensor(0, (1,), (1,), 2**40)
    path.write_bytes(legacy(value, {"k": bytes(24)}, {"k": 2**40}))
    with pytest.raises(ValueError, match="is cut off"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", value)
        archive.writestr("net/data/k", bytes(24))
    with pytest.raises(ValueError, match="storage 'k' of 1099511627776 numbers has 24 bytes"):
        read_checkpoint(path)


def test_storages_of_no_known_kind_are_an_error(path):
    value = tensor(0, (1,), (1,), 6, b"ComplexFloat")
    path.write_bytes(legacy(value, {"k": bytes(48)}, {"k": 6}))
    with pytest.raises(ValueError, match=r"asks for 'torch\.ComplexFloatStorage'"):
        read_checkpoint(path)


@pytest.mark.parametrize("big", [b"big", b"BIG"])
def test_another_byte_order_is_an_error(path, big):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", tensor(0, (1,), (1,), 6))
        archive.writestr("net/byteorder", big)
    with pytest.raises(ValueError, match="big-endian"):
        read_checkpoint(path)


@pytest.mark.parametrize("wrap", ["archive", "row"])
def test_a_hostile_pickle_in_a_file_of_pytorch_is_refused(path, tmp_path, wrap):
    made = tmp_path / "made"
    command = b"cos\nsystem\n(S'touch " + str(made).encode() + b"'\ntR."
    if wrap == "row":
        path.write_bytes(legacy(command, {}, {}))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", command)
    with pytest.raises(ValueError, match=r"checkpoint: .*'os\.system'.*Nothing of it was executed"):
        read_checkpoint(path)
    assert not made.exists()


@pytest.mark.parametrize("name", [*TORCH_FILES, "training.pt", "expected.npz", "flax.msgpack"])
def test_files_that_are_cut_off_or_damaged_are_an_error_or_read(path, name, rng):
    """Every failure is a ValueError; a changed number is a number."""
    if name == "flax.msgpack":
        pytest.importorskip("msgpack")
    whole = (DATA / name).read_bytes()
    for length in np.linspace(0, len(whole) - 1, 60).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="checkpoint: "):
            read_checkpoint(path)
    for _ in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of zipfile, of two members of one name
            try:
                read_checkpoint(path)
            except ValueError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "not a checkpoint that can be read: it begins with"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "Readable are PyTorch"),
        (b"<!DOCTYPE html>", "not a checkpoint that can be read"),
        (b"version https://git-lfs", "not a checkpoint that can be read"),
        (b"checkpoint of mine", "damaged|checkpoint: "),
        (b"PK\x03\x04" + bytes(50), "damaged, or no checkpoint"),
        (bytes([0x80]), "."),
        (b"\xff" * 100, "not a checkpoint that can be read"),
        (struct.pack("<Q", 2**40) + b'{"a"', "a header of 1099511627776 bytes in a file of 12"),
        (pickle.dumps([1, 2]), "it holds a list, not arrays with names"),
        (pickle.dumps({}), "it holds a dict, not arrays with names"),
        (pickle.dumps({"a": {}}), "there are no arrays in it"),
        (pickle.dumps({"a": {"b": "text"}}), r"a\.b is a str, not an array of numbers"),
        (pickle.dumps({"a": None}), "a is a NoneType"),
        (pickle.dumps({"a": 2**80}), "a is a int"),
        (pickle.dumps({"a.b": 1, "a": {"b": 2}}), r"two arrays are named a\.b"),
        (pickle.dumps({"a": b"bytes"}), "a is a bytes"),
        (pickle.dumps({"a" * 2000: {"b": {"c": 1}}}), "endless names"),
    ],
)
def test_what_is_no_checkpoint_is_a_clear_error(path, data, message):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path)


def test_other_archives_are_a_clear_error(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="neither PyTorch's nor NumPy's"):
        read_checkpoint(path)
    with path.open("wb") as file:
        np.savez(file, a=np.asarray([{}], dtype=object))
    with pytest.raises(ValueError, match=r"dtype '\|O'; numbers are read"):
        read_checkpoint(path)


def test_archives_that_unpack_to_far_more_are_an_error(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.save(header, np.zeros(0, np.float32))
        archive.writestr("a.npy", header.getvalue() + bytes(80 * 2**20))
    with pytest.raises(ValueError, match="would unpack to more than 20 times its size and 64 MiB"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02" + b"N0" * 45 * 2**20 + b"N.")
    with pytest.raises(ValueError, match="would unpack to more than"):
        read_checkpoint(path)


def test_an_array_that_claims_a_terabyte_is_an_error(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"shape": (10**12,), "fortran_order": False, "descr": "<f4"}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(100))
    with pytest.raises(ValueError, match=r"an array <f4\[1000000000000\] has 100 bytes"):
        read_checkpoint(path)


def test_a_missing_file_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(path)
