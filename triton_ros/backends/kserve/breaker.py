# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A circuit breaker: a server that failed again and again is left alone for a while.

Closed, requests go.  After so many failures in a row it opens: requests are refused at once,
until the time is up.  Then it is half open, and *one* trial goes: whether that succeeds decides.
It decides only; the clock is injected and nothing waits here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum


class State(Enum):
    """Where a circuit is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Circuit:
    """The breaker of one server; usable from many threads.

    Whoever was allowed says how it went: `succeeded`, `failed`, or `forgotten` where that says
    nothing about the server.  With `failures` 0 it never opens.
    """

    def __init__(self, failures: int, open_ns: int, clock: Callable[[], int]) -> None:
        self._limit = failures
        self._open_ns = open_ns
        self._clock = clock
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._failures = 0
        self._since = 0
        self.opened = 0
        """How often it did."""

    @property
    def state(self) -> State:
        return self._state

    def allow(self) -> bool:
        """Whether a request may go now; once, where it is the trial."""
        with self._lock:
            if self._state is State.CLOSED:
                return True
            if self._state is State.HALF_OPEN or self._due() > 0:
                return False
            self._state = State.HALF_OPEN
            return True

    @property
    def due_ns(self) -> int | None:
        """How long until a trial may go (0: now); None where none is to be waited for."""
        with self._lock:
            return max(0, self._due()) if self._state is State.OPEN else None

    def succeeded(self) -> bool:
        """The server answered; whether that closed the circuit."""
        with self._lock:
            closed = self._state is not State.CLOSED
            self._state, self._failures = State.CLOSED, 0
            return closed

    def failed(self) -> bool:
        """The server did not answer; whether that opened the circuit.

        What began before it opened and fails later changes nothing.
        """
        with self._lock:
            self._failures += 1
            wanted = self._state is State.HALF_OPEN or (
                self._state is State.CLOSED and 0 < self._limit <= self._failures
            )
            if wanted:
                self._open()
            return wanted

    def forgotten(self) -> None:
        """The trial, if it was that, told nothing: another may go at once."""
        with self._lock:
            if self._state is State.HALF_OPEN:
                self._state = State.OPEN
                self._since = self._clock() - self._open_ns

    def trip(self) -> None:
        """Open it, whatever was counted; for a server that is known to be down."""
        with self._lock:
            if self._limit:
                self._open()

    def _open(self) -> None:
        self._state, self._failures = State.OPEN, 0
        self._since = self._clock()
        self.opened += 1

    def _due(self) -> int:
        return self._since + self._open_ns - self._clock()
