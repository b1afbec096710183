# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which frame of a stream goes next, which is dropped, and in which order answers leave.

Decisions only: no thread, no clock, no message.  `FrameQueue` starts a frame while fewer than
`in_flight` run and keeps the newest `depth` others; depth 1 is *newest wins*.  `Sequencer` lets
answers out in the order in which the frames were started, whatever order they come in.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

F = TypeVar("F")
R = TypeVar("R")


class FrameQueue(Generic[F]):
    """The caller holds a lock around every call."""

    def __init__(self, depth: int, in_flight: int) -> None:
        self.depth = depth
        self.in_flight = in_flight
        self.running = 0
        self._waiting: deque[F] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether a frame that arrives has to wait."""
        return self.running >= self.in_flight

    @property
    def has_room(self) -> bool:
        """Whether a frame that arrives costs no other one its place."""
        return len(self._waiting) < self.depth

    def arrive(self, frame: F) -> tuple[F | None, list[F]]:
        """The frame to start now (if any), and those that are dropped for it."""
        self._waiting.append(frame)
        start = self._next()
        dropped = []
        while len(self._waiting) > self.depth:
            dropped.append(self._waiting.popleft())
        return start, dropped

    def finished(self) -> F | None:
        """A running frame ended: the next one to start."""
        self.running -= 1
        return self._next()

    def _next(self) -> F | None:
        if not self._waiting or self.full:
            return None
        self.running += 1
        return self._waiting.popleft()

    def clear(self) -> list[F]:
        """Forget what waits; running frames still finish."""
        dropped = list(self._waiting)
        self._waiting.clear()
        return dropped


class Sequencer(Generic[R]):
    """Numbers 0, 1, 2, ... come back in any order; results leave in theirs."""

    def __init__(self) -> None:
        self._next = 0
        self._early: dict[int, R | None] = {}

    def arrive(self, number: int, result: R | None) -> list[R]:
        """The results that can leave now; None stands for a frame without an answer."""
        self._early[number] = result
        leaving: list[R] = []
        while self._next in self._early:
            ready = self._early.pop(self._next)
            if ready is not None:
                leaving.append(ready)
            self._next += 1
        return leaving
