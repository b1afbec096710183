# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The circuit's decisions, on a clock of the test's, beside a model of what they should be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triton_ros.backends.kserve.breaker import Circuit, State

OPEN_NS = 100


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def _opened(clock: Clock) -> Circuit:
    circuit = Circuit(2, OPEN_NS, clock)
    assert not circuit.failed()
    assert circuit.failed()
    return circuit


def test_so_many_failures_in_a_row_open_it_and_nothing_goes() -> None:
    clock = Clock()
    circuit = Circuit(2, OPEN_NS, clock)
    assert circuit.due_ns is None
    circuit.failed()
    circuit.succeeded()
    circuit.failed()
    assert circuit.state is State.CLOSED, "not in a row"
    circuit.failed()
    assert (circuit.state, circuit.opened) == (State.OPEN, 1)
    clock.now = OPEN_NS - 1
    assert not circuit.allow()
    assert circuit.due_ns == 1


def test_one_trial_decides() -> None:
    clock = Clock()
    circuit = _opened(clock)
    clock.now = OPEN_NS
    assert circuit.due_ns == 0
    assert circuit.allow()
    assert not circuit.allow(), "one trial only"
    assert circuit.due_ns is None
    assert circuit.failed()
    assert (circuit.state, circuit.due_ns) == (State.OPEN, OPEN_NS)
    clock.now = 2 * OPEN_NS
    assert circuit.allow()
    assert circuit.succeeded()
    assert circuit.state is State.CLOSED
    assert not circuit.failed(), "it counts from nothing again"


def test_a_trial_that_tells_nothing_makes_room_for_another_at_once() -> None:
    clock = Clock()
    circuit = _opened(clock)
    clock.now = OPEN_NS
    assert circuit.allow()
    circuit.forgotten()
    assert circuit.due_ns == 0
    assert circuit.allow()


def test_what_fails_late_does_not_open_it_again() -> None:
    clock = Clock()
    circuit = _opened(clock)
    clock.now = 50
    assert not circuit.failed()
    assert circuit.due_ns == 50
    assert circuit.opened == 1
    assert circuit.succeeded(), "what answers late is a sign of life"
    assert circuit.state is State.CLOSED


def test_zero_failures_is_no_breaker() -> None:
    circuit = Circuit(0, OPEN_NS, Clock())
    for _ in range(100):
        circuit.failed()
    circuit.trip()
    assert circuit.allow()


def test_trip_opens_it_whatever_was_counted() -> None:
    circuit = Circuit(5, OPEN_NS, Clock())
    circuit.trip()
    assert (circuit.state, circuit.allow()) == (State.OPEN, False)


EVENTS = st.one_of(
    st.sampled_from(["allow", "failed", "succeeded", "forgotten"]),
    st.integers(1, 2 * OPEN_NS),
)


@given(st.integers(1, 4), st.lists(EVENTS, max_size=60))
def test_it_follows_its_rules_whatever_happens(limit: int, events: list[str | int]) -> None:
    clock = Clock()
    circuit = Circuit(limit, OPEN_NS, clock)
    in_a_row, opened_at, trial = 0, -1, False
    for event in events:
        if isinstance(event, int):
            clock.now += event
            continue
        is_open = opened_at >= 0
        outcome = getattr(circuit, event)()
        if event == "allow":
            due = is_open and not trial and clock.now - opened_at >= OPEN_NS
            assert outcome is (not is_open or due)
            trial = trial or due
        elif event == "succeeded":
            in_a_row, opened_at, trial = 0, -1, False
        elif event == "forgotten":
            opened_at = clock.now - OPEN_NS if trial else opened_at
            trial = False
        elif trial or not is_open:
            in_a_row += 1
            if trial or in_a_row >= limit:
                in_a_row, opened_at, trial = 0, clock.now, False
        if opened_at >= 0:
            assert circuit.state is (State.HALF_OPEN if trial else State.OPEN)
        else:
            assert circuit.state is State.CLOSED
