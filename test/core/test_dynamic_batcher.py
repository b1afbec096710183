# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The batching policy on a clock of the test's own; no thread anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_ros.core.batcher import Wait
from triton_ros.core.dynamic_batcher import DynamicBatcher
from triton_ros.core.errors import UnavailableError
from triton_ros.core.payload import Item
from triton_ros.core.scheduling_config import DynamicBatching, QueuePolicy

US = 1000


def item(rows: int = 1, key: str = "k") -> Item:
    return Item({}, lambda outcome, timing: None, rows, key=(key,))


def batcher(
    max_batch_size: int = 8, delay: int = 0, *preferred: int, limit: int = 0
) -> DynamicBatcher:
    return DynamicBatcher(
        max_batch_size,
        DynamicBatching(preferred, delay, default_queue_policy=QueuePolicy(max_queue_size=limit)),
    )


def offered(queue: DynamicBatcher, *items: Item, now: int = 0) -> list[Item]:
    for each in items:
        assert not queue.offer(each, now)
    return list(items)


def test_empty_waits_for_an_item() -> None:
    assert batcher().next_batch(0) == Wait(None)


def test_without_dynamic_batching_every_item_runs_alone() -> None:
    queue = DynamicBatcher(8, None)
    a, b = offered(queue, item(), item())
    assert queue.next_batch(0) == [a]
    assert queue.next_batch(0) == [b]
    assert queue.next_batch(0) == Wait(None)


def test_without_a_batch_dim_every_item_runs_alone_and_at_once() -> None:
    queue = batcher(0, 1000)
    assert queue.immediate, "a delay gathers nothing where there are no batches"
    a, b = offered(queue, item(), item())
    assert queue.next_batch(0) == [a]
    assert queue.next_batch(0) == [b]


def test_no_delay_takes_what_is_there() -> None:
    queue = batcher(8)
    items = offered(queue, item(), item(), item())
    assert queue.next_batch(0) == items


def test_a_batch_never_passes_the_limit() -> None:
    queue = batcher(8)
    a, b, c = offered(queue, item(3), item(4), item(2))
    assert queue.next_batch(0) == [a, b]
    assert queue.next_batch(0) == [c]


def test_the_largest_preferred_size_is_sent_at_once() -> None:
    queue = batcher(8, 1000, 2, 4)
    items = offered(queue, *[item() for _ in range(5)])
    assert queue.next_batch(0) == items[:4]
    assert queue.next_batch(0) == Wait(1000 * US / 1e9)


def test_a_smaller_preferred_size_is_sent_when_the_larger_is_not_reached() -> None:
    queue = batcher(8, 1000, 2, 4)
    items = offered(queue, item(), item(), item())
    assert queue.next_batch(0) == items[:2]


def test_the_oldest_item_waits_for_the_delay_and_no_longer() -> None:
    queue = batcher(8, 1000)
    a, *_ = offered(queue, item(), now=0)
    assert queue.next_batch(400 * US) == Wait(600 * US / 1e9)
    (b,) = offered(queue, item(), now=900 * US)
    assert queue.next_batch(999 * US) == Wait(1 * US / 1e9)
    assert queue.next_batch(1000 * US) == [a, b]


def test_a_full_batch_does_not_wait() -> None:
    queue = batcher(4, 1000)
    items = offered(queue, *[item() for _ in range(4)])
    assert queue.next_batch(0) == items


def test_a_different_key_closes_the_batch() -> None:
    queue = batcher(8, 1000)
    a, _b, c = offered(queue, item(key="a"), item(key="a"), item(key="b"))
    assert queue.next_batch(0) == [a, _b]
    assert queue.next_batch(0) == Wait(1000 * US / 1e9)
    assert queue.next_batch(1000 * US) == [c]


def test_an_item_larger_than_every_preferred_size_runs_alone() -> None:
    queue = batcher(8, 1000, 2)
    (big,) = offered(queue, item(5))
    assert queue.next_batch(0) == [big]


def test_a_full_queue_refuses_with_tritons_words() -> None:
    queue = batcher(8, 0, limit=2)
    offered(queue, item(), item())
    [(_, error)] = queue.offer(item(), 0)
    assert isinstance(error, UnavailableError)
    assert str(error) == "Exceeds maximum queue size"
    assert len(queue) == 2


def test_immediate_means_empty_and_no_delay() -> None:
    assert batcher(8).immediate
    assert not batcher(8, 1).immediate
    queue = batcher(8)
    offered(queue, item())
    assert not queue.immediate


