# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""gRPC's threads: as many as calls at once, and no more."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from http_client import wait_for

from triton_ros.frontends.grpc.call_threads import CallThreads

MOST = 3


@pytest.fixture
def threads() -> Iterator[CallThreads]:
    found = CallThreads(MOST, "calls")
    yield found
    found.close()


class Held:
    """Calls that are under way until they are let go."""

    def __init__(self, threads: CallThreads, count: int) -> None:
        self._go = threading.Event()
        self.entered: list[int] = []
        self.futures: list[Future[int]] = [
            threads.submit(self._call, number) for number in range(count)
        ]

    def _call(self, number: int) -> int:
        self.entered.append(number)
        self._go.wait()
        return number

    def let_go(self) -> list[int]:
        self._go.set()
        return [future.result() for future in self.futures]


def test_calls_run_at_once_and_the_rest_waits(threads: CallThreads) -> None:
    held = Held(threads, MOST)
    wait_for(lambda: len(held.entered) == MOST)
    later = [threads.submit(int, number) for number in range(20)]
    assert threads.counts == (MOST, 0)
    assert not any(future.running() or future.done() for future in later)
    assert held.let_go() == list(range(MOST))
    assert [future.result() for future in later] == list(range(20))
    assert threads.counts[0] == MOST


def test_what_waits_runs_in_its_order() -> None:
    threads = CallThreads(1, "calls")
    held, order = Held(threads, 1), list[int]()
    for number in range(20):
        threads.submit(order.append, number)
    held.let_go()
    threads.close()
    assert order == list(range(20))


def test_a_thread_that_is_idle_is_called_again_the_last_one_first(threads: CallThreads) -> None:
    Held(threads, MOST).let_go()
    wait_for(lambda: threads.counts == (MOST, MOST))
    called = set()
    for _ in range(50):
        called.add(threads.submit(threading.get_ident).result())
        wait_for(lambda: threads.counts == (MOST, MOST))
    assert len(called) == 1


def test_calls_from_many_sides_never_need_more_threads_than_calls(threads: CallThreads) -> None:
    def calls() -> None:
        for number in range(500):
            assert threads.submit(lambda value=number: value + 1).result() == number + 1

    callers = [threading.Thread(target=calls) for _ in range(MOST + 2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    wait_for(lambda: threads.counts[0] == threads.counts[1] <= MOST)


def test_a_thread_that_nobody_calls_ends_and_the_next_call_starts_another() -> None:
    threads = CallThreads(MOST, "calls", idle_s=0.02)
    for _ in range(20):
        assert Held(threads, MOST).let_go() == list(range(MOST))
    wait_for(lambda: threads.counts == (0, 0))
    assert threads.submit(lambda: threading.current_thread().name).result().startswith("calls_")
    threads.close()
    assert threads.counts == (0, 0)


def test_an_error_is_the_calls_own(threads: CallThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0).result()
    with pytest.raises(SystemExit):
        threads.submit(sys.exit).result()
    wait_for(lambda: threads.counts[0] == threads.counts[1] > 0)
    assert threads.submit(int, "7").result() == 7


def test_the_end_waits_for_what_runs_and_what_waits(threads: CallThreads) -> None:
    held = Held(threads, MOST + 1)
    end = threading.Thread(target=threads.close)
    end.start()
    wait_for(lambda: _refused(threads))
    assert end.is_alive()
    assert held.let_go() == list(range(MOST + 1))
    end.join()
    assert threads.counts == (0, 0)


def _refused(threads: CallThreads) -> bool:
    try:
        threads.submit(int).cancel()
    except RuntimeError:
        return True
    return False
