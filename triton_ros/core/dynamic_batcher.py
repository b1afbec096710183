# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which items run together, and when: policy only.  No thread, no clock.

FIFO.  A batch takes items from the head while their keys are equal and their rows fit.  Without
`dynamic_batching` every item runs alone.  With it, in Triton's order of reasons:

1. the largest preferred size that the queue reaches is sent at once;
2. else what is there is sent when it cannot grow (the next item does not fit or differs), when the
   oldest item has waited `max_queue_delay_microseconds`, or when there is no delay;
3. else the batcher says how long to wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from triton_ros.core.batcher import Rejections, Wait
from triton_ros.core.errors import UnavailableError
from triton_ros.core.payload import Item
from triton_ros.core.scheduling_config import DynamicBatching


class DynamicBatcher:
    """The queue of one model.  The caller holds a lock around every call."""

    def __init__(self, max_batch_size: int, batching: DynamicBatching | None) -> None:
        self._max_rows = max(max_batch_size, 1)
        self._batching = batching if max_batch_size > 0 else None
        preferred = batching.preferred_batch_size if batching else ()
        self._preferred = tuple(sorted(preferred or (self._max_rows,)))
        delay_us = self._batching.max_queue_delay_microseconds if self._batching else 0
        self._delay_ns = delay_us * 1000
        self._max_queue = batching.default_queue_policy.max_queue_size if batching else 0
        self._queue: deque[Item] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def immediate(self) -> bool:
        """Whether an item that finds an idle instance runs at once and alone."""
        return not self._queue and self._delay_ns == 0

    @property
    def per_instance(self) -> bool:
        return False

    def offer(self, item: Item, now_ns: int) -> Rejections:
        if self._max_queue and len(self._queue) >= self._max_queue:
            return [(item, UnavailableError("Exceeds maximum queue size"))]
        item.offered_ns = now_ns
        self._queue.append(item)
        return []

    def replace(self, old: Item, new: Item) -> bool:
        """Put `new` in the place (and age) of `old`; False if `old` is no longer waiting."""
        for index, item in enumerate(self._queue):
            if item is old:
                new.offered_ns = old.offered_ns
                self._queue[index] = new
                return True
        return False

    def remove(self, item: Item) -> bool:
        if item not in self._queue:
            return False
        self._queue.remove(item)
        return True

    def finished(self, items: Sequence[Item], instance: int, now_ns: int) -> Rejections:
        return []

    def reschedule(self, item: Item, now_ns: int) -> bool:
        return False

    def next_due(self) -> int | None:
        return None

    def expire(self, now_ns: int) -> Rejections:
        return []

    def next_batch(self, now_ns: int, instance: int = 0) -> list[Item] | Wait:
        """The items to run now, or how long to wait."""
        if not self._queue:
            return Wait()
        if self._batching is None:
            return [self._queue.popleft()]
        taken, preferred, closed = self._candidates()
        waited_ns = now_ns - self._queue[0].offered_ns
        due = waited_ns >= self._delay_ns
        if preferred and not (due and self._delay_ns):
            return self._take(preferred)
        if due or closed:
            return self._take(taken)
        return Wait((self._delay_ns - waited_ns) / 1e9)

    def drain(self) -> list[Item]:
        """Everything that still waits; the queue is empty afterwards."""
        items = list(self._queue)
        self._queue.clear()
        return items

    def _candidates(self) -> tuple[int, int, bool]:
        """How many items fit, how many make a preferred size, and whether no more can join."""
        key = self._queue[0].key
        rows = taken = preferred = 0
        largest = self._preferred[-1]  # at most max_batch_size
        for item in self._queue:
            if item.key != key or (rows and rows + item.rows > largest):
                return taken, preferred, True
            rows += item.rows
            taken += 1
            if rows in self._preferred:
                preferred = taken
        return taken, preferred, rows >= largest

    def _take(self, count: int) -> list[Item]:
        return [self._queue.popleft() for _ in range(count)]
