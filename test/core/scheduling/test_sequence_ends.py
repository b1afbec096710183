# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How sequences end early: cancelled, late, timed out; requests that take a waiting one's place."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from weakref import ref

import numpy as np
import pytest
from fake_sequence import FLAGS, SECOND, Desk, configuration, controls

from triton_ros.core.errors import CancelledError, DeadlineError, TimeoutExpiredError, TritonError
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Cancellation
from triton_ros.core.scheduling.batcher import Wait

US = 1000


def errors(desk: Desk, items: Sequence[Item]) -> set[tuple[type[TritonError], str]]:
    """What these were refused with."""
    return {(type(desk.refused[item]), str(desk.refused[item])) for item in items}


def test_a_cancelled_request_takes_those_behind_it_along() -> None:
    desk = Desk(configuration())
    a, b, c, end = desk.offer(7, "s"), desk.offer(7), desk.offer(7), desk.offer(7, "e")
    assert desk.batcher.remove(b)
    assert desk.batcher.next_due() == 0, "the others are to be answered now"
    assert len(desk.batcher) == 3, "a scheduler that stops must not leave them"
    assert desk.expire(0) == [c, end]
    assert errors(desk, [c, end]) == {(CancelledError, "request was cancelled")}
    assert b not in desk.refused, "its canceller answers it"
    assert not desk.batcher.remove(b)
    assert desk.run() == [a]
    assert desk.next() == Wait()


def test_after_a_cancellation_it_must_start_again() -> None:
    desk = Desk(configuration(max_batch_size=1))
    desk.offer(7, "s")
    desk.run()
    cancelled, other = desk.offer(7), desk.offer(8, "s")
    assert desk.batcher.remove(cancelled)
    assert desk.offer(7) in desk.refused
    assert desk.run() == [other], "the slot is free"


def test_cancelled_in_the_backlog_is_the_whole_sequence() -> None:
    desk = Desk(configuration(max_batch_size=1))
    desk.offer(1, "s")
    a, b, c = desk.offer(2, "s"), desk.offer(2), desk.offer(2)
    assert desk.batcher.remove(b)
    assert desk.expire(0) == [a, c]
    assert len(desk.batcher) == 1


def test_what_starts_behind_a_cancelled_sequence_lives_on() -> None:
    desk = Desk(configuration())
    a, again, more = desk.offer(7, "s"), desk.offer(7, "s"), desk.offer(7)
    assert desk.batcher.remove(a)
    assert [desk.run(), desk.run()] == [[again], [more]]
    assert desk.offer(7) not in desk.refused


def test_what_runs_cannot_be_removed_but_ends_its_sequence() -> None:
    desk = Desk(configuration())
    token = Cancellation()
    a, b = desk.offer(7, "s", cancellation=token), desk.offer(7)
    assert desk.next() == [a]
    token.cancel()
    assert not desk.batcher.remove(a)
    desk.finish([a])
    assert list(desk.refused) == [b]
    assert desk.offer(7) in desk.refused


def test_what_is_cancelled_before_it_comes_takes_no_place() -> None:
    desk = Desk(configuration(max_batch_size=1))
    token = Cancellation()
    token.cancel()
    desk.offer(1, "s")
    a = desk.offer(2, "s", cancellation=token)
    assert errors(desk, [a]) == {(CancelledError, "request was cancelled")}
    assert len(desk.batcher) == 1
    assert desk.offer(2) in desk.refused, "its sequence never began"


def test_a_late_request_is_refused_alone() -> None:
    desk = Desk(configuration(control_input=FLAGS))
    a, b, c = desk.offer(7, "s"), desk.offer(7, deadline_ns=100), desk.offer(7)
    assert desk.run() == [a]
    assert desk.batcher.next_due() == 100
    assert desk.expire(100) == [b]
    assert errors(desk, [b]) == {(DeadlineError, "Request deadline expired")}
    assert desk.run() == [c]


def test_late_does_not_run_even_if_nobody_looked() -> None:
    desk = Desk(configuration())
    desk.offer(7, "s")
    desk.run()
    late = desk.offer(7, deadline_ns=100)
    desk.now = 100
    assert desk.next() == Wait()
    assert desk.expire(100) == [late]


def test_a_request_that_comes_too_late_is_refused_at_once() -> None:
    desk = Desk(configuration())
    desk.now = 100
    assert desk.offer(7, "s", deadline_ns=100) in desk.refused


def test_without_its_start_a_sequence_is_over() -> None:
    desk = Desk(configuration())
    a, b, again = desk.offer(7, "s", deadline_ns=100), desk.offer(7), desk.offer(7, "s")
    assert desk.expire(100) == [a, b]
    assert str(desk.refused[a]) == "Request deadline expired"
    assert str(desk.refused[b]) == (
        "sequence 7 of model 'M' ended: the deadline of its first request expired"
    )
    assert desk.run() == [again], "a further start is another sequence"


def test_a_late_end_still_ends_the_sequence() -> None:
    desk = Desk(configuration(max_batch_size=1))
    desk.offer(1, "s")
    desk.run()
    end, other = desk.offer(1, "e", deadline_ns=100), desk.offer(2, "s")
    assert desk.expire(100) == [end]
    assert desk.run() == [other]


