# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Timeouts, deadlines and what they cost, on a clock of the test's own."""

from __future__ import annotations

import gc
import weakref

import pytest
from queue_items import US, accepted, item, order, queue, words

from triton_ros.core.config.scheduling_config import TimeoutAction
from triton_ros.core.errors import (
    CancelledError,
    Code,
    DeadlineError,
    DroppedError,
    QueueFullError,
    TimeoutExpiredError,
)
from triton_ros.core.request import Cancellation
from triton_ros.core.scheduling.policy_queue import PolicyQueue
from triton_ros.core.telemetry.statistics import FailureReason, failure_reason

DELAY = TimeoutAction.DELAY

# --- timeouts -------------------------------------------------------------------------------------


def test_a_timeout_is_over_when_the_clock_reaches_it() -> None:
    line = queue(default_timeout_microseconds=10)
    [a] = accepted(line, item(), now=5 * US)
    assert line.next_due() == 15 * US
    assert line.expire(15 * US - 1) == []
    assert words(line.expire(15 * US)) == [(a, "Request timeout expired")]
    assert (len(line), line.next_due()) == (0, None)


@pytest.mark.parametrize(
    ("default", "override", "own", "timeout"),
    [
        (10, False, 5, 10),
        (10, True, 5, 5),
        (10, True, 15, 10),
        (10, True, 0, 10),
        (0, True, 5, 5),  # Triton ignores this one
        (0, False, 5, None),
        (0, True, 0, None),
    ],
)
def test_a_requests_own_timeout(
    default: int, override: bool, own: int, timeout: int | None
) -> None:
    line = queue(default_timeout_microseconds=default, allow_timeout_override=override)
    accepted(line, item(timeout_us=own))
    assert line.next_due() == (None if timeout is None else timeout * US)


def test_delayed_requests_go_behind_their_level_and_are_never_refused() -> None:
    line = queue(2, 1, timeout_action=DELAY, default_timeout_microseconds=10)
    a, low = accepted(line, item(), item(priority=2))
    [b] = accepted(line, item(), now=4 * US)
    line.settle(10 * US)
    assert order(line) == [b, a, low], "behind the others of its level, not behind other levels"
    assert line.next_due() == 14 * US
    assert line.expire(10**9) == []
    assert (order(line), line.next_due()) == ([a, b, low], None)


def test_what_is_too_late_is_passed_over_until_it_is_given_back() -> None:
    line = queue(default_timeout_microseconds=10)
    late, _ = accepted(line, item(), item(deadline_ns=5 * US))
    line.settle(10 * US)
    assert order(line) == []
    assert len(line) == 2, "nobody has answered them"
    assert line.next_due() == 5 * US
    assert not line.replace(late, item()), "its time is over"
    assert line.remove(late), "but it can still be cancelled"
    assert [str(e) for _, e in line.expire(10 * US)] == ["Request deadline expired"]
    assert line.expire(10 * US) == []


def test_a_full_queue_of_late_requests_takes_a_new_one() -> None:
    line = queue(max_queue_size=1, default_timeout_microseconds=10)
    [late] = accepted(line, item())
    new = item()
    assert words(line.offer(new, 10 * US)) == [(late, "Request timeout expired")]
    assert order(line) == [new]


def test_what_fell_due_first_is_given_back_first() -> None:
    line = queue(default_timeout_microseconds=10)
    a, b, c = accepted(line, item(), item(deadline_ns=7 * US), item(deadline_ns=12 * US))
    assert words(line.expire(20 * US)) == [
        (b, "Request deadline expired"),
        (a, "Request timeout expired"),
        (c, "Request timeout expired"),
    ]


# --- deadlines and cancellation -------------------------------------------------------------------


def test_a_deadline_holds_without_any_policy() -> None:
    line = PolicyQueue(None)
    [a] = accepted(line, item(deadline_ns=7))
    assert line.next_due() == 7
    assert line.expire(6) == []
    [(_, error)] = line.expire(7)
    assert isinstance(error, DeadlineError)
    assert not line.remove(a)


def test_a_deadline_also_ends_a_delayed_request() -> None:
    line = queue(timeout_action=DELAY, default_timeout_microseconds=10)
    [a] = accepted(line, item(deadline_ns=20 * US))
    assert line.expire(10 * US) == []
    assert words(line.expire(20 * US)) == [(a, "Request deadline expired")]


def test_an_offer_that_is_already_too_late_is_refused() -> None:
    line = queue()
    late = item(deadline_ns=7)
    assert words(line.offer(late, 7)) == [(late, "Request deadline expired")]
    assert len(line) == 0


def test_an_offer_that_is_already_cancelled_is_refused() -> None:
    line = queue(max_queue_size=1, drop=True)
    [kept] = accepted(line, item())
    token = Cancellation()
    token.cancel()
    [(_, error)] = line.offer(item(cancellation=token), 0)
    assert isinstance(error, CancelledError)
    assert str(error) == "request was cancelled"
    assert order(line) == [kept], "nothing is dropped for it"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QueueFullError(""), FailureReason.REJECTED),
        (TimeoutExpiredError(""), FailureReason.TIMEOUT),
        (DeadlineError(""), FailureReason.DEADLINE),
        (DroppedError(""), FailureReason.DROPPED),
    ],
)
def test_every_refusal_is_unavailable_and_counted_by_its_reason(
    error: QueueFullError, reason: FailureReason
) -> None:
    assert error.code is Code.UNAVAILABLE
    assert failure_reason(error) is reason
    assert failure_reason(error.within("in ensemble 'E'")) is reason
    assert failure_reason(CancelledError("")) is FailureReason.CANCELED


# --- cost -----------------------------------------------------------------------------------------


def test_the_queue_lets_go_of_what_left_although_its_time_is_far() -> None:
    line = queue(default_timeout_microseconds=10**9)
    items = accepted(line, *[item(deadline_ns=10**15) for _ in range(2000)])
    first = weakref.ref(items[0].done)
    line.take(list(line)[:1999])
    del items
    gc.collect()
    assert first() is None, "a frame would stay"
    for _ in range(100):
        accepted(line, item())
    assert len(line._times) < 1000, "emptied places pile up"


def test_replacing_for_ever_needs_no_more_room() -> None:
    line = queue(allow_timeout_override=True)
    [old] = accepted(line, item(timeout_us=5))
    for number in range(1000):
        new = item(timeout_us=10 + number % 2, deadline_ns=10**9 - number)
        assert line.replace(old, new)
        old = new
    assert len(line._times) < 100
    assert line.next_due() == 11 * US


def test_tidying_up_forgets_no_time_and_brings_none_back() -> None:
    line = queue(timeout_action=DELAY, default_timeout_microseconds=10)
    [late] = accepted(line, item())
    [dated] = accepted(line, item(deadline_ns=99 * US))
    line.settle(10 * US)
    for _ in range(500):
        [passing] = accepted(line, item(), now=20 * US)
        assert line.remove(passing)
    assert len(line._times) < 100
    assert line.next_due() == 99 * US
    assert words(line.expire(99 * US)) == [(dated, "Request deadline expired")]
    assert order(line) == [late]
