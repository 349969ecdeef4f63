"""Pickles are read as data: whatever they ask for, nothing is called."""

import io
import os
import pickle
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from jiqa.weights import read_checkpoint
from jiqa.weights.buffers import Budget
from jiqa.weights.pickles import read_pickle


@dataclass
class Call:
    """Pickles as a call of a function."""

    function: Callable
    arguments: tuple

    def __reduce__(self):  # noqa: D105
        return self.function, self.arguments


def read(data: bytes, size: int = 10**6):
    return read_pickle(io.BytesIO(data), Budget(size))


def refused(data: bytes) -> str:
    """Checks that a pickle is an error, also inside a file, and returns the message."""
    with pytest.raises(ValueError, match=r".") as caught:
        read(data)
    return str(caught.value)


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_of_anything_is_refused_by_name_and_not_made(protocol, tmp_path):
    made = tmp_path / "made"
    calls = [
        (os.system, (f"touch {made}",)),
        (eval, (f"open({str(made)!r}, 'w')",)),
        (exec, (f"open({str(made)!r}, 'w')",)),
        (getattr, ("", "join")),
        (__import__, ("antigravity",)),
        (np.memmap, (str(made), "uint8", "w+", 0, 5)),
        (pickle.loads, (b"",)),
        (open, (str(made), "w")),
    ]
    for function, arguments in calls:
        message = refused(pickle.dumps({"weight": Call(function, arguments)}, protocol))
        assert "asks for" in message
        assert f".{function.__name__}'" in message
        assert "Nothing of it was executed" in message
    assert not made.exists()
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("numpy", "core.multiarray.scalar"),
        ("numpy.core", "multiarray._reconstruct"),
        ("numpy", "f2py.os.system"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("collections", "_sys.modules"),
        ("torch", "FloatStorage.__reduce__"),
        ("torch", "load"),
        ("torch.serialization", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("copyreg", "_reconstructor"),
        ("builtins", "type"),
        ("functools", "partial"),
        ("_codecs", "decode"),
        ("", ""),
    ],
)
def test_names_near_the_allowed_ones_are_refused(module, name):
    assert "asks for" in refused(b"\x80\x04" + text(module) + text(name) + b"\x93.")
    assert "asks for" in refused(f"c{module}\n{name}\n.".encode())


@pytest.mark.parametrize(
    "data",
    {
        "inst": b"(S'true'\nios\nsystem\n.",
        "obj": b"(cnumpy\ndtype\nS'f4'\no.",
        "newobj": b"\x80\x02cnumpy\nndarray\n)\x81.",
        "newobj_ex": b"\x80\x04cnumpy\nndarray\n)}\x92.",
        "extension registry": b"\x80\x02\x82\x01.",
        "out-of-band buffer": b"\x80\x05\x97.",
        "set": b"\x80\x04\x8f(K\x01\x90.",
        "frozen set": b"\x80\x04(K\x01\x91.",
        "persistent id": b"Pid\n.",
        "persistent tuple without storages": b"\x80\x02)Q.",
        "call of a dictionary": b"})R.",
        "call of a text": b"S'os.system'\n)R.",
        "call of a storage": b"ctorch\nFloatStorage\n)R.",
        "call of an array's class": b"cnumpy\nndarray\n)R.",
        "arguments that are no tuple": b"ccollections\nOrderedDict\n}R.",
        "state for a list": b"]}b.",
        "state for a name": b"cnumpy\nndarray\n}b.",
        "state for a number": b"K\x01}b.",
        "append to a dictionary": b"}K\x01a.",
        "item in a list": b"]K\x01K\x02s.",
        "key that is a tuple": b"})K\x01s.",
        "key that is bytes": b"}C\x01aK\x01s.",
        "odd items": b"}(K\x01u.",
        "no stop": b"}",
        "unknown instruction": b"\x80\x04\xff.",
    }.items(),
    ids=lambda item: item[0],
)
def test_instructions_and_targets_beside_those_of_arrays_are_refused(data):
    refused(data[1])


