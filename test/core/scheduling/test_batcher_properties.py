# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Random lives of a queue: the batcher agrees with the naive one, and keeps its promises.

What is promised is also checked apart from the naive one, which could have the same fault.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_batcher import NaiveBatcher

from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy, TimeoutAction
from triton_ros.core.errors import DeadlineError, DroppedError, TimeoutExpiredError
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Cancellation, InferenceRequest
from triton_ros.core.scheduling.batcher import Rejections, Wait
from triton_ros.core.scheduling.dynamic_batcher import DynamicBatcher

US = 1000

policies = st.builds(
    QueuePolicy,
    st.sampled_from(TimeoutAction),
    st.sampled_from([0, 0, 10, 40]),
    st.booleans(),
    st.sampled_from([0, 0, 1, 2, 4]),
)


@st.composite
def configurations(draw: st.DrawFn) -> tuple[int, DynamicBatching | None]:
    size = draw(st.sampled_from([0, 1, 2, 4, 6, 6]))
    levels = draw(st.integers(0, 3))
    preferred = draw(st.lists(st.integers(1, max(size, 1)), max_size=3))
    keys = st.integers(1, levels) if levels else st.nothing()
    batching = DynamicBatching(
        tuple(preferred),
        draw(st.sampled_from([0, 5, 30])),
        priority_levels=levels,
        default_priority_level=draw(keys) if levels else 0,
        default_queue_policy=draw(policies),
        priority_queue_policy=draw(st.dictionaries(keys, policies)) if levels else {},
        drop_oldest=draw(st.booleans()),
        delay_when_busy=draw(st.booleans()),
    )
    return size, draw(st.sampled_from([batching, batching, batching, None]))


@dataclass(frozen=True)
class Offer:
    rows: int
    key: str
    priority: int
    timeout_us: int
    deadline_us: int | None
    cancelled: bool
    elements: int

    def items(self, now: int, limit: int) -> list[Item]:
        request = InferenceRequest(
            "m",
            {},
            priority=self.priority,
            timeout_us=self.timeout_us,
            deadline_ns=None if self.deadline_us is None else now + self.deadline_us * US,
        )
        if self.cancelled:
            request.cancellation = Cancellation()
            request.cancellation.cancel()
        rows, key = min(self.rows, limit), (self.key,)
        if not self.elements:
            return [Item({}, lambda *_: None, rows, key=key, request=request)]
        return [
            Item({}, lambda *_: None, element=True, key=key, request=request)
            for _ in range(self.elements)
        ]


def random_offer(dice: Random) -> Offer:
    return Offer(
        dice.choice([1, 1, 1, 2, 3, 6]),
        dice.choice("aaaaab"),
        dice.randrange(5),
        dice.choice([0, 0, 3, 20]),
        dice.choice([None] * 8 + [0, 3, 15, 60]),
        dice.random() < 0.05,
        dice.choice([0, 0, 0, 0, 1, 3, 7]),
    )


def random_step(dice: Random) -> Offer | tuple:
    kinds = ["offer"] * 9 + ["pull"] * 5 + ["pass"] * 3
    kind = dice.choice([*kinds, "due", "late", "expire", "remove", "replace", "replace", "drain"])
    if kind == "offer":
        return random_offer(dice)
    if kind == "pass":
        return kind, dice.choice([1, 2, 5, 10, 40])
    if kind == "drain" and dice.random() < 0.9:  # it would keep queues short
        return "pull", 0
    number = dice.randrange(8)
    return (kind, number, random_offer(dice)) if kind == "replace" else (kind, number)


