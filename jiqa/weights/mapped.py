"""Safetensors files: mapped into memory when read, with a checksum of the arrays when written."""

import json
import mmap
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from jiqa.files import write_whole
from jiqa.weights.buffers import Budget, as_array
from jiqa.weights.trees import fingerprint

LONGEST_HEADER = 100 * 2**20  # of the safetensors format
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "bfloat16",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "<?",
}
CHECKSUM = "jiqa_sha256"


def write_parameters(path: Path, parameters: Mapping[str, np.ndarray]) -> None:
    """Writes parameters with their checksum, whole or not at all.

    Args:
        path: The file; its folder is made if need be.
        parameters: Contiguous arrays by name.

    Raises:
        OSError: The file cannot be written.
    """
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.asarray(array, order="C") for name, array in parameters.items()}
    with write_whole(path) as file:
        file.write(save(arrays, {CHECKSUM: fingerprint(arrays)}))


def read_safetensors(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a safetensors file by mapping it into memory: nothing is copied before it is used.

    Args:
        path: The file.

    Returns:
        The arrays by name, read-only; bfloat16 is widened to float32.

    Raises:
        ValueError: The file is no safetensors file, or damaged.
        OSError: The file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_parameters(Path(folder, "a.safetensors"), {"bias": np.ones(2)})
    ...     read_safetensors(Path(folder, "a.safetensors"))
    {'bias': array([1., 1.])}
    """
    return read_with_checksum(path)[0]


def read_with_checksum(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], str | None]:
    """As `read_safetensors`, and the checksum that is recorded in the file if jiqa wrote it."""
    try:
        with open(path, "rb") as file:
            everything = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        length = int.from_bytes(everything[:8], "little")
        if len(everything) < 8 or length > min(len(everything) - 8, LONGEST_HEADER):
            raise ValueError(f"a header of {length} bytes in a file of {len(everything)}")
        header = json.loads(bytes(everything[8 : 8 + length]))
        recorded = header.pop("__metadata__", {}).get(CHECKSUM)
        data, budget = everything[8 + length :], Budget(len(everything))
        return {name: _array(data, item, budget) for name, item in header.items()}, recorded
    except OSError:
        raise
    except Exception as error:  # whatever a header that is not one leads to
        raise ValueError(f"{fspath(path)}: not a whole safetensors file: {error}.") from error


def _array(data: memoryview, item: dict, budget: Budget) -> np.ndarray:
    start, stop = item["data_offsets"]
    if not 0 <= start <= stop <= len(data):
        raise ValueError(f"an array from {start} to {stop} of {len(data)} bytes")
    if item["dtype"] not in DTYPES:
        raise ValueError(f"dtype {item['dtype']!r:.20}, where {', '.join(DTYPES)} are known")
    return as_array(data[start:stop], DTYPES[item["dtype"]], item["shape"], budget)
