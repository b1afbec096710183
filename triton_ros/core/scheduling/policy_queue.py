# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The waiting line of one model: priority levels, each with Triton's queue policy.  Pure.

Strict priorities: everything of level 1 comes before anything of level 2.  Within a level it is
first come, first served, except that requests whose timeout passed under the policy DELAY go
behind the others of their level, once, and are never refused for it.

What has a time (a timeout, a request's deadline) is also in one heap.  A time is over when the
clock reaches it.  Places that emptied stay in the heap until they come up or outnumber the living,
so every operation costs O(log n) or less, and the next time is read off the top.

Like Triton's `PriorityQueue`, but better where its users complain:

- timeouts fire when they are due (`next_due`, `expire`), not when a batch is formed or by a sweep
  every 500 ms;
- a request's own timeout counts under `allow_timeout_override` even if the policy has no default
  timeout, which Triton takes for "shorter than 0" and ignores;
- a request's absolute deadline is kept under every policy, also without any;
- `max_queue_size` counts requests: one that was scattered into elements gets all of them in, and
  is one;
- a full queue can drop its oldest request (all that waits of it) for the newest.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy, TimeoutAction
from triton_ros.core.errors import (
    CancelledError,
    DeadlineError,
    DroppedError,
    QueueFullError,
    TimeoutExpiredError,
    TritonError,
)
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.batcher import Rejections

_HEAP_SLACK = 64
"""Emptied places that a heap may hold however few are alive."""


def refusal(item: Item, now_ns: int) -> TritonError | None:
    """What an item is answered with instead of being run or queued: cancelled, or too late."""
    request = item.request
    if request is None:
        return None
    if request.cancellation is not None and request.cancellation.cancelled:
        return CancelledError("request was cancelled")
    if request.deadline_ns is not None and request.deadline_ns <= now_ns:
        return DeadlineError("Request deadline expired")
    return None


class _Request:
    """The places of one request in a level whose size is limited."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places: dict[Place, None] = {}


@dataclass(slots=True, eq=False)
class Place:
    """Where an item waits.  Another item may take the place over, with its age."""

    item: Item
    """Gone with the item: the heap may keep a place for long, but not a frame."""
    number: int
    level: _Level
    prompt: bool
    """Not to be delayed for a fuller batch."""
    request: _Request | None = None
    timeout_ns: int | None = None
    """When its time in the queue is over; None for never (any more)."""
    deadline_ns: int | None = None
    waits: bool = True


class _Level:
    """One priority level."""

    def __init__(self, number: int, policy: QueuePolicy) -> None:
        self.number = number
        self.limit = policy.max_queue_size
        self.fresh: OrderedDict[Place, None] = OrderedDict()
        self.late: OrderedDict[Place, None] = OrderedDict()
        self.requests: OrderedDict[_Request, None] = OrderedDict()
        """In order of arrival; kept only if there is a limit."""
        self.delays = policy.timeout_action is TimeoutAction.DELAY
        self._policy = policy
        self.timed = bool(policy.default_timeout_microseconds or policy.allow_timeout_override)

    @property
    def full(self) -> bool:
        return 0 < self.limit <= len(self.requests)

    def timeout_ns(self, item: Item) -> int | None:
        """When the time of an item that was offered to this level is over."""
        if not self.timed:
            return None
        timeout_us = self._policy.default_timeout_microseconds
        own_us = item.request.timeout_us if item.request else 0
        if self._policy.allow_timeout_override and own_us > 0:
            timeout_us = min(timeout_us or own_us, own_us)
        return item.offered_ns + timeout_us * 1000 if timeout_us else None


class PolicyQueue:
    """All levels of one model.  The caller holds a lock around every call."""

    def __init__(self, batching: DynamicBatching | None) -> None:
        self._batching = batching or DynamicBatching()
        self._many = self._batching.priority_levels > 1
        self.places: dict[Item, Place] = {}
        """Every item that waits."""
        self._levels: dict[int, _Level] = {}
        self._active: list[_Level] = []
        """In order of urgency; of several levels, only those where something waits."""
        self._times: list[tuple[int, int, int, Place]] = []
        """When, the place's number, and a tie-breaker that keeps places from being compared."""
        self._arrivals = count()
        self._ties = count()
        self._over: dict[Place, tuple[int, TritonError]] = {}
        """Too late to run, not yet given back: since when, and what it is answered with."""
        self._last_offer = (0, -1)
        self._last_request: _Request | None = None

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Place]:
        """The places of what may run, most urgent first.  `settle` before."""
        for level in self._active:
            yield from level.fresh
            yield from level.late

    # in and out ------------------------------------------------------------------------------

    def continues(self, item: Item, now_ns: int) -> bool:
        """Whether the item is a further element of the request that was offered last.

        Elements of one request come together, at one time; the same request sent again is another.
        """
        return (
            item.element
            and item.request is not None
            and self._last_offer == (id(item.request), now_ns)
        )

    def offer(self, item: Item, now_ns: int, prompt: bool = False) -> Rejections:
        """Queue an item (sets `offered_ns` and `level`); what is given up for it, or it itself."""
        gone = self.expire(now_ns) if self._times or self._over else []
        item.offered_ns = now_ns
        request = item.request
        if request is not None and (error := refusal(item, now_ns)):
            return [*gone, (item, error)]
        level = self._level(item)
        counted = self._counted(item, now_ns, level) if level.limit else None
        self._last_offer = (id(request), now_ns)
        if level.limit and counted is None:
            return [*gone, (item, QueueFullError("Exceeds maximum queue size"))]
        place = self.places[item] = Place(item, next(self._arrivals), level, prompt, counted)
        level.fresh[place] = None
        if counted is not None:
            gone += self._join(place, counted)
        if level.timed or (request is not None and request.deadline_ns is not None):
            self._set_times(place)
        return gone

    def replace(self, old: Item, new: Item) -> bool:
        """Put `new` in the place of `old`, with its age and level, but with its own deadline."""
        place = self.places.get(old)
        if place is None or place in self._over:
            return False
        new.offered_ns, new.level = old.offered_ns, old.level
        del self.places[old]
        self.places[new] = place
        place.item = new
        self._set_times(place)
        return True

    def remove(self, item: Item) -> bool:
        """Take a waiting item out; False if it does not wait."""
        place = self.places.get(item)
        if place is None:
            return False
        self._leave(place)
        return True

    def take(self, places: Sequence[Place]) -> list[Item]:
        """Take a batch out."""
        return [self._leave(place) for place in places]

    def drain(self) -> list[Item]:
        """Take everything out."""
        return self.take([*self, *self._over])

    # time ------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """The time at which `expire` has something to do next."""
        for since, _ in self._over.values():
            return since
        while self._times:
            due, _, _, place = self._times[0]
            if place.waits and due in (place.timeout_ns, place.deadline_ns):
                return due
            heappop(self._times)
        return None

    def settle(self, now_ns: int) -> None:
        """Set aside what is too late to run, and put behind what is to be delayed."""
        while self._times and self._times[0][0] <= now_ns:
            due, _, _, place = heappop(self._times)
            if not place.waits or place in self._over:
                continue
            if due == place.deadline_ns:
                self._set_aside(place, due, DeadlineError("Request deadline expired"))
            elif due == place.timeout_ns and not place.level.delays:
                self._set_aside(place, due, TimeoutExpiredError("Request timeout expired"))
            elif due == place.timeout_ns:
                place.timeout_ns = None
                del place.level.fresh[place]
                place.level.late[place] = None

    def expire(self, now_ns: int) -> Rejections:
        """Give back what is too late by now, in the order in which it became so."""
        self.settle(now_ns)
        if not self._over:
            return []
        gone: Rejections = [(place.item, error) for place, (_, error) in self._over.items()]
        self.take(list(self._over))
        return gone

    def _set_times(self, place: Place) -> None:
        item = place.item
        timeout = None if place in place.level.late else place.level.timeout_ns(item)
        deadline = item.request.deadline_ns if item.request else None
        for due, before in ((timeout, place.timeout_ns), (deadline, place.deadline_ns)):
            if due is not None and due != before:
                heappush(self._times, (due, place.number, next(self._ties), place))
        place.timeout_ns, place.deadline_ns = timeout, deadline
        if len(self._times) > 4 * len(self.places) + _HEAP_SLACK:
            self._times = [
                (due, place.number, next(self._ties), place)
                for place in self
                for due in (place.timeout_ns, place.deadline_ns)
                if due is not None
            ]
            heapify(self._times)

    def _set_aside(self, place: Place, since_ns: int, error: TritonError) -> None:
        self._unlist(place)
        self._over[place] = (since_ns, error)

    # levels ----------------------------------------------------------------------------------

    def _level(self, item: Item) -> _Level:
        """The item's level, which is among the active ones afterwards."""
        number = self._batching.default_priority_level
        if self._many and item.request:
            wanted = item.request.priority
            number = wanted if 1 <= wanted <= self._batching.priority_levels else number
        item.level = number
        level = self._levels.get(number)
        if level is None:
            level = self._levels[number] = _Level(number, self._batching.policy(number))
            insort(self._active, level, key=lambda each: each.number)
        return level

    def _counted(self, item: Item, now_ns: int, level: _Level) -> _Request | None:
        """What the item counts as in a level with a limit; None if it does not get in."""
        request = self._last_request if self.continues(item, now_ns) else None
        if request is None:
            refused = level.full and not self._batching.drop_oldest
            request = None if refused else _Request()
        self._last_request = request
        return request

    def _join(self, place: Place, request: _Request) -> Rejections:
        """Count the place; what is dropped to make room for its request."""
        requests = place.level.requests
        dropped: Rejections = []
        if request not in requests:
            if place.level.full:
                error = DroppedError("dropped from a full queue for a newer request")
                oldest = next(iter(requests))
                dropped = [(item, error) for item in self.take(list(oldest.places))]
            requests[request] = None
        request.places[place] = None
        return dropped

    def _leave(self, place: Place) -> Item:
        if self._over.pop(place, None) is None:
            self._unlist(place)
        item = place.item
        del self.places[item], place.item
        place.waits = False
        return item

    def _unlist(self, place: Place) -> None:
        """Out of its level: it neither runs nor counts there."""
        level, request = place.level, place.request
        del (level.fresh if place in level.fresh else level.late)[place]
        if request is not None:
            del request.places[place]
            if not request.places:
                del level.requests[request]
        if self._many and not level.fresh and not level.late:
            del self._levels[level.number]
            self._active.remove(level)
