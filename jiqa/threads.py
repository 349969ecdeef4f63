"""Threads: as many as there are cores, and none that goes on after an error."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def thread_pool(workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool that drops what has not begun when the block is left.

    Args:
        workers: Threads; None means one a core.

    >>> with thread_pool(2) as pool:
    ...     print(*pool.map(str.upper, "ab"))
    A B
    """
    pool = ThreadPoolExecutor(workers or available_cores())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
