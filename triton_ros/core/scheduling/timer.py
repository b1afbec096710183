# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One thread that calls back when a time has come: timeouts fire when they are due, not at a sweep.

Instance threads cannot watch the queue while they all execute, so this thread does.  It sleeps on a
condition until the earliest time that somebody named.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from logging import getLogger

from triton_ros.core.execution.executor import Clock

_LOG = getLogger(__name__)


class Timer:
    """Shared by a server's schedulers; the thread starts with the first `call_at`."""

    def __init__(self, clock: Clock = time.monotonic_ns) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Call once at `due_ns` (the clock's) or soon after, on the timer's thread."""
        with self._changed:
            if self._closed:
                return
            heappush(self._calls, (due_ns, next(self._order), call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
                self._thread.start()
            elif self._calls[0][2] is call:
                self._changed.notify()

    def close(self) -> None:
        """Forget what is still to come; returns when the thread ended."""
        with self._changed:
            self._closed = True
            self._calls.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except Exception:
                _LOG.exception("a timed call raised")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                if not self._calls:
                    self._changed.wait()
                    continue
                left = self._calls[0][0] - self._clock()
                if left <= 0:
                    return heappop(self._calls)[2]
                self._changed.wait(min(left / 1e9, threading.TIMEOUT_MAX))
        return None
