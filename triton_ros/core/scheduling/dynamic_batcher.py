# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which items run together, and when: policy only.  No thread, no clock.

Who comes first is `PolicyQueue`'s business.  A batch takes items from the head of that order while
their keys are equal and their rows fit; it may reach from one priority level into the next.
Without `dynamic_batching` every item runs alone, in order of arrival.  With it, as in Triton's
`GetDynamicBatch`:

1. the largest preferred size that the queue reaches is sent at once (the next item would pass the
   largest of them: then what there is before it is as good);
2. else, or when the oldest item has waited `max_queue_delay_microseconds`, everything that fits
   `max_batch_size` is sent if it cannot grow (a preferred size is reached or passed, the next item
   does not fit or differs), if it has waited long enough, or if there is no delay;
3. else the batcher says how long to wait.

Better than Triton: see `PolicyQueue`; and under `delay_when_busy` a request to an idle model (none
came within the last delay, nothing waits) is not delayed.  With `preserve_ordering` no item runs
inline; the order itself is kept by the scheduler (`OrderedDelivery`).
"""

from __future__ import annotations

from collections.abc import Sequence

from triton_ros.core.config.scheduling_config import DynamicBatching
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.batcher import Rejections, Wait
from triton_ros.core.scheduling.policy_queue import Place, PolicyQueue


class DynamicBatcher:
    """The queue of one model.  The caller holds a lock around every call."""

    def __init__(self, max_batch_size: int, batching: DynamicBatching | None) -> None:
        wanted = batching or DynamicBatching()
        self._alone = batching is None or max_batch_size < 2
        self._max_rows = max(max_batch_size, 1)
        self._preferred = frozenset(wanted.preferred_batch_size or (self._max_rows,))
        self._largest = max(self._preferred)
        self._delay_ns = 0 if self._alone else wanted.max_queue_delay_microseconds * 1000
        self._when_busy = wanted.delay_when_busy and self._delay_ns > 0
        self._heard_ns: int | None = None
        self._prompt = False
        self._queue = PolicyQueue(batching)
        self._waiting = self._queue.places
        self._inline = self._delay_ns == 0 and not wanted.preserve_ordering

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def immediate(self) -> bool:
        return self._inline and not self._waiting

    @property
    def per_instance(self) -> bool:
        return False

    def offer(self, item: Item, now_ns: int) -> Rejections:
        return self._queue.offer(item, now_ns, self._when_busy and self._is_prompt(item, now_ns))

    def replace(self, old: Item, new: Item) -> bool:
        """Put `new` in the place, age and level of `old`; its deadline is its own.

        The queue's timeout goes on counting from when `old` came.
        """
        return self._queue.replace(old, new)

    def remove(self, item: Item) -> bool:
        return self._queue.remove(item)

    def finished(self, items: Sequence[Item], instance: int, now_ns: int) -> Rejections:
        return []

    def reschedule(self, item: Item, now_ns: int) -> bool:
        return False

    def next_due(self) -> int | None:
        return self._queue.next_due()

    def expire(self, now_ns: int) -> Rejections:
        return self._queue.expire(now_ns)

    def retire(self, now_ns: int) -> None:
        """A delay is short: what is queued waits it out."""

    def drain(self) -> list[Item]:
        return self._queue.drain()

    def next_batch(self, now_ns: int, instance: int = 0) -> list[Item] | Wait:
        """The items to run now, or how long to wait.

        What is too late is passed over; it waits for `expire`.
        """
        self._queue.settle(now_ns)
        if not self._alone:
            return self._batch(now_ns)
        for place in self._queue:
            return self._queue.take((place,))
        return Wait()

    def _batch(self, now_ns: int) -> list[Item] | Wait:
        places, preferred, closed = self._candidates()
        if not places:
            return Wait()
        waited_ns, due = 0, False
        if self._delay_ns:
            waited_ns = now_ns - min(place.item.offered_ns for place in places)
            due = waited_ns >= self._delay_ns or any(place.prompt for place in places)
        if preferred and not due:
            return self._queue.take(places[:preferred])
        if due or closed or not self._delay_ns:
            return self._queue.take(places)
        return Wait((self._delay_ns - waited_ns) / 1e9)

    def _candidates(self) -> tuple[list[Place], int, bool]:
        """What fits, how many of it make the best preferred size, whether it cannot grow."""
        places: list[Place] = []
        rows = best = 0
        key = None
        for place in self._queue:
            item = place.item
            if not places:
                key = item.key
            else:
                if not best and rows + item.rows > self._largest:
                    best = len(places)
                if rows + item.rows > self._max_rows or item.key != key:
                    return places, best, True
            places.append(place)
            rows += item.rows
            if rows in self._preferred:
                best = len(places)
            if rows >= self._max_rows:
                break
        return places, best, rows >= self._largest

    def _is_prompt(self, item: Item, now_ns: int) -> bool:
        """Whether the item finds the model idle; the elements of one request do so together."""
        before, self._heard_ns = self._heard_ns, now_ns
        if not self._queue.continues(item, now_ns):
            quiet = before is None or now_ns - before >= self._delay_ns
            self._queue.settle(now_ns)
            self._prompt = quiet and next(iter(self._queue), None) is None
        return self._prompt
