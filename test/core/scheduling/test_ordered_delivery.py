# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers come in the order of arrival, once each, whatever finishes first and wherever."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_ros.core.errors import CancelledError, TritonError
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Timing
from triton_ros.core.scheduling.ordered_delivery import OrderedDelivery
from triton_ros.core.tensor import Array

Log = list[int]
TIMEOUT = 10.0


def wrapped(ordered: OrderedDelivery, count: int, log: Log) -> list[Item]:
    items = [Item({}, recorder(log, number)) for number in range(count)]
    for each in items:
        ordered.wrap(each)
    return items


def recorder(
    log: Log, number: int, then: Callable[[], None] | None = None
) -> Callable[[dict[str, Array] | TritonError, Timing], None]:
    def done(outcome: dict[str, Array] | TritonError, timing: Timing) -> None:
        log.append(number)
        if then:
            then()

    return done


def finish(each: Item, outcome: dict[str, Array] | TritonError | None = None) -> None:
    each.done({} if outcome is None else outcome, Timing())


def test_an_early_answer_waits_for_those_before_it() -> None:
    log: Log = []
    a, b, c = wrapped(OrderedDelivery(), 3, log)
    finish(c)
    assert log == []
    finish(a)
    assert log == [0]
    finish(b)
    assert log == [0, 1, 2]


def test_outcome_and_timing_go_through_untouched() -> None:
    got: list[object] = []
    ordered = OrderedDelivery()
    first, second = (Item({}, lambda *answer: got.append(answer)) for _ in range(2))
    ordered.wrap(first)
    ordered.wrap(second)
    error, timing = CancelledError("request was cancelled"), Timing(queue_ns=7)
    second.done(error, timing)
    assert len(ordered) == 2
    first.done({}, timing)
    assert got == [({}, timing), (error, timing)]
    assert len(ordered) == 0


@given(st.permutations(range(8)))
def test_every_order_of_finishing_gives_the_order_of_arrival(finishing: list[int]) -> None:
    log: Log = []
    ordered = OrderedDelivery()
    items = wrapped(ordered, 8, log)
    for count, number in enumerate(finishing, 1):
        finish(items[number], CancelledError("") if number % 3 == 0 else {})
        ready = set(finishing[:count])
        assert log == list(range(next((n for n in range(8) if n not in ready), 8)))
    assert len(ordered) == 0


def test_a_long_chain_needs_no_deep_stack() -> None:
    log: Log = []
    items = wrapped(OrderedDelivery(), 20_000, log)
    for each in reversed(items):
        finish(each)
    assert log == list(range(20_000))


def test_a_callback_may_finish_others_and_bring_new_ones() -> None:
    log: Log = []
    ordered = OrderedDelivery()
    items: list[Item] = []

    def next_one(number: int) -> Callable[[], None]:
        def then() -> None:
            if number < 5000:
                add(number + 1)
                finish(items[number + 1])
                assert log[-1] == number, "a callback within a callback"

        return then

    def add(number: int) -> None:
        items.append(Item({}, recorder(log, number, next_one(number))))
        ordered.wrap(items[-1])

    add(0)
    finish(items[0])
    assert log == list(range(5001))


def test_no_lock_is_held_in_a_callback() -> None:
    ordered = OrderedDelivery()
    log: Log = []

    def other_thread() -> None:
        thread = threading.Thread(target=lambda: wrapped(ordered, 1, log), daemon=True)
        thread.start()
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "the callback's thread holds the lock"
        log.append(-1)

    item = Item({}, recorder(log, 0, other_thread))
    ordered.wrap(item)
    finish(item)
    assert log == [0, -1]


def test_a_callback_that_raises_does_not_cost_others_their_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def bug() -> None:
        raise ValueError("a bug")

    log: Log = []
    ordered = OrderedDelivery()
    first = Item({}, recorder(log, -1, bug))
    ordered.wrap(first)
    [second] = wrapped(ordered, 1, log)
    finish(second)
    with caplog.at_level(logging.ERROR):
        finish(first)
    assert log == [-1, 0]
    assert "a completion callback raised" in caplog.text


def test_an_interrupted_thread_does_not_stop_the_delivery() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    log: Log = []
    ordered = OrderedDelivery()
    first = Item({}, recorder(log, -1, interrupt))
    ordered.wrap(first)
    second, third = wrapped(ordered, 2, log)
    finish(second)
    with pytest.raises(KeyboardInterrupt):
        finish(first)
    finish(third)
    assert log == [-1, 0, 1]


def test_many_threads_that_finish_at_once_deliver_in_order() -> None:
    log: Log = []
    ordered = OrderedDelivery()
    items = wrapped(ordered, 4000, log)
    numbers = list(range(4000))
    random.Random(3).shuffle(numbers)
    start = threading.Barrier(8)

    def work(share: list[int]) -> None:
        start.wait(TIMEOUT)
        for number in share:
            finish(items[number])

    threads = [threading.Thread(target=work, args=(numbers[i::8],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert log == list(range(4000))
    assert len(ordered) == 0
