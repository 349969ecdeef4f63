"""Checkpoints of other frameworks, told apart by their content, read without the frameworks.

PyTorch's two formats, safetensors, NumPy's npz (Chainer's files are such), Flax's msgpack, and
plain pickles of arrays. Nothing in them is executed; see `jiqa.weights.pickles`.
"""

import io
import itertools
import mmap
import os
import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from jiqa.weights import pytorch
from jiqa.weights.buffers import Budget, as_array
from jiqa.weights.mapped import read_safetensors
from jiqa.weights.pickles import Array, Tensor, read_pickle

MOST_ARRAYS = 100_000
LONGEST_NAME = 1000
WRAPPERS = ("state_dict", "model_state_dict")  # beside which training keeps its own things
READABLE = "PyTorch (.pth, .pt), safetensors, npz, Flax msgpack, and pickles of arrays"


def read_checkpoint(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the arrays of a checkpoint, with the names and layout that they have there.

    Args:
        path: A file of PyTorch, safetensors, npz, Flax msgpack or a pickle of arrays.

    Returns:
        The arrays by name, read-only; nested names are joined by dots, slashes become dots. Of a
        checkpoint with a "state_dict" only that is read; a "module." before all names is removed.
        bfloat16 is widened to float32.

    Raises:
        ValueError: The file is of none of these formats, damaged, holds other things than arrays,
            would unpack to more than 20 times its size and 64 MiB, or is a pickle that asks for
            more than arrays. Nothing in it was executed.
        ImportError: Flax's format without the package msgpack.
        OSError: The file cannot be read.

    >>> read_checkpoint(__file__)
    Traceback (most recent call last):
    ValueError: ...checkpoints.py: not a checkpoint that can be read: it begins with ...
    """
    path = Path(path)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
    if mapped is None:
        raise ValueError(f"{path}: the file is empty.")
    budget = Budget(size)
    try:
        arrays = dict(_flatten(_unwrap(_read(path, mapped, budget)), budget))
    except ImportError:
        raise
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except Exception as error:  # malformed files fail in many ways
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: damaged, or no checkpoint ({what:.200}).") from error
    if not arrays:
        raise ValueError(f"{path}: there are no arrays in it.")
    if all(name.startswith("module.") for name in arrays):
        return {name.removeprefix("module."): array for name, array in arrays.items()}
    return arrays


def _read(path: Path, mapped: mmap.mmap, budget: Budget) -> Any:
    """The value in the file, in whichever format."""
    head = mapped[:16]
    if head.startswith(b"PK\x03\x04"):
        return _read_zip(path, budget)
    if head[8:9] == b"{":
        return {name: Array(array) for name, array in read_safetensors(path).items()}
    if head[:1] == b"\x80" or head[:1] in (b"(", b"}", b"]", b"c"):
        value = read_pickle(mapped, budget)
        return pytorch.read_row(mapped, budget) if value == pytorch.MAGIC else value
    if (0x81 <= head[0] <= 0x8F and head[1:4] not in (b"PNG", b"HDF")) or head[0] in (0xDE, 0xDF):
        return _read_msgpack(memoryview(mapped), budget)
    raise ValueError(
        f"not a checkpoint that can be read: it begins with {head!r}. Readable are {READABLE}."
    )


def _read_zip(path: Path, budget: Budget) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if pickled := [name for name in names if name.endswith("data.pkl")]:
            return pytorch.read_archive(archive, pickled[0].removesuffix("data.pkl"), budget)
        if all(name.endswith(".npy") for name in names):
            return {
                name.removesuffix(".npy"): Array(_read_npy(pytorch.unpack(archive, name, budget)))
                for name in names
            }
    raise ValueError("a zip archive that is neither PyTorch's nor NumPy's.")


def _read_npy(data: bytes) -> np.ndarray:
    """The array in a file of NumPy's, which says its shape before its bytes."""
    file, free = io.BytesIO(data), Budget(len(data))
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran, dtype = readers[version](file)
    rest = memoryview(data)[file.tell() :]
    array = as_array(rest, dtype.str, shape[::-1] if fortran else shape, free)
    return array.T if fortran else array


def _read_msgpack(data: memoryview, budget: Budget) -> Any:
    """What `flax.serialization.to_bytes` writes: an array is an extension of its own."""
    try:
        import msgpack
    except ImportError as error:
        raise ImportError("Flax's checkpoints need msgpack: pip install 'jiqa[flax]'.") from error

    def extension(code: int, content: bytes) -> Array:
        if code not in (1, 3):  # an array, a NumPy scalar
            raise ValueError(f"an extension {code} of msgpack, which is no array.")
        shape, dtype, numbers = msgpack.unpackb(content)
        return Array(as_array(numbers, dtype, shape, budget))

    return _join(msgpack.unpackb(data, ext_hook=extension, strict_map_key=False), budget)


def _join(value: Any, budget: Budget) -> Any:
    """The value with arrays whole that Flax has cut into chunks of a gibibyte."""
    if not isinstance(value, dict):
        return value
    if "__msgpack_chunked_array__" not in value:
        return {key: _join(item, budget) for key, item in value.items()}
    chunks = [value["chunks"][str(index)].value for index in range(len(value["chunks"]))]
    budget.spend(sum(chunk.nbytes for chunk in chunks))
    shape = [value["shape"][str(index)] for index in range(len(value["shape"]))]
    return Array(np.concatenate(chunks).reshape(shape))


def _unwrap(value: Any) -> dict:
    """The dictionary of parameters, without what a training run keeps beside it."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f"it holds a {type(value).__name__}, not arrays with names.")
    for wrapper in WRAPPERS:
        if isinstance(value.get(wrapper), dict):
            return _unwrap(value[wrapper])
    return value


def _flatten(value: dict, budget: Budget) -> Iterator[tuple[str, np.ndarray]]:
    """All arrays with their full names; a pickle's dictionaries may be shared or circular."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    names: set[str] = set()
    for count in itertools.count():
        if not waiting:
            return
        path, node = waiting.pop()
        name = ".".join(path)
        if isinstance(node, list | tuple):
            node = dict(enumerate(node))
        if isinstance(node, dict):
            if count + len(waiting) + len(node) > MOST_ARRAYS or len(name) > LONGEST_NAME:
                raise ValueError(f"more than {MOST_ARRAYS} arrays, or endless names.")
            below = [((*path, str(key).replace("/", ".")), item) for key, item in node.items()]
            waiting.extend(reversed(below))
            continue
        if name in names:
            raise ValueError(f"two arrays are named {name:.80}.")
        names.add(name)
        yield name, _leaf(name, node, budget)


def _leaf(name: str, node: Any, budget: Budget) -> np.ndarray:
    array = node.array(budget) if isinstance(node, Array | Tensor) else np.asarray(node)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name:.80} is a {type(node).__name__}, not an array of numbers.")
    return array
