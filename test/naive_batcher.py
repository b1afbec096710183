# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a dynamic batcher should do, said as plainly as possible: one list, scanned every time.

The property tests compare the real one with it, answer by answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy, TimeoutAction
from triton_ros.core.execution.payload import Item
from triton_ros.core.scheduling.batcher import Wait

Answers = list[tuple[Item, str]]
"""Who is given up, and the message."""


@dataclass(eq=False)
class Waiting:
    item: Item
    number: int
    level: int
    unit: object
    """Stands for the request that the queue's limit counts."""
    timeout: int | None
    deadline: int | None
    prompt: bool
    late: int = 0
    """How many were late in the queue's life when it became so; 0 for in time."""
    error: str = ""
    """Set when it is too late to run."""

    @property
    def times(self) -> list[int]:
        both = (self.timeout, self.deadline)
        return [] if self.error else [time for time in both if time is not None]


class NaiveBatcher:
    def __init__(self, max_batch_size: int, batching: DynamicBatching | None) -> None:
        self.batching = batching or DynamicBatching()
        self.alone = batching is None or max_batch_size < 2
        self.max_rows = max(max_batch_size, 1)
        self.preferred = self.batching.preferred_batch_size or (self.max_rows,)
        self.delay = 0 if self.alone else self.batching.max_queue_delay_microseconds * 1000
        self.all: list[Waiting] = []
        self.over: list[Waiting] = []
        self.arrivals = self.lates = 0
        self.last: tuple[object, int, object, bool] = (None, -1, None, False)
        self.heard: int | None = None

    # the queue

    def policy(self, level: int) -> QueuePolicy:
        return self.batching.policy(level)

    def level(self, item: Item) -> int:
        assert item.request
        wanted = item.request.priority
        known = range(1, self.batching.priority_levels + 1)
        return wanted if wanted in known else self.batching.default_priority_level

    def timeout(self, item: Item, level: int, since: int) -> int | None:
        assert item.request
        policy = self.policy(level)
        limits = [policy.default_timeout_microseconds]
        limits += [item.request.timeout_us] if policy.allow_timeout_override else []
        limits = [limit for limit in limits if limit]
        return since + 1000 * min(limits) if limits else None

    def offer(self, item: Item, now: int) -> Answers:
        request = item.request
        assert request
        answers = self.expire(now)
        same = item.element and self.last[:2] == (id(request), now)
        quiet = self.heard is None or now - self.heard >= self.delay
        idle = self.batching.delay_when_busy and self.delay > 0 and quiet and not self.all
        prompt = self.last[3] if same else idle
        self.heard = now
        if request.cancellation and request.cancellation.cancelled:
            return [*answers, (item, "request was cancelled")]
        if request.deadline_ns is not None and request.deadline_ns <= now:
            return [*answers, (item, "Request deadline expired")]
        level = self.level(item)
        unit = self.last[2] if same else object()
        inside = [w for w in self.all if w.level == level and not w.error]
        units = list(dict.fromkeys(w.unit for w in inside))
        unit = unit if unit in units else object()
        self.last = (id(request), now, unit, prompt)
        limit = self.policy(level).max_queue_size
        if limit and unit not in units and len(units) >= limit:
            if not self.batching.drop_oldest:
                return [*answers, (item, "Exceeds maximum queue size")]
            dropped = [w for w in inside if w.unit is units[0]]
            self.all = [w for w in self.all if w not in dropped]
            error = "dropped from a full queue for a newer request"
            answers += [(w.item, error) for w in dropped]
        self.arrivals += 1
        timeout = self.timeout(item, level, now)
        new = Waiting(item, self.arrivals, level, unit, timeout, request.deadline_ns, prompt)
        self.all.append(new)
        return answers

    def replace(self, old: Item, new: Item, since: int) -> bool:
        for waiting in self.all:
            if waiting.item is old and not waiting.error:
                assert new.request
                waiting.item, waiting.deadline = new, new.request.deadline_ns
                if not waiting.late:
                    waiting.timeout = self.timeout(new, waiting.level, since)
                return True
        return False

    def remove(self, item: Item) -> bool:
        before = len(self.all)
        self.all = [w for w in self.all if w.item is not item]
        self.over = [w for w in self.over if w.item is not item]
        return len(self.all) < before

    def settle(self, now: int) -> None:
        while True:
            due = [(t, w.number, w) for w in self.all for t in w.times if t <= now]
            if not due:
                return
            time, _, waiting = min(due, key=lambda each: each[:2])
            delayed = self.policy(waiting.level).timeout_action is TimeoutAction.DELAY
            if time == waiting.deadline:
                waiting.error = "Request deadline expired"
            elif delayed:
                self.lates += 1
                waiting.late, waiting.timeout = self.lates, None
            else:
                waiting.error = "Request timeout expired"
            self.over += [waiting] if waiting.error else []

    def expire(self, now: int) -> Answers:
        self.settle(now)
        answers = [(w.item, w.error) for w in self.over]
        self.all = [w for w in self.all if not w.error]
        self.over = []
        return answers

    def next_due(self) -> int | None:
        return min((time for w in self.all for time in w.times), default=None)

    def order(self) -> list[Waiting]:
        able = [w for w in self.all if not w.error]
        return sorted(able, key=lambda w: (w.level, w.late, w.number))

    def drain(self) -> list[Item]:
        items = [w.item for w in [*self.order(), *self.over]]
        self.all, self.over = [], []
        return items

    # the batch

    def next_batch(self, now: int) -> list[Item] | Wait:
        self.settle(now)
        order = self.order()
        if not order:
            return Wait()
        if self.alone:
            return self.take(order[:1])
        fit = self.fitting(order)
        best = self.best(order, len(fit))
        rows = sum(w.item.rows for w in fit)
        closed = len(fit) < len(order) or rows >= max(self.preferred)
        waited = now - min(w.item.offered_ns for w in fit)
        due = self.delay > 0 and (waited >= self.delay or any(w.prompt for w in fit))
        if best and not due:
            return self.take(fit[:best])
        if due or closed or not self.delay:
            return self.take(fit)
        return Wait((self.delay - waited) / 1e9)

    def fitting(self, order: list[Waiting]) -> list[Waiting]:
        fit = order[:1]
        for w in order[1:]:
            rows = sum(f.item.rows for f in fit) + w.item.rows
            if rows > self.max_rows or w.item.key != fit[0].item.key:
                break
            fit.append(w)
        return fit

    def best(self, order: list[Waiting], fitting: int) -> int:
        """How many items make the best preferred size, or all before it would be passed."""
        sums = list(accumulate(w.item.rows for w in order))
        sizes = [i + 1 for i in range(fitting) if sums[i] in self.preferred]
        if sizes:
            return sizes[-1]
        passing = range(1, min(fitting + 1, len(sums)))
        return next((i for i in passing if sums[i] > max(self.preferred)), 0)

    def take(self, batch: list[Waiting]) -> list[Item]:
        self.all = [w for w in self.all if w not in batch]
        return [w.item for w in batch]
