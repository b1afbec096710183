# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`max_inflight_requests`: the gate alone, and requests that wait at one."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from fake_ensemble import (
    FakeClock,
    FakeTimer,
    a_step,
    an_ensemble,
    ask,
    holder,
    num,
    numbers,
    served,
)

from triton_ros.core.ensemble.ensemble_gate import StepGate
from triton_ros.core.errors import (
    CancelledError,
    InternalError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest

# --- the gate -------------------------------------------------------------------------------------


def test_first_come_first_served() -> None:
    started: list[str] = []
    gate = StepGate[str](2, started.append)
    assert [gate.enter(name) for name in "abcde"] == [True, True, False, False, False]
    assert len(gate) == 3
    assert gate.remove("d")
    assert not gate.remove("d")
    assert not gate.remove("a"), "it has passed"
    gate.leave()
    assert started == ["c"]
    gate.leave()
    assert started == ["c", "e"]
    gate.leave()
    gate.leave()
    assert gate.enter("f")


def test_a_long_line_of_what_ends_at_once_is_no_recursion() -> None:
    started: list[int] = []

    def start(entry: int) -> None:
        started.append(entry)
        gate.leave()

    gate = StepGate[int](1, start)
    assert gate.enter(-1)
    for entry in range(5000):
        assert not gate.enter(entry)
    gate.leave()
    assert started == list(range(5000))


def test_nobody_overtakes_the_line() -> None:
    entered: list[bool] = []

    def start(entry: str) -> None:
        if entry == "c":
            gate.leave()  # room, while d stands in line
            entered.append(gate.enter("e"))
        started.append(entry)

    started: list[str] = []
    gate = StepGate[str](2, start)
    for name in "abcd":
        gate.enter(name)
    gate.leave()
    assert entered == [False]
    assert started == ["c", "d"]
    assert len(gate) == 1


# --- requests -------------------------------------------------------------------------------------

CHAIN = an_ensemble(a_step("a", "x:X", "y:M"), a_step("b", "x:M", "y:Y"), max_inflight_requests=2)


class Case:
    """An ensemble with some requests in it."""

    def __init__(self, config: Any = CHAIN, **options: Any) -> None:
        self.a, self.b = holder("a"), holder("b")
        self.clock, self.timer = FakeClock(), FakeTimer()
        options = {"timer": self.timer, **options}
        self.ensemble, self.shelf = served(config, [self.a, self.b], self.clock, **options)
        self.outcomes: dict[float, Any] = {}

    def submit(self, number: float, **fields: Any) -> None:
        def done(outcome: Any) -> None:
            assert number not in self.outcomes, "answered twice"
            self.outcomes[number] = outcome

        self.ensemble.submit(ask(number, **fields), done)

    @property
    def in_a(self) -> list[float]:
        return [float(request.inputs["x"][0]) for request, _ in self.a.held]


def test_so_many_are_in_each_step_and_the_rest_waits_in_line() -> None:
    case = Case()
    for number in range(5):
        case.submit(number)
    assert case.in_a == [0, 1]
    assert case.ensemble.pending == 3
    case.a.answer(0, {"y": num(10)})
    assert case.in_a == [1, 2]
    assert len(case.b.held) == 1
    case.a.answer(0, {"y": num(11)})
    case.a.answer(0, {"y": num(12)})
    assert case.in_a == [3, 4]
    assert len(case.b.held) == 2, "b is full, too"
    for _ in range(3):
        case.b.answer(0, {"y": num(1)})
    assert sorted(case.outcomes) == [0, 1, 2]
    for _ in range(2):
        case.a.answer(0, UnavailableError("no"))
    assert case.ensemble.pending == 0
    assert len(case.outcomes) == 5
    assert case.shelf.complete


def test_without_a_limit_nobody_waits() -> None:
    case = Case(an_ensemble(*CHAIN.ensemble))
    for number in range(5):
        case.submit(number)
    assert case.in_a == [0, 1, 2, 3, 4]


def test_a_step_that_does_not_run_needs_no_room() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:Y", run_if="C"), inputs="X C", max_inflight_requests=1
    )
    a = holder("a")
    ensemble, _ = served(config, [a])
    outcomes: list[Any] = []
    for condition in (1, 0):
        request = InferenceRequest("E", {"X": num(1), "C": num(condition)})
        ensemble.submit(request, outcomes.append)
    assert [numbers(outcome) for outcome in outcomes] == [{}]
    assert len(a.held) == 1