class Life:
    """Plays steps on both batchers, and keeps books of every item's outcome."""

    def __init__(self, size: int, batching: DynamicBatching | None) -> None:
        self.limit = max(size, 1)
        self.batching = batching
        self.real = DynamicBatcher(size, batching)
        self.naive = NaiveBatcher(size, batching)
        self.now = 1000 * US
        self.offered: list[Item] = []
        self.outcomes: Counter[Item] = Counter()

    def play(self, step: Offer | tuple) -> None:
        if isinstance(step, Offer):
            self.on_offer(step)
        else:
            getattr(self, f"on_{step[0]}")(*step[1:])
        assert len(self.real) == len(self.naive.all) == sum(self.waits(i) for i in self.offered)
        due = self.real.next_due()
        if self.naive.over:
            assert due is not None and due <= self.now
        else:
            assert due == self.naive.next_due()

    def waits(self, item: Item) -> bool:
        return not self.outcomes[item]

    def waiting(self) -> list[Item]:
        return [item for item in self.offered if self.waits(item)]

    def gone(self, real: Rejections, naive: list[tuple[Item, str]]) -> None:
        assert [(id(i), str(e)) for i, e in real] == [(id(i), e) for i, e in naive]
        for item, error in real:
            self.outcomes[item] += 1
            request = item.request
            assert request
            if isinstance(error, DeadlineError):
                assert request.deadline_ns is not None and request.deadline_ns <= self.now
            if isinstance(error, TimeoutExpiredError):
                assert self.batching and self.now > item.offered_ns
            if isinstance(error, DroppedError):
                assert self.batching and self.batching.drop_oldest

    def on_offer(self, offer: Offer) -> None:
        for item in offer.items(self.now, self.limit):
            self.offered.append(item)
            self.gone(self.real.offer(item, self.now), self.naive.offer(item, self.now))
            assert item.offered_ns == self.now

    def on_pull(self, _: int = 0) -> None:
        batch, expected = self.real.next_batch(self.now, 0), self.naive.next_batch(self.now)
        if isinstance(batch, Wait) or isinstance(expected, Wait):
            assert isinstance(batch, Wait) and isinstance(expected, Wait)
            assert batch.seconds == (expected.seconds and pytest.approx(expected.seconds))
            return
        assert [id(i) for i in batch] == [id(i) for i in expected]
        self.check_batch(batch)

    def check_batch(self, batch: list[Item]) -> None:
        assert batch, "an empty batch"
        assert len({item.key for item in batch}) == 1
        assert sum(item.rows for item in batch) <= self.limit
        for item in batch:
            self.outcomes[item] += 1
            assert item.request
            deadline = item.request.deadline_ns
            assert deadline is None or deadline > self.now, "too late to run"
        left = [waiting.level for waiting in self.naive.order()]
        assert not left or max(item.level for item in batch) <= min(left), "not strict"

    def on_pass(self, microseconds: int) -> None:
        self.now += microseconds * US

    def on_due(self, _: int = 0) -> None:
        """Time goes on until just before something is due; then it is."""
        due = self.real.next_due()
        if due is None or due <= self.now:
            return
        self.now = due - 1
        self.gone(self.real.expire(self.now), [])
        assert self.real.next_due() == due
        self.now = due
        self.on_expire()
        assert self.real.next_due() != due

    def on_late(self, index: int) -> None:
        """An instance pulls before the timer has called; somebody replaces what is too late."""
        due = self.real.next_due()
        self.now = max(self.now, due or 0)
        self.on_pull()
        self.on_replace(index, Offer(1, "a", 0, 0, None, False, 0))

    def on_expire(self, _: int = 0) -> None:
        self.gone(self.real.expire(self.now), self.naive.expire(self.now))
        due = self.real.next_due()
        assert due is None or due > self.now

    def on_remove(self, index: int) -> None:
        waiting = self.waiting()
        if index < len(waiting):
            assert self.real.remove(waiting[index])
            assert self.naive.remove(waiting[index])
            self.outcomes[waiting[index]] += 1
            assert not self.real.remove(waiting[index]), "it is gone"

    def on_replace(self, index: int, offer: Offer) -> None:
        waiting = self.waiting()
        [new, *_] = offer.items(self.now, self.limit)
        if index < len(waiting):
            old = waiting[index]
            new.rows, new.element = old.rows, old.element
            replaced = self.real.replace(old, new)
            assert replaced == self.naive.replace(old, new, old.offered_ns)
            if replaced:
                assert (new.offered_ns, new.level) == (old.offered_ns, old.level)
                self.outcomes[old] += 1
                self.offered.append(new)

    def on_drain(self, _: int = 0) -> None:
        drained = self.real.drain()
        assert [id(i) for i in drained] == [id(i) for i in self.naive.drain()]
        for item in drained:
            self.outcomes[item] += 1
        assert self.real.next_due() is None

    def finish(self) -> None:
        """Pull and let time pass until nothing waits; everyone had exactly one outcome."""
        for _ in range(3 * len(self.offered) + 3):
            self.on_expire()
            self.on_pull()
            self.on_pass(40)
        assert len(self.real) == 0
        assert self.real.next_due() is None
        assert all(self.outcomes[item] == 1 for item in self.offered)


@settings(max_examples=400, deadline=None)
@given(configurations(), st.integers(0, 2**32), st.integers(1, 150))
def test_agrees_with_the_naive_batcher_and_answers_everyone_once(
    configuration: tuple[int, DynamicBatching | None], seed: int, length: int
) -> None:
    play, dice = Life(*configuration), Random(seed)
    for _ in range(length):
        play.play(random_step(dice))
    play.finish()