def test_after_a_late_request_it_is_idle() -> None:
    desk = Desk(configuration())
    desk.offer(1, "s")
    desk.run()
    desk.offer(1, deadline_ns=100)
    desk.expire(100)
    assert desk.batcher.next_due() == SECOND + 100


def test_a_timeout_is_for_the_backlog_and_for_the_whole_sequence() -> None:
    desk = Desk(configuration(max_batch_size=1))
    slow = desk.offer(1, "s", timeout_us=1)
    a, b, c = desk.offer(2, "s"), desk.offer(2, timeout_us=50), desk.offer(3, "s")
    assert desk.batcher.next_due() == 50 * US
    assert desk.expire(50 * US) == [a, b]
    assert errors(desk, [a, b]) == {
        (TimeoutExpiredError, "timeout of the corresponding sequence has been expired")
    }
    assert desk.offer(2) in desk.refused
    assert desk.run() == [slow], "who has a slot has no timeout"
    desk.offer(1, "e")
    desk.run()
    assert desk.run() == [c]


def test_nothing_is_due_for_what_is_answered() -> None:
    desk = Desk(configuration())
    desk.offer(7, "se", deadline_ns=100)
    desk.run()
    assert desk.batcher.next_due() is None


def test_a_far_deadline_does_not_keep_an_answered_request() -> None:
    desk = Desk(configuration())
    item = desk.offer(7, "s", deadline_ns=10**15)
    inputs = ref(item.inputs["x"])
    desk.run()
    gc.disable()  # by its references alone
    try:
        del item
        assert inputs() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("iterative", [False, True])
def test_a_newer_request_takes_the_place_of_a_waiting_one(iterative: bool) -> None:
    desk = Desk(configuration(iterative_sequence=iterative))
    old, behind = desk.offer(7, "s", deadline_ns=100), desk.offer(7)
    newer = Desk(configuration()).offer(7, "s", x=9, deadline_ns=200)
    assert desk.batcher.replace(old, newer)
    assert not desk.batcher.replace(old, newer), "it no longer waits"
    assert desk.expire(100) == []
    assert desk.next() == [newer]
    assert np.asarray(newer.inputs["x"]).item() == 9
    desk.finish([newer])
    assert desk.run() == [behind]


@pytest.mark.parametrize("other", [(8, "s"), (7, ""), (7, "se")])
def test_a_request_of_another_place_does_not(other: tuple[int, str]) -> None:
    desk = Desk(configuration())
    old = desk.offer(7, "s")
    helper = Desk(configuration())
    helper.offer(7, "s")
    assert not desk.batcher.replace(old, helper.offer(*other))
    assert desk.run() == [old]


# --- iterative sequences -------------------------------------------------------------------------


def iterative(max_batch_size: int = 4) -> Desk:
    return Desk(
        configuration(max_batch_size=max_batch_size, control_input=FLAGS, iterative_sequence=True)
    )


def again(desk: Desk, items: Sequence[Item | None]) -> None:
    """The model asks for all of these to be run again."""
    for item in items:
        assert item and desk.batcher.reschedule(item, desk.now)
    desk.finish(items)


def test_a_request_runs_until_the_model_has_enough() -> None:
    desk = iterative()
    item = desk.offer(0)
    assert desk.next() == [item]
    assert controls(item) == {"START": 1, "END": 0, "READY": 1}
    again(desk, [item])
    assert len(desk.batcher) == 1
    assert desk.next() == [item]
    assert controls(item) == {"START": 0, "END": 0, "READY": 1}
    desk.finish([item])
    assert desk.next() == Wait()
    assert desk.batcher.next_due() is None, "it is over, not idle"


def test_several_iterate_together_and_each_has_an_id() -> None:
    desk = iterative()
    items = [desk.offer(0), desk.offer(1), desk.offer(0)]
    assert desk.next() == items
    identities = [item.request.correlation_id for item in items if item.request]
    assert identities[1] == 1
    assert len(set(identities)) == 3
    again(desk, items)
    late = desk.offer(0)
    assert desk.next() == [*items, late]


def test_a_slot_is_free_when_the_model_is_done() -> None:
    desk = iterative(max_batch_size=1)
    first, second = desk.offer(0), desk.offer(0)
    assert desk.next() == [first]
    again(desk, [first])
    assert desk.run() == [first]
    assert desk.run() == [second]


def test_what_iterates_can_be_cancelled() -> None:
    desk = iterative()
    item = desk.offer(0)
    desk.next()
    again(desk, [item])
    assert desk.batcher.remove(item)
    assert desk.next() == Wait()
    token = Cancellation()
    other = desk.offer(0, cancellation=token)
    desk.next()
    token.cancel()
    again(desk, [other])
    assert list(desk.refused) == [other], "nobody would remove it any more"


def test_it_can_be_late_between_two_executions() -> None:
    desk = iterative()
    item = desk.offer(0, deadline_ns=100)
    desk.next()
    desk.expire(50)
    again(desk, [item])
    assert desk.expire(100) == [item]


def test_only_a_running_request_of_an_iterative_model_is_rescheduled() -> None:
    desk = Desk(configuration())
    item = desk.offer(1, "s")
    desk.next()
    assert not desk.batcher.reschedule(item, 0)
    desk = iterative()
    item = desk.offer(1)
    assert not desk.batcher.reschedule(item, 0), "it waits"
    desk.run()
    assert not desk.batcher.reschedule(item, 0), "it is over"