def test_cancelled_while_it_waits() -> None:
    case, token = Case(), Cancellation()
    for number in range(4):
        case.submit(number, cancellation=token if number == 2 else None)
    token.cancel()
    assert isinstance(case.outcomes[2], CancelledError)
    assert str(case.outcomes[2]) == "in ensemble 'E', request was cancelled"
    assert case.ensemble.pending == 1
    case.a.answer(0, UnavailableError("no"))
    assert case.in_a == [1, 3]
    for _ in range(2):
        case.a.answer(0, UnavailableError("no"))
    assert case.shelf.complete


def test_cancelled_on_its_way_into_the_line() -> None:
    case, token = Case(), Cancellation()
    for number in range(2):
        case.submit(number)
    gate = case.ensemble._host.gates[0]
    enter = gate.enter

    def late(errand: Any) -> bool:
        token.cancel()
        return enter(errand)

    gate.enter = late  # type: ignore[method-assign]
    case.submit(2, cancellation=token)
    assert isinstance(case.outcomes[2], CancelledError)
    assert case.ensemble.pending == 0


def test_a_request_that_passed_is_not_watched_any_more() -> None:
    case, token = Case(), Cancellation()
    for number in range(3):
        case.submit(number, cancellation=token)
    for _ in range(3):
        case.a.answer(0, UnavailableError("no"))
    assert not token._watchers


def test_a_deadline_fires_while_it_waits() -> None:
    case = Case()
    for number in range(3):
        case.submit(number, deadline_ns=case.clock.now + 10 if number == 2 else None)
    assert [due for due, _ in case.timer.calls] == [case.clock.now + 10]
    case.clock.now += 10
    case.timer.run()
    assert isinstance(case.outcomes[2], UnavailableError)
    assert str(case.outcomes[2]) == "in ensemble 'E', Request deadline expired"
    assert case.ensemble.pending == 0


def test_without_a_timer_a_deadline_is_noticed_when_there_is_room() -> None:
    case = Case(timer=None)
    for number in range(3):
        case.submit(number, deadline_ns=case.clock.now + 10 if number == 2 else None)
    case.clock.now += 10
    case.a.answer(0, UnavailableError("no"))
    assert "Request deadline expired" in str(case.outcomes[2])
    case.submit(7)
    assert case.in_a == [1, 7], "it took no room"


def test_a_far_deadline_keeps_nothing_alive() -> None:
    case, kept = Case(), num(2)
    gone = weakref.ref(kept)
    for number in (0, 1):
        case.submit(number)
    request = InferenceRequest("E", {"X": kept}, deadline_ns=10**18)
    case.ensemble.submit(request, lambda outcome: None)
    for _ in range(3):
        case.a.answer(0, UnavailableError("no"))
    case.a.requests.clear()
    del request, kept
    gc.collect()
    assert len(case.timer.calls) == 1
    assert gone() is None


def test_a_failure_takes_the_request_out_of_the_other_lines() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:A"), a_step("b", "x:X", "y:B"),
        outputs="A B", max_inflight_requests=1,
    )  # fmt: skip
    case = Case(config)
    case.submit(0)
    case.b.answer(0, {"y": num(1)})
    case.submit(1)
    assert case.in_a == [0]
    assert case.ensemble.pending == 1
    case.b.answer(0, InternalError("boom"))
    assert str(case.outcomes[1]) == "in ensemble 'E', boom"
    assert case.ensemble.pending == 0
    case.a.answer(0, {"y": num(2)})
    assert numbers(case.outcomes[0]) == {"A": 2, "B": 1}
    assert case.shelf.complete


@pytest.mark.parametrize("limit", [1, 3])
def test_thousands_wait_and_end_at_once(limit: int) -> None:
    first = holder("a")
    config = an_ensemble(a_step("a", "x:X", "y:Y"), max_inflight_requests=limit)
    ensemble, shelf = served(config, [first])
    outcomes: list[Any] = []
    for _ in range(2000):
        ensemble.submit(ask(), outcomes.append)
    first.compute = lambda request: UnavailableError("full")
    first.answer(0, UnavailableError("full"))
    while first.held:
        first.answer(0, UnavailableError("full"))
    assert len(outcomes) == 2000
    assert shelf.complete
