# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The threads that gRPC runs its calls on.

`ThreadPoolExecutor` starts one whenever it counts none as idle, and from Python 3.12 on it counts
too few (a thread that ends a call takes the next one from the queue, although another was counted
as taken for it): under load it grows to its maximum, and keeps that.  Here every idle thread is
known by itself.  The one that became idle last is called first, its caches are the warmest, and one
that was not called for long ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Work: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"
Spot: TypeAlias = "SimpleQueue[Work | None]"

IDLE_S = 60.0


class CallThreads:
    """At most `most` threads; what comes while all are busy waits in its order.

    grpc wants an executor of which it only calls `submit`.
    """

    def __init__(self, most: int, name: str, idle_s: float = IDLE_S) -> None:
        self._most, self._name, self._idle_s = most, name, idle_s
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._idle: list[Spot] = []
        self._waiting: deque[Work] = deque()
        self._started = 0
        self._closed = False

    @property
    def counts(self) -> tuple[int, int]:
        """How many threads there are, and how many of them are idle."""
        with self._lock:
            return len(self._threads), len(self._idle)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `concurrent.futures.Executor`.  Raises `RuntimeError` after `close`."""
        future: Future[T] = Future()
        work = (future, partial(fn, *args, **kwargs))
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{self._name}: no call is taken after close")
            if self._idle:
                self._idle.pop().put(work)
            elif len(self._threads) < self._most:
                self._start(work)
            else:
                self._waiting.append(work)
        return future

    def close(self) -> None:
        """Take no more; returns when what runs and what waits has ended."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            threads = list(self._threads)
        for spot in idle:
            spot.put(None)
        for thread in threads:
            thread.join()

    def _start(self, work: Work) -> None:
        """Under the lock."""
        name = f"{self._name}_{self._started}"
        thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._started += 1
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            self._threads.remove(thread)
            raise

    def _run(self, first: Work) -> None:
        spot: Spot = SimpleQueue()
        work: Work | None = first
        del first
        while work is not None:
            _do(*work)
            del work  # a thread that waits keeps no call alive
            work = self._next(spot)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _next(self, spot: Spot) -> Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                return None
            self._idle.append(spot)
        with contextlib.suppress(Empty):
            return spot.get(timeout=self._idle_s)
        with self._lock:
            if spot in self._idle:
                self._idle.remove(spot)
                # at once with that, or a call could wait for a thread that ends
                self._threads.remove(threading.current_thread())
                return None
        return spot.get()  # it was called at the last moment


def _do(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
