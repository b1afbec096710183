# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which sequence has which slot of which instance, who waits for one, and who can be joined."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from triton_ros.core.scheduling.sequence_controls import CorrelationId
from triton_ros.core.scheduling.sequence_lane import Lane


class Slots:
    """The lanes of one model."""

    def __init__(self, instances: Sequence[int], slots: int) -> None:
        """`slots` for each of the instances with these numbers."""
        self._free = [(slot, number) for slot in range(slots) for number in instances]
        heapify(self._free)  # the lowest slot first: it spreads sequences, and keeps batches small
        self._active: dict[int, dict[int, Lane]] = {number: {} for number in instances}
        self._backlog: dict[Lane, None] = {}
        self._open: dict[CorrelationId, Lane] = {}

    def find(self, identity: CorrelationId) -> Lane | None:
        """The lane that a request of this sequence joins."""
        return self._open.get(identity)

    def ready(self, instance: int) -> list[Lane]:
        """The lanes of an instance that have something to run."""
        return [lane for lane in self._active[instance].values() if lane.ready]

    def lanes(self) -> list[Lane]:
        """All of them, those of the backlog first."""
        active = [lane for lanes in self._active.values() for lane in lanes.values()]
        return [*self._backlog, *active]

    def add(self, lane: Lane) -> None:
        """A lane begins, in a slot or in the backlog."""
        self._open[lane.id] = lane
        if self._free:
            self._place(lane, *heappop(self._free))
        else:
            self._backlog[lane] = None

    def close(self, lane: Lane) -> None:
        """No request can join this lane any more."""
        lane.closed = True
        if self._open.get(lane.id) is lane:
            del self._open[lane.id]

    def release(self, lane: Lane) -> None:
        """The lane is over; its slot goes to the first of the backlog."""
        self.close(lane)
        lane.idle_ns = None
        if lane.instance is None:
            self._backlog.pop(lane, None)
            return
        slot, instance = lane.slot, lane.instance
        if self._active[instance].get(slot) is not lane:
            return  # released before
        del self._active[instance][slot]
        if self._backlog:
            first = next(iter(self._backlog))
            del self._backlog[first]
            self._place(first, slot, instance)
        else:
            heappush(self._free, (slot, instance))

    def _place(self, lane: Lane, slot: int, instance: int) -> None:
        lane.slot, lane.instance = slot, instance
        self._active[instance][slot] = lane
