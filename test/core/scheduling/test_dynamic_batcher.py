# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The batching policy on a clock of the test's own; no thread anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from triton_ros.core.config.scheduling_config import DynamicBatching, QueuePolicy
from triton_ros.core.errors import UnavailableError
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import InferenceRequest
from triton_ros.core.scheduling.batcher import Wait
from triton_ros.core.scheduling.dynamic_batcher import DynamicBatcher

US = 1000


def item(rows: int = 1, key: str = "k") -> Item:
    return Item({}, lambda outcome, timing: None, rows, key=(key,))


def asked(**request: Any) -> Item:
    return Item({}, lambda *_: None, key=("k",), request=InferenceRequest("m", {}, **request))


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
    assert queue.immediate
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
    ordered = DynamicBatcher(8, DynamicBatching(preserve_ordering=True))
    assert not ordered.immediate, "its turn is given where items are queued"
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


def test_after_the_delay_a_batch_may_pass_the_preferred_sizes() -> None:
    queue = batcher(8, 1000, 2, 4)
    items = offered(queue, *[item() for _ in range(6)])
    assert queue.next_batch(1000 * US) == items, "all that fits the model, as Triton does"


def test_after_the_delay_the_model_is_still_the_limit() -> None:
    queue = batcher(8, 1000, 4)
    items = offered(queue, *[item() for _ in range(9)])
    assert queue.next_batch(1000 * US) == items[:8]


def test_an_item_that_would_pass_all_preferred_sizes_closes_the_batch() -> None:
    queue = batcher(8, 1000, 4)
    a, b = offered(queue, item(3), item(3))
    assert queue.next_batch(0) == [a]
    assert queue.next_batch(0) == Wait(1000 * US / 1e9)
    assert queue.next_batch(1000 * US) == [b]


def test_the_elements_of_a_batch_may_be_of_several_levels_the_urgent_first() -> None:
    queue = DynamicBatcher(4, DynamicBatching(priority_levels=2, default_priority_level=2))
    low = offered(queue, *[asked() for _ in range(3)])
    high = offered(queue, asked(priority=1), asked(priority=1))
    assert queue.next_batch(0) == [*high, *low[:2]]


def test_the_delay_counts_for_the_oldest_of_the_batch_whatever_its_level() -> None:
    batching = DynamicBatching((), 1000, priority_levels=2, default_priority_level=2)
    queue = DynamicBatcher(4, batching)
    [low] = offered(queue, asked())
    [high] = offered(queue, asked(priority=1), now=900 * US)
    assert queue.next_batch(999 * US) == Wait(1 * US / 1e9)
    assert queue.next_batch(1000 * US) == [high, low]


def test_what_is_too_late_makes_no_batch_and_is_in_none() -> None:
    policy = QueuePolicy(default_timeout_microseconds=10)
    queue = DynamicBatcher(2, DynamicBatching((), 1000, default_queue_policy=policy))
    [late] = offered(queue, item())
    assert queue.next_due() == 10 * US
    assert queue.next_batch(10 * US) == Wait(None)
    assert [i for i, _ in queue.expire(10 * US)] == [late]


@pytest.mark.parametrize("size", [0, 8])
def test_the_queue_policies_also_hold_without_a_batch_dim(size: int) -> None:
    policy = QueuePolicy(default_timeout_microseconds=10, max_queue_size=1)
    batching = DynamicBatching(
        default_queue_policy=policy, priority_levels=2, default_priority_level=2
    )
    queue = DynamicBatcher(size, batching)
    offered(queue, asked(), asked(priority=1))
    assert queue.offer(asked(), 0)
    assert len(queue.expire(10 * US)) == 2


def test_without_dynamic_batching_only_the_requests_own_deadline_holds() -> None:
    queue = DynamicBatcher(8, None)
    a, b, late = offered(
        queue, asked(priority=2), asked(priority=1, timeout_us=1), asked(deadline_ns=5 * US)
    )
    assert queue.next_batch(4 * US) == [a]
    assert queue.next_due() == 5 * US
    assert [i for i, _ in queue.expire(5 * US)] == [late]
    assert queue.next_batch(10**9) == [b]


def test_remove_may_change_which_batch_is_due() -> None:
    queue = batcher(8, 1000)
    a, _b, c = offered(queue, item(key="a"), item(key="b"), item(key="a"))
    assert queue.remove(_b)
    assert not queue.remove(_b)
    assert queue.next_batch(0) == Wait(1000 * US / 1e9)
    assert queue.next_batch(1000 * US) == [a, c]


# --- delay only when busy -------------------------------------------------------------------------


def when_busy(size: int = 8) -> DynamicBatcher:
    return DynamicBatcher(size, DynamicBatching((), 1000, delay_when_busy=True))


def test_the_first_request_to_an_idle_model_is_not_delayed() -> None:
    queue = when_busy()
    assert not queue.immediate, "it must be heard of"
    [a] = offered(queue, item())
    assert queue.next_batch(0) == [a]


def test_a_request_soon_after_another_is_delayed() -> None:
    queue = when_busy()
    [a] = offered(queue, item())
    assert queue.next_batch(0) == [a]
    offered(queue, item(), now=999 * US)
    assert queue.next_batch(999 * US) == Wait(1000 * US / 1e9)
    assert not isinstance(queue.next_batch(1999 * US), Wait)
    [c] = offered(queue, item(), now=1999 * US)
    assert queue.next_batch(1999 * US) == [c], "a whole delay since the last one came"


def test_a_request_that_finds_another_waiting_is_delayed() -> None:
    queue = when_busy(2)
    [a] = offered(queue, item(2))  # no instance is free
    [b] = offered(queue, item(), now=5000 * US)
    assert queue.next_batch(5000 * US) == [a]
    assert queue.next_batch(5000 * US) == Wait(1000 * US / 1e9)
    assert queue.next_batch(6000 * US) == [b]


def test_one_that_is_too_late_to_run_is_not_waiting() -> None:
    queue = when_busy()
    offered(queue, asked(deadline_ns=5 * US))
    new = item()
    assert len(queue.offer(new, 2000 * US)) == 1
    assert queue.next_batch(2000 * US) == [new]


def test_what_joins_a_prompt_request_goes_with_it() -> None:
    queue = when_busy()
    items = offered(queue, item()) + offered(queue, item(), now=10 * US)
    assert queue.next_batch(10 * US) == items


def test_all_elements_of_a_prompt_request_are_prompt() -> None:
    queue = when_busy(4)
    request = InferenceRequest("m", {})
    elements = offered(
        queue,
        *[Item({}, lambda *_: None, element=True, key=("k",), request=request) for _ in range(6)],
    )
    assert queue.next_batch(0) == elements[:4]
    assert queue.next_batch(0) == elements[4:]


# --- what the port promises -----------------------------------------------------------------------


def test_no_instance_is_special_and_nothing_is_queued_again() -> None:
    queue = batcher()
    [a] = offered(queue, item())
    assert not queue.per_instance
    assert queue.next_batch(0, instance=3) == [a]
    assert queue.finished([a], 3, 0) == []
    assert not queue.reschedule(a, 0)
    assert len(queue) == 0