def test_replace_keeps_place_and_age() -> None:
    queue = batcher(8, 1000)
    a, b = offered(queue, item(), item(), now=7 * US)
    new = item()
    assert queue.replace(a, new)
    assert new.offered_ns == 7 * US
    assert queue.next_batch(1007 * US) == [new, b]
    assert not queue.replace(a, item()), "it is gone"
    assert not queue.replace(new, item()), "it runs"


def test_drain_empties() -> None:
    queue = batcher()
    items = offered(queue, item(), item())
    assert queue.drain() == items
    assert queue.next_batch(0) == Wait(None)


# --- properties ---------------------------------------------------------------------------------


@dataclass
class Scenario:
    max_batch_size: int
    batching: DynamicBatching | None
    steps: list[tuple[str, int, str]] = field(default_factory=list)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    size = draw(st.integers(0, 8))
    preferred = draw(st.lists(st.integers(1, max(size, 1)), max_size=3)) if size else []
    batching = DynamicBatching(
        tuple(preferred),
        draw(st.sampled_from([0, 5, 100])),
        default_queue_policy=QueuePolicy(max_queue_size=draw(st.sampled_from([0, 0, 3]))),
    )
    step = st.one_of(
        st.tuples(st.just("offer"), st.integers(1, max(size, 1)), st.sampled_from("ab")),
        st.tuples(st.just("pull"), st.just(0), st.just("")),
        st.tuples(st.just("pass"), st.integers(1, 120), st.just("")),
        st.tuples(st.just("replace"), st.integers(0, 5), st.sampled_from("ab")),
    )
    return Scenario(
        size, draw(st.sampled_from([batching, None])), draw(st.lists(step, max_size=40))
    )


class Simulation:
    """Plays a scenario and keeps its own books of what waits."""

    def __init__(self, scenario: Scenario) -> None:
        self.limit = max(scenario.max_batch_size, 1)
        self.batching = scenario.batching
        self.batches = scenario.max_batch_size > 0 and scenario.batching is not None
        self.delay = scenario.batching.max_queue_delay_microseconds if scenario.batching else 0
        self.queue = DynamicBatcher(scenario.max_batch_size, scenario.batching)
        self.waiting: list[Item] = []
        self.now = 0
        for kind, number, key in scenario.steps:
            getattr(self, f"on_{kind}")(number, key)
            assert len(self.queue) == len(self.waiting)

    def on_offer(self, rows: int, key: str) -> None:
        new = item(rows, key)
        limit = self.batching.default_queue_policy.max_queue_size if self.batching else 0
        refused = self.queue.offer(new, self.now)
        assert bool(refused) == bool(limit and len(self.waiting) >= limit)
        if not refused:
            self.waiting.append(new)

    def on_replace(self, index: int, key: str) -> None:
        if index < len(self.waiting):
            old, new = self.waiting[index], item(self.waiting[index].rows, key)
            assert self.queue.replace(old, new)
            assert new.offered_ns == old.offered_ns
            self.waiting[index] = new
        assert not self.queue.replace(item(), item())

    def on_pass(self, microseconds: int, _: str) -> None:
        self.now += microseconds * US

    def on_pull(self, *_: object) -> None:
        batch = self.queue.next_batch(self.now)
        if isinstance(batch, Wait):
            self.check_wait(batch)
            return
        assert batch, "an empty batch"
        expected, self.waiting = self.waiting[: len(batch)], self.waiting[len(batch) :]
        assert [id(i) for i in batch] == [id(i) for i in expected], "lost, doubled or out of order"
        assert len({i.key for i in batch}) == 1
        assert sum(i.rows for i in batch) <= self.limit
        if not self.batches:
            assert len(batch) == 1

    def check_wait(self, wait: Wait) -> None:
        if not self.waiting:
            assert wait.seconds is None
            return
        due = self.waiting[0].offered_ns + self.delay * US
        assert self.now < due, "a due batch was delayed"
        assert wait.seconds == pytest.approx((due - self.now) / 1e9)
        full = sum(i.rows for i in self.waiting) >= self.limit
        same = len({i.key for i in self.waiting}) == 1
        assert not full and same, "a batch that cannot grow was delayed"


@settings(max_examples=300, deadline=None)
@given(scenarios())
def test_nothing_is_lost_doubled_mixed_late_or_too_large(scenario: Scenario) -> None:
    play = Simulation(scenario)
    play.now += 10**9
    for _ in range(len(play.waiting)):
        play.on_pull()
    assert not play.waiting, "everything is due by now"
    assert play.queue.next_batch(play.now) == Wait(None)
