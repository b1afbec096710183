# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The requests of one sequence, and the times at which something becomes of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from typing import Any
from weakref import ReferenceType, ref

from triton_ros.core.execution.payload import Item, Key, item_key
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.sequence_controls import CorrelationId
from triton_ros.core.scheduling.sequence_state import SequenceStates
from triton_ros.core.tensor import Array, Tensor, Tensors


@dataclass(eq=False)
class Lane:
    """A sequence's queue.  It has a slot of an instance, or waits for one in the backlog.

    A START that comes before the END of what is here is a further sequence in the same lane.
    """

    id: CorrelationId
    states: SequenceStates
    closed: bool = False
    """No further request can join, so the slot is free when what is here is done."""
    queue: deque[Entry] = field(default_factory=deque)
    running: Entry | None = None
    instance: int | None = None
    """None in the backlog."""
    slot: int = 0
    idle_ns: int | None = None
    """Since when nothing waits or runs."""
    watched: bool = False
    """Whether `Dues` has it."""

    @property
    def ready(self) -> bool:
        return bool(self.queue) and self.running is None

    def segment(self, entry: Entry, whole: bool) -> tuple[list[Entry], bool]:
        """Take out a waiting entry and all behind it of its own sequence (with `whole`, all before
        it, too).  Whether the lane's last sequence was this one.
        """
        waiting = list(self.queue)
        first = waiting.index(entry)
        end = first + 1
        while end < len(waiting) and not waiting[end].start:
            end += 1
        while whole and first and not waiting[first].start:
            first -= 1
        self.queue = deque(waiting[:first] + waiting[end:])
        return waiting[first:end], end == len(waiting)


@dataclass(eq=False)
class Entry:
    """A request in a lane: the sequence batcher's own note on an `Item`."""

    item: Item
    lane: Lane
    request: InferenceRequest
    order: int
    since_ns: int
    """When it was queued; the last time, if more than once."""
    made_up: bool = False
    """Whether the correlation id is not the caller's."""
    inputs: Tensors = field(init=False)
    key: Key = field(init=False)
    waiting: bool = True
    again: bool = False
    """The model wants to run it again."""
    executed: bool = False
    watched_ns: int | None = None
    """The deadline that `Dues` has."""

    def __post_init__(self) -> None:
        self.inputs, self.key = self.item.inputs, self.item.key

    @property
    def start(self) -> bool:
        return self.request.sequence_start

    @property
    def timeout_ns(self) -> int | None:
        """When its time in the backlog is over."""
        timeout_us = self.request.timeout_us
        return self.item.offered_ns + timeout_us * 1000 if timeout_us else None

    def give(self, rows: dict[str, Array], batched: bool) -> None:
        """Add to the item what its model is told of the sequence; `rows` have no batch dim."""
        lead = batched and not self.item.element
        added: dict[str, Tensor] = {n: row[None] if lead else row for n, row in rows.items()}
        self.item.inputs = {**self.inputs, **added}
        self.item.key = (*self.key, *item_key(added, self.item.element))

    def become(self, new: Item, iterative: bool) -> bool:
        """Let a new item take the place and age of this one; False if it does not belong there."""
        if not self.waiting or self.executed or new.request is None or new.rows != 1:
            return False
        request, was = new.request, self.request
        if iterative:
            own = was.correlation_id if self.made_up else 0
            request = alone(request, request.correlation_id or own)
        if _position(request) != _position(was):
            return False
        old = self.item
        new.offered_ns, new.sequence, old.sequence = old.offered_ns, self, None
        self.item, self.inputs, self.key = new, new.inputs, new.key
        self.request = new.request = request
        return True


def alone(request: InferenceRequest, identity: CorrelationId) -> InferenceRequest:
    """A request that is a sequence of its own.  When that ends, the model says."""
    return replace(request, correlation_id=identity, sequence_start=True, sequence_end=False)


def _position(request: InferenceRequest) -> tuple[CorrelationId, bool, bool]:
    return request.correlation_id, request.sequence_start, request.sequence_end


class Due(Enum):
    """Why something has to be done now."""

    IDLE = 0
    DEADLINE = 1
    TIMEOUT = 2


class Dues:
    """A heap of times.  What became of others meanwhile is noticed when it reaches the top.

    It keeps nothing alive: a far deadline must not hold on to an answered request's frame.
    """

    def __init__(self, idle_ns: int) -> None:
        self._idle_ns = idle_ns
        self._order = count()
        self._heap: list[tuple[int, int, Due, ReferenceType[Any]]] = []

    def watch_lane(self, lane: Lane) -> None:
        """The lane is idle from now on."""
        if not lane.watched and lane.idle_ns is not None:
            lane.watched = True
            self._push(lane.idle_ns + self._idle_ns, Due.IDLE, lane)

    def watch_entry(self, entry: Entry) -> None:
        """The entry waits from now on."""
        deadline_ns = entry.request.deadline_ns
        if deadline_ns is not None and entry.watched_ns != deadline_ns:
            entry.watched_ns = deadline_ns
            self._push(deadline_ns, Due.DEADLINE, entry)
        if entry.lane.instance is None and entry.timeout_ns is not None:
            self._push(entry.timeout_ns, Due.TIMEOUT, entry)

    def first(self) -> int | None:
        """The earliest time at which something is due."""
        while self._heap:
            due_ns, _, kind, what = self._heap[0]
            if self._holds(due_ns, kind, what()):
                return due_ns
            _, stale = self._pop()
            if isinstance(stale, Lane):
                self.watch_lane(stale)  # it may be idle again, since later
        return None

    def until(self, now_ns: int) -> Iterator[tuple[Due, Any]]:
        """What is due by now; the caller deals with each before it takes the next."""
        while (due_ns := self.first()) is not None and due_ns <= now_ns:
            yield self._pop()

    def _push(self, due_ns: int, kind: Due, what: Lane | Entry) -> None:
        heappush(self._heap, (due_ns, next(self._order), kind, ref(what)))

    def _pop(self) -> tuple[Due, Any]:
        _, _, kind, reference = heappop(self._heap)
        what = reference()
        if isinstance(what, Lane):
            what.watched = False
        elif isinstance(what, Entry) and kind is Due.DEADLINE:
            what.watched_ns = None
        return kind, what

    def _holds(self, due_ns: int, kind: Due, what: Lane | Entry | None) -> bool:
        if isinstance(what, Lane):
            return what.idle_ns is not None and due_ns == what.idle_ns + self._idle_ns
        if what is None or not what.waiting:
            return False
        if kind is Due.DEADLINE:
            return due_ns == what.request.deadline_ns
        return what.lane.instance is None and due_ns == what.timeout_ns
