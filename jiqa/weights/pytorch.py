"""Files that `torch.save` writes: zip archives, and the rows of pickles of before PyTorch 1.6."""

import functools
import io
import mmap
import zipfile
from typing import Any

from jiqa.weights.buffers import Budget, stored_dtype
from jiqa.weights.pickles import Storage, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the old format
PROTOCOL = 1001  # the second


def read_archive(archive: zipfile.ZipFile, prefix: str, budget: Budget) -> Any:
    """The value in a zip archive of PyTorch's.

    Args:
        archive: The archive, with `<prefix>data.pkl` and the storages in `<prefix>data/`.
        prefix: The folder in it.
        budget: Pays for what is unpacked.

    Returns:
        As `read_pickle`.

    Raises:
        ValueError: As in `read_pickle`, or a storage with too few or too many bytes.
    """
    order = f"{prefix}byteorder"
    if order in archive.namelist() and unpack(archive, order, budget) != b"little":
        raise ValueError("written on a big-endian machine.")

    @functools.cache
    def find_storage(dtype: str, key: str, count: int) -> Storage:
        data = unpack(archive, f"{prefix}data/{key}", budget)
        if len(data) != count * stored_dtype(dtype).itemsize:
            raise ValueError(f"storage {key!r:.20} of {count} numbers has {len(data)} bytes.")
        return Storage(dtype, count, data)

    pickled = unpack(archive, f"{prefix}data.pkl", budget)
    return read_pickle(io.BytesIO(pickled), budget, find_storage)


def unpack(archive: zipfile.ZipFile, name: str, budget: Budget) -> bytes:
    """A file in a zip archive, if the budget allows its size."""
    budget.spend(archive.getinfo(name).file_size)
    return archive.read(name)


def read_row(file: mmap.mmap, budget: Budget) -> Any:
    """The value in the old format, behind its first pickle.

    The pickles are: the magic number, the protocol, the machine, the value, the storages' keys.
    Then come the storages in this order: a count in eight bytes and the numbers.

    Args:
        file: The file, just after the magic number.
        budget: Pays for the arrays.

    Returns:
        As `read_pickle`.

    Raises:
        ValueError: As in `read_pickle`, another protocol or byte order, or missing bytes.
    """
    storages: dict[str, Storage] = {}

    def find_storage(dtype: str, key: str, count: int) -> Storage:
        found = storages.setdefault(key, Storage(dtype, count))
        if (found.dtype, found.count) != (dtype, count):
            raise ValueError(f"two different storages {key!r:.20}.")
        return found

    protocol, machine = read_pickle(file, budget), read_pickle(file, budget)
    if protocol != PROTOCOL or not machine["little_endian"]:
        raise ValueError("another version of PyTorch's format, or from a big-endian machine.")
    value = read_pickle(file, budget, find_storage)
    for key in read_pickle(file, budget):
        if type(key) is not str or key not in storages:
            raise ValueError("a storage without tensor.")
        storage = storages[key]
        size = storage.count * stored_dtype(storage.dtype).itemsize
        head, start = file.read(8), file.tell()
        if head != storage.count.to_bytes(8, "little") or start + size > len(file):
            raise ValueError(f"storage {key!r:.20} of {storage.count} numbers is cut off.")
        storage.data = memoryview(file)[start : start + size]
        file.seek(start + size)
    if any(storage.data is None for storage in storages.values()):
        raise ValueError("storages are missing.")
    return value
