# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Calls at a time, on a clock of the test's own where time matters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from fake_backend import TIMEOUT, Outcomes

from triton_ros.core.scheduling.timer import Timer


@pytest.fixture
def timer() -> Iterator[Timer]:
    timer = Timer()
    yield timer
    timer.close()


def test_calls_come_in_the_order_of_their_times(timer: Timer) -> None:
    called = Outcomes()
    start = time.monotonic_ns()
    for milliseconds in (30, 10, 20):
        timer.call_at(start + milliseconds * 1_000_000, lambda ms=milliseconds: called(ms))  # type: ignore[misc]
    assert called.wait(3) == [10, 20, 30]
    assert time.monotonic_ns() - start >= 30_000_000


def test_a_call_is_not_early() -> None:
    now = 0
    asked = threading.Semaphore(0)

    def clock() -> int:
        asked.release()
        return now

    timer = Timer(clock)
    called = Outcomes()
    timer.call_at(100, lambda: called("late"))
    assert asked.acquire(timeout=TIMEOUT)
    assert called.values == []
    now = 100
    timer.call_at(50, lambda: called("soon"))  # wakes the thread, which sees the new time
    assert called.wait(2) == ["soon", "late"]
    timer.close()


def test_a_call_that_raises_does_not_stop_the_timer(timer: Timer) -> None:
    called = Outcomes()
    timer.call_at(0, lambda: 1 // 0)
    timer.call_at(0, lambda: called("next"))
    assert called.wait() == ["next"]


def test_closing_ends_the_thread_and_forgets_what_is_to_come(timer: Timer) -> None:
    called = Outcomes()
    others = set(threading.enumerate())
    timer.call_at(0, lambda: called("now"))
    timer.call_at(time.monotonic_ns() + 3600 * 10**9, lambda: called("never"))
    called.wait()
    (own,) = (t for t in set(threading.enumerate()) - others if t.name == "timer")
    timer.close()
    assert not own.is_alive()
    timer.call_at(0, lambda: called("closed"))
    assert called.values == ["now"]


def test_it_may_be_closed_by_its_own_call() -> None:
    timer = Timer()
    called = Outcomes()

    def close() -> None:
        timer.close()
        called("closed")

    timer.call_at(0, close)
    assert called.wait() == ["closed"]


def test_an_unused_timer_has_no_thread() -> None:
    threads = threading.active_count()
    timer = Timer()
    timer.close()
    assert threading.active_count() == threads
