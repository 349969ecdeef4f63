"""Pools of threads: all cores by default, and nothing begins after an error."""

import threading

import pytest

from jiqa.threads import available_cores, thread_pool


def test_there_is_a_thread_a_core():
    with thread_pool() as pool:
        assert pool._max_workers == available_cores() >= 1


def test_what_has_not_begun_is_dropped():
    hold, begun = threading.Event(), []

    def work(place):
        begun.append(place)
        hold.wait(10)

    def fail():
        with thread_pool(1) as pool:
            for place in range(5):
                pool.submit(work, place)
            threading.Timer(0.2, hold.set).start()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert begun == [0]
