# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where threads wait to be called, each at a spot of its own.

A condition variable wakes a thread while its lock is still held, so that it wakes twice; here the
caller takes spots under its lock and wakes their threads after it let go.  The thread that parked
last is called first: its caches are the warmest.

A call may find its thread awake already (its time was up).  It then ends that thread's next wait at
once, which is harmless: who is called looks for work and, finding none, parks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX
from typing import TypeAlias

Spot: TypeAlias = "SimpleQueue[None]"
"""One thread's."""


class Parking:
    """The parked threads; its owner holds a lock around every method."""

    def __init__(self) -> None:
        self._spots: list[Spot] = []

    def enter(self, spot: Spot) -> None:
        """The thread is about to `wait`."""
        self._spots.append(spot)

    def leave(self, spot: Spot) -> None:
        """The thread is awake, called or not."""
        if spot in self._spots:
            self._spots.remove(spot)

    def take(self, count: int) -> list[Spot]:
        """At most so many spots, to be `call`ed."""
        if not self._spots:
            return []
        taken = self._spots[: -count - 1 : -1]
        del self._spots[-count:]
        return taken

    def take_all(self) -> list[Spot]:
        """All of them."""
        taken, self._spots = self._spots, []
        return taken


def wait(spot: Spot, seconds: float | None) -> None:
    """Until the spot is called or the time is up."""
    try:
        spot.get(timeout=None if seconds is None else min(seconds, TIMEOUT_MAX))
    except Empty:
        return


def call(spots: Iterable[Spot]) -> None:
    """Wake the threads at these spots."""
    for spot in spots:
        spot.put(None)
