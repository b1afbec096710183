# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`max_inflight_requests`: at most so many requests in a step at once, the rest wait in line.

Nobody's thread waits here: what finds no room is started later, by the thread that makes room.
That thread starts all for which there is room in one loop, so a long line of requests that end at
once (refused, say) is not a recursion.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

E = TypeVar("E")


class StepGate(Generic[E]):
    """One step's room, shared by all requests of its ensemble; `start` is called with what waited.

    `start` runs without the gate's lock, so it may enter and leave gates.
    """

    def __init__(self, limit: int, start: Callable[[E], None]) -> None:
        self._limit = limit
        self._start = start
        self._lock = threading.Lock()
        self._inside = 0
        self._line: dict[E, None] = {}
        self._starting = False

    def __len__(self) -> int:
        """How many wait."""
        with self._lock:
            return len(self._line)

    def enter(self, entry: E) -> bool:
        """Whether there is room now (the caller starts it); else it stands in line."""
        with self._lock:
            if self._inside < self._limit and not self._line:
                self._inside += 1
                return True
            self._line[entry] = None
        self._start_next()  # room may have come between
        return False

    def leave(self) -> None:
        """One that entered has ended: start the next in line."""
        with self._lock:
            self._inside -= 1
        self._start_next()

    def remove(self, entry: E) -> bool:
        """Take one out of the line; False if it does not wait (any more)."""
        with self._lock:
            if entry not in self._line:
                return False
            del self._line[entry]
            return True

    def _start_next(self) -> None:
        while True:
            with self._lock:
                if self._starting or not self._line or self._inside >= self._limit:
                    return
                entry = next(iter(self._line))
                del self._line[entry]
                self._inside += 1
                self._starting = True
            try:
                self._start(entry)
            finally:
                with self._lock:
                    self._starting = False
