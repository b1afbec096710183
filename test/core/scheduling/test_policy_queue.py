# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Priority levels, limits and replacing."""

from __future__ import annotations

import pytest
from queue_items import US, accepted, elements, item, order, queue, words

from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy, TimeoutAction
from triton_ros.core.errors import (
    DroppedError,
    QueueFullError,
)
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.policy_queue import PolicyQueue

DELAY = TimeoutAction.DELAY

# --- priorities -----------------------------------------------------------------------------------


def test_a_more_urgent_level_comes_first_and_a_level_keeps_its_order() -> None:
    line = queue(3, 2)
    low, a, high, b = accepted(
        line, item(priority=3), item(priority=2), item(priority=1), item(priority=2)
    )
    assert order(line) == [high, a, b, low]
    assert [i.level for i in (low, a, high, b)] == [3, 2, 1, 2]


@pytest.mark.parametrize("priority", [0, 4, 2**40])
def test_no_priority_or_one_that_is_unknown_is_the_default_level(priority: int) -> None:
    line = queue(3, 2)
    high, other, low = accepted(line, item(priority=1), item(priority=priority), item(priority=3))
    assert other.level == 2
    assert order(line) == [high, other, low]


def test_without_levels_a_priority_says_nothing() -> None:
    line = queue()
    items = accepted(line, item(priority=3), item(priority=1), item(priority=2))
    assert order(line) == items


def test_an_item_without_a_request_is_at_the_default_level() -> None:
    line = queue(2, 2)
    bare = Item({}, lambda *_: None)
    _, urgent = accepted(line, bare, item(priority=1))
    assert order(line) == [urgent, bare]


def test_levels_come_and_go_with_their_items() -> None:
    line = queue(2**63, 1, max_queue_size=1)
    for priority in range(1, 2000):
        [each] = accepted(line, item(priority=priority))
        assert line.remove(each)
    assert len(line) == 0
    assert not line._levels and not line._active


def test_each_level_has_its_own_policy() -> None:
    line = PolicyQueue(
        DynamicBatching(
            priority_levels=2,
            default_priority_level=1,
            default_queue_policy=QueuePolicy(max_queue_size=1),
            priority_queue_policy={2: QueuePolicy(default_timeout_microseconds=5)},
        )
    )
    accepted(line, item(priority=1), item(priority=2), item(priority=2))
    [(_, error)] = line.offer(item(priority=1), 0)
    assert isinstance(error, QueueFullError)
    assert len(line.expire(5 * US)) == 2


# --- the limit ------------------------------------------------------------------------------------


def test_a_full_level_refuses_the_new_one_in_tritons_words() -> None:
    line = queue(max_queue_size=2)
    items = accepted(line, item(), item())
    new = item()
    assert words(line.offer(new, 0)) == [(new, "Exceeds maximum queue size")]
    assert order(line) == items
    line.remove(items[0])
    accepted(line, new)


def test_the_limit_is_each_levels_own() -> None:
    line = queue(2, 1, max_queue_size=1)
    accepted(line, item(priority=1), item(priority=2))
    assert line.offer(item(priority=2), 0)


def test_the_limit_counts_requests_not_elements() -> None:
    line = queue(max_queue_size=2)
    accepted(line, *elements(5), *elements(3))
    refused = elements(2)
    assert [line.offer(each, 0)[0][0] for each in refused] == refused, "all of it, or nothing"
    assert len(line) == 8
    line.take(list(line)[:4])
    assert line.offer(item(), 0), "one element of the first still waits"
    line.take(list(line)[:1])
    accepted(line, item())


def test_a_refused_request_does_not_ride_on_the_one_before() -> None:
    line = queue(max_queue_size=1)
    accepted(line, *elements(2))
    for each in elements(3):
        assert line.offer(each, 0)


def test_a_request_that_is_sent_again_is_another_one() -> None:
    line = queue(max_queue_size=1)
    request = InferenceRequest("m", {})
    first, again = (Item({}, lambda *_: None, request=request) for _ in range(2))
    accepted(line, first)
    assert line.offer(again, 0)
    line.drain()
    scattered = elements(1)[0].request
    first, again = (Item({}, lambda *_: None, element=True, request=scattered) for _ in range(2))
    accepted(line, first, now=1)
    assert line.offer(again, 2), "elements of one request come at one time"


def test_newest_wins_drops_the_oldest_of_a_full_level() -> None:
    line = queue(2, 1, drop=True, max_queue_size=2)
    other, a, b = accepted(line, item(priority=2), item(), item())
    c = item()
    [(dropped, error)] = line.offer(c, 0)
    assert dropped is a
    assert isinstance(error, DroppedError)
    assert str(error) == "dropped from a full queue for a newer request"
    assert order(line) == [b, c, other]


def test_newest_wins_drops_all_that_waits_of_the_oldest_request() -> None:
    line = queue(drop=True, max_queue_size=2)
    old = accepted(line, *elements(4))
    middle = accepted(line, item())
    line.take(list(line)[:1])
    new = elements(2)
    assert [i for i, _ in line.offer(new[0], 0)] == old[1:]
    assert line.offer(new[1], 0) == []
    assert order(line) == middle + new


def test_newest_wins_with_room_for_one() -> None:
    line = queue(3, 1, drop=True, max_queue_size=1)
    [old] = accepted(line, item(priority=2))
    new = item(priority=2)
    assert [i for i, _ in line.offer(new, 0)] == [old]
    assert order(line) == [new]
    assert line.drain() == [new]


# --- replace --------------------------------------------------------------------------------------


def test_the_new_one_has_the_olds_place_age_and_level_but_its_own_deadline() -> None:
    line = queue(2, 1, default_timeout_microseconds=100)
    old, after = accepted(line, item(deadline_ns=5 * US), item(), now=US)
    new = item(priority=2, deadline_ns=50 * US)
    assert line.replace(old, new)
    assert (order(line), new.level, new.offered_ns) == ([new, after], 1, US)
    assert line.next_due() == 50 * US
    assert words(line.expire(50 * US)) == [(new, "Request deadline expired")]


def test_the_timeout_of_a_place_counts_from_its_first_item() -> None:
    line = queue(default_timeout_microseconds=10, allow_timeout_override=True)
    old, other = accepted(line, item(timeout_us=3), item(timeout_us=9))
    new = item(timeout_us=6)
    assert line.replace(old, new)
    assert line.expire(5 * US) == []
    assert line.next_due() == 6 * US
    assert [i for i, _ in line.expire(9 * US)] == [new, other]


def test_a_place_behind_its_level_stays_there() -> None:
    line = queue(timeout_action=DELAY, default_timeout_microseconds=10)
    [old] = accepted(line, item())
    [fresh] = accepted(line, item(), now=5 * US)
    line.settle(10 * US)
    new = item()
    assert line.replace(old, new)
    assert order(line) == [fresh, new]
    assert line.next_due() == 15 * US, "only the other's"


def test_a_replaced_request_counts_once() -> None:
    line = queue(max_queue_size=1)
    [old] = accepted(line, item())
    new = item()
    assert line.replace(old, new)
    assert line.offer(item(), 0)
    assert line.drain() == [new]


def test_elements_of_nobody_in_particular_count_one_by_one() -> None:
    line = queue(max_queue_size=1)
    first, second = (Item({}, lambda *_: None, element=True) for _ in range(2))
    accepted(line, first)
    assert line.offer(second, 0)
