"""Bytes of a file as arrays, within bounds: a small file cannot ask for all memory."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

FREE = 64 * 2**20
RATIO = 20
DIMENSIONS = 32


class Budget:
    """How many bytes a file may still unpack to: 20 times its size and 64 MiB.

    >>> Budget(10).spend(10**9)
    Traceback (most recent call last):
    ValueError: it would unpack to more than 20 times its size and 64 MiB, ...
    """

    def __init__(self, file_size: int) -> None:
        """A budget for a file of this many bytes."""
        self.left = FREE + RATIO * file_size

    def spend(self, count: int) -> None:
        """Takes bytes from the budget, or raises ValueError."""
        self.left -= count
        if self.left < 0:
            raise ValueError(
                f"it would unpack to more than {RATIO} times its size and {FREE >> 20} MiB, "
                "as files made to exhaust memory do."
            )


def as_array(data: Any, dtype: str, shape: Sequence[int], budget: Budget) -> np.ndarray:
    """Bytes as an array, without a copy except for bfloat16.

    Args:
        data: What has a buffer; exactly as many bytes as the array takes.
        dtype: A NumPy dtype of numbers as in "<f4", or "bfloat16", which is widened to float32.
        shape: The shape.
        budget: Pays for the array.

    Returns:
        The array, read-only.

    Raises:
        ValueError: Too few or too many bytes, no shape, or no dtype of numbers.

    >>> as_array(bytes(8), "<f4", [2], Budget(8))
    array([0., 0.], dtype=float32)
    """
    stored = stored_dtype(dtype)
    size = checked_size(shape) * stored.itemsize
    if size != memoryview(data).nbytes:
        raise ValueError(f"an array {dtype}{list(shape)} has {memoryview(data).nbytes} bytes.")
    budget.spend(size)
    array = np.frombuffer(data, stored) if size else np.empty(0, stored)
    return widen(array.reshape(tuple(shape)), dtype)


def stored_dtype(dtype: str) -> np.dtype:
    """The dtype of the bytes; ValueError if they are not numbers."""
    try:
        found = np.dtype("<u2" if dtype == "bfloat16" else dtype[:20])
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "biuf" or found.itemsize > 8:
        raise ValueError(f"dtype {dtype[:20]!r}; numbers are read, and nothing else.")
    return found


def widen(array: np.ndarray, dtype: str) -> np.ndarray:
    """The array as it is, read-only; bfloat16, which NumPy lacks, as float32."""
    if dtype == "bfloat16":
        array = (array.astype("<u4") << 16).view("<f4")
    array.flags.writeable = False
    return array


def checked_size(shape: Sequence[int]) -> int:
    """The number of elements; ValueError if this is no shape."""
    if len(shape) > DIMENSIONS or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise ValueError("an array whose shape is none.")
    return math.prod(shape)