@pytest.mark.parametrize(
    "data",
    [b".", b"K\x01}u.", b"a.", b"R.", b"h\x05.", b"\x93.", b"e.", b"cnumpy\ndtype\n)R."],
)
def test_malformed_pickles_are_an_error(data, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02" + data)
    with pytest.raises(ValueError, match=r"x\.pkl: "):
        read_checkpoint(path)


def array_pickle(shape, dtype=b"f4", data=b"\0" * 8) -> bytes:
    """The pickle of an array with this state, by hand."""
    sides = b"".join(b"\x8a\x08" + struct.pack("<q", side) for side in shape)
    return (
        b"\x80\x03}X\x01\0\0\0acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R"
        b"(K\x01(" + sides + b"tcnumpy\ndtype\nX" + struct.pack("<I", len(dtype)) + dtype
        + b"K\0K\x01\x87R(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89C"
        + bytes([len(data)]) + data + b"tbs."
    )  # fmt: skip


def test_an_array_by_hand_is_read():
    assert read(array_pickle([2]))["a"].value.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "data",
    [
        array_pickle([10**12]),
        array_pickle([2**62, 2**62]),
        array_pickle([3]),
        array_pickle([1]),
        array_pickle([-2]),
        array_pickle([1] * 65),
        array_pickle([1], b"O8"),
        array_pickle([1], b"V8"),
        array_pickle([1], b"U2"),
        array_pickle([1], b"M8"),
        array_pickle([2], b"i4,f4"),
        array_pickle([1], b"g"),
        array_pickle([2], b"nothing"),
        array_pickle([2], b"f4" * 100),
    ],
)
def test_arrays_that_are_not_what_they_claim_are_an_error(data):
    refused(data)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_numpy_are_read_whatever_the_protocol(protocol, rng):
    arrays = {
        "kernel": rng.random((3, 4)).astype(np.float32),
        "fortran": np.asfortranarray(rng.random((3, 4))),
        "big": np.arange(3, dtype=">i4"),
        "half": np.ones(2, np.float16),
        "flag": np.asarray([True, False]),
        "none": np.zeros((0, 2)),
        "scalar": np.float32(2.5),
        "nested": {"x": np.asarray(3.0)},
    }
    found = read(pickle.dumps(arrays, protocol))
    for name in arrays.keys() - {"nested"}:
        value = found[name].array(Budget(0))
        np.testing.assert_array_equal(value, arrays[name])
        assert value.dtype == arrays[name].dtype or name == "big"
        assert not value.flags.writeable
    assert found["nested"]["x"].value == 3.0


def test_arrays_of_objects_are_refused():
    with pytest.raises(ValueError, match=r"dtype '<?O8'"):
        read(pickle.dumps({"a": np.asarray([{}, None])}, 4))


def test_other_values_are_read_as_python_reads_them():
    value = {"epoch": 3, "big": 2**70, "lr": 0.1, "on": True, "no": None, "t": (1, [2, "x"], b"y")}
    for protocol in range(6):
        assert read(pickle.dumps(value, protocol)) == value
    shared = [1]
    found = read(pickle.dumps([shared, shared]))
    assert found[0] is found[1]


def test_pickles_cannot_exhaust_memory_or_time(monkeypatch):
    refused(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.")  # bytes longer than the file
    assert read(b"\x80\x02}r\xff\xff\xff\xff.") == {}  # a memo of four thousand million places
    refused(
        b"\x80\x02" + b")" + b"\x85" * 200_000 + b"}2K\x01s."
    )  # a deep key, which would be hashed
    texts = b"X" + struct.pack("<I", 2**20) + b"a" * 2**20 + b"q\0"
    encode = b"c_codecs\nencode\nh\0X\x06\0\0\0latin1\x86R"
    assert "would unpack to more" in refused(b"\x80\x02(" + texts + encode * 200 + b"l.")
    pairs = b"](" + b"K\x01K\x02\x86" * 10_000 + b"eq\0"
    again = b"ccollections\nOrderedDict\nh\0\x85R"
    assert "would unpack to more" in refused(b"\x80\x02(" + pairs + again * 100 + b"l.")
    monkeypatch.setattr("jiqa.weights.pickles.MOST_INSTRUCTIONS", 1000)
    assert "more than 1000 instructions" in refused(b"(" + b"K\x01" * 2000 + b"l.")


def test_values_shared_or_circular_end(tmp_path):
    path = tmp_path / "x.pkl"
    value = {"a": np.ones(1)}
    for _ in range(60):
        value = {"a": value, "b": value}
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(ValueError, match="arrays, or endless names"):
        read_checkpoint(path)
    circle: dict = {}
    circle["a"] = circle
    path.write_bytes(pickle.dumps(circle))
    with pytest.raises(ValueError, match="arrays, or endless names"):
        read_checkpoint(path)
    wide = {str(n): np.ones(1) for n in range(50)}
    path.write_bytes(pickle.dumps({str(n): {str(m): wide for m in range(50)} for n in range(50)}))
    with pytest.raises(ValueError, match="arrays, or endless names"):
        read_checkpoint(path)
