# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which sequences run together, and how long an instance waits for more of them; no thread."""

from __future__ import annotations

import pytest
from fake_sequence import FLAGS, Desk, configuration

from triton_ros.core.config.scheduling_config import DirectStrategy, OldestStrategy
from triton_ros.core.scheduling.batcher import Wait

US = 1000
ANY = (-1,)


def test_direct_keeps_the_row_and_fills_the_gaps() -> None:
    desk = Desk(configuration(control_input=FLAGS))
    first = [desk.offer(n, "s") for n in (1, 2, 3)]
    assert desk.run() == first
    c = desk.offer(3)
    assert desk.run() == [None, None, c]
    b = desk.offer(2)
    assert desk.run() == [None, b], "nothing behind the last used row"


def test_a_freed_row_is_used_again() -> None:
    desk = Desk(configuration())
    for n in (1, 2, 3):
        desk.offer(n, "s")
    desk.run()
    end = desk.offer(2, "e")
    assert desk.run() == [None, end]
    new = desk.offer(4, "s")
    assert desk.run() == [None, new]


def test_a_batch_is_of_distinct_sequences() -> None:
    desk = Desk(configuration(max_batch_size=4))
    a, a2, b, b2 = desk.offer(1, "s"), desk.offer(1), desk.offer(2, "s"), desk.offer(2)
    assert [desk.run(), desk.run()] == [[a, b], [a2, b2]]


@pytest.mark.parametrize("strategy", [DirectStrategy(), OldestStrategy()])
def test_other_shapes_run_in_another_batch(strategy: DirectStrategy | OldestStrategy) -> None:
    desk = Desk(configuration(strategy, dims=ANY))
    a, b, c = desk.offer(1, "s", size=2), desk.offer(2, "s", size=3), desk.offer(3, "s", size=2)
    gap = [None] if isinstance(strategy, DirectStrategy) else []
    assert desk.run() == [a, *gap, c]
    assert desk.run() == [*gap, b]


def test_the_oldest_decides_the_shape_so_none_starves() -> None:
    desk = Desk(configuration(dims=ANY))
    for n in (1, 2):
        desk.offer(n, "s", size=2)
    desk.run()
    b = desk.offer(2, size=3)
    desk.offer(1, size=2)
    assert desk.run() == [None, b], "row 0 is younger"


def test_direct_waits_for_enough_sequences() -> None:
    desk = Desk(configuration(DirectStrategy(100, 0.5)))
    a = desk.offer(1, "s")
    assert desk.next() == Wait(100 * US / 1e9)
    desk.now = 99 * US
    assert desk.next() == Wait(US / 1e9)
    b = desk.offer(2, "s")
    assert desk.run() == [a, b], "half of the four slots"
    c = desk.offer(2)
    desk.now += 100 * US
    assert desk.run() == [None, c], "it waited for long enough"


@pytest.mark.parametrize("strategy", [DirectStrategy(100, 0.0), DirectStrategy(0, 0.5)])
def test_direct_needs_a_delay_and_a_minimum_to_wait(strategy: DirectStrategy) -> None:
    desk = Desk(configuration(strategy))
    item = desk.offer(1, "s")
    assert desk.run() == [item]


def test_oldest_takes_the_oldest_of_each_sequence() -> None:
    desk = Desk(configuration(OldestStrategy(max_candidate_sequences=4), max_batch_size=2))
    a, a2, b = desk.offer(1, "s"), desk.offer(1), desk.offer(2, "s")
    c, d = desk.offer(3, "s"), desk.offer(4, "s")
    assert [desk.run(), desk.run(), desk.run()] == [[a, b], [a2, c], [d]]


def test_oldest_sends_the_largest_preferred_size() -> None:
    desk = Desk(configuration(OldestStrategy(8, (2, 4), 100), max_batch_size=8))
    items = [desk.offer(n, "s") for n in range(1, 6)]
    assert [desk.run(), desk.run()] == [items[:4], []]
    assert desk.next() == Wait(100 * US / 1e9)
    more = desk.offer(6, "s")
    assert desk.run() == [items[4], more]


def test_oldest_waits_for_the_delay_only() -> None:
    desk = Desk(configuration(OldestStrategy(8, (), 100), max_batch_size=8))
    item = desk.offer(1, "s")
    desk.now = 40 * US
    assert desk.next() == Wait(60 * US / 1e9)
    desk.now = 100 * US
    assert desk.run() == [item]


def test_oldest_does_not_wait_when_every_slot_is_in_the_batch() -> None:
    desk = Desk(configuration(OldestStrategy(2, (), 100), max_batch_size=8))
    items = [desk.offer(n, "s") for n in (1, 2)]
    assert desk.run() == items


@pytest.mark.parametrize(("ordered", "first"), [(False, [0, 2]), (True, [0])])
def test_preserve_ordering_lets_no_shape_overtake(ordered: bool, first: list[int]) -> None:
    desk = Desk(configuration(OldestStrategy(4, preserve_ordering=ordered), dims=ANY))
    items = [desk.offer(n, "s", size=size) for n, size in ((1, 2), (2, 3), (3, 2))]
    assert desk.run() == [items[n] for n in first]
