# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A request's way through the graph: order, absence, conditions, cancellation, deadlines."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from fake_ensemble import (
    FakeClock,
    ToyModel,
    a_config,
    a_step,
    adder,
    an_ensemble,
    ask,
    holder,
    num,
    numbers,
    run,
    served,
)

from triton_ros.core.errors import (
    CancelledError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest

CHAIN = an_ensemble(a_step("a", "x:X", "y:M"), a_step("b", "x:M", "y:Y"))


def test_steps_in_a_row() -> None:
    response = run(CHAIN, [adder("a", 1), adder("b", 10)], ask(5, id="i", tag="t"))
    assert numbers(response) == {"Y": 16}
    assert (response.model_name, response.id, response.tag) == ("E", "i", "t")
    assert response.timing.compute_infer_ns == 6
    assert response.final


def test_steps_side_by_side_start_together_and_join() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:A"), a_step("b", "x:X", "y:B"), a_step("c", "p:A q:B", "y:Y")
    )
    a, b, c = holder("a"), holder("b"), adder("c", 0, "p q")
    ensemble, shelf = served(config, [a, b, c])
    outcomes: list[Any] = []
    ensemble.submit(ask(), outcomes.append)
    assert len(a.held) == len(b.held) == 1
    b.answer(0, {"y": num(2)})
    assert not outcomes
    a.answer(0, {"y": num(1)})
    assert numbers(outcomes[0]) == {"Y": 3}
    assert shelf.complete


def test_steps_that_lead_to_no_wanted_output_are_left_out() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:A"),
        a_step("b", "x:A", "y:B"),
        a_step("c", "x:A", "y:C"),
        outputs="B C",
    )
    models = [adder("a", 1), adder("b", 10), adder("c", 100)]
    assert numbers(run(config, models, ask(outputs=("B",)))) == {"B": 11}
    assert [len(model.requests) for model in models] == [1, 1, 0]


# --- failure, cancellation, deadline --------------------------------------------------------------


def started(config: Any, models: Any, request: InferenceRequest, **options: Any) -> Any:
    outcomes: list[Any] = []
    ensemble, shelf = served(config, models, **options)
    ensemble.submit(request, outcomes.append)
    return ensemble, shelf, outcomes


def test_nothing_starts_after_a_failure() -> None:
    config = an_ensemble(
        a_step("a", "x:X", "y:A"), a_step("b", "x:X", "y:B"), a_step("c", "x:B", "y:C"),
        outputs="A C",
    )  # fmt: skip
    a, b, c = holder("a"), holder("b"), holder("c")
    ensemble, shelf, outcomes = started(config, [a, b, c], ask())
    a.answer(0, UnavailableError("full"))
    assert not outcomes, "b still runs"
    assert not shelf.complete
    b.answer(0, {"y": num(1)})
    assert c.requests == []
    (error,) = outcomes
    assert isinstance(error, UnavailableError)
    assert str(error) == "in ensemble 'E', full"
    assert shelf.complete
    assert ensemble.statistics.snapshot().fail.count == 1


def test_models_are_given_back_if_one_is_missing() -> None:
    outcome = run(CHAIN, [adder("a", 1)], ask())
    assert str(outcome) == "in ensemble 'E', Request for unknown model: 'b' is not found"


def test_cancellation_between_steps() -> None:
    a, b, token = holder("a"), holder("b"), Cancellation()
    _, shelf, outcomes = started(CHAIN, [a, b], ask(cancellation=token))
    assert a.requests[0].cancellation is token
    token.cancel()
    a.answer(0, {"y": num(1)})
    assert b.requests == []
    assert isinstance(outcomes[0], CancelledError)
    assert str(outcomes[0]) == "in ensemble 'E', request was cancelled"
    assert shelf.complete


def test_a_deadline_between_steps() -> None:
    clock = FakeClock()
    for late in (False, True):
        a, b = holder("a"), adder("b", 1)
        _, shelf, outcomes = started(CHAIN, [a, b], ask(deadline_ns=clock.now + 10), clock=clock)
        assert a.requests[0].deadline_ns == clock.now + 10
        clock.now += 10 if late else 9
        a.answer(0, {"y": num(1)})
        assert len(b.requests) == int(not late)
        assert shelf.complete
    assert isinstance(outcomes[0], UnavailableError)
    assert str(outcomes[0]) == "in ensemble 'E', Request deadline expired"


def test_a_request_that_is_late_already() -> None:
    a = adder("a", 1)
    outcome = run(CHAIN, [a, adder("b", 1)], ask(deadline_ns=1))
    assert "Request deadline expired" in str(outcome)
    assert a.requests == []


# --- what goes with a request ---------------------------------------------------------------------


class Trace:
    def __init__(self, *made: Any) -> None:
        self.made = made
        self.events: list[str] = []
        self.model_version = -1

    def event(self, name: str, ns: int | None = None) -> None:
        self.events.append(name)

    def tensors(self, activity: str, tensors: Any) -> None:
        self.events.append(f"{activity} {' '.join(tensors)}")

    def end(self, ns: int | None = None) -> None:
        self.events.append("REQUEST_END")

    def child(self, model_name: str, version: int) -> Trace:
        return Trace(self, model_name, version)


def test_a_request_takes_its_fields_into_the_steps() -> None:
    a, b, trace = adder("a", 1), adder("b", 1), Trace()
    fields: dict[str, Any] = {
        "id": "i", "parameters": {"p": 1}, "tag": object(), "priority": 3, "timeout_us": 9,
        "correlation_id": "s", "sequence_start": True, "sequence_end": True,
    }  # fmt: skip
    run(CHAIN, [a, b], ask(trace=trace, **fields))
    for model in (a, b):
        (request,) = model.requests
        assert {name: getattr(request, name) for name in fields} == fields
        assert request.trace.made == (trace, model.name, 1)
        assert request.outputs == ("y",)
        assert request.on_response is None
    assert trace.events == ["QUEUE_START", "TENSOR_QUEUE_INPUT X", "REQUEST_END"]
    assert trace.model_version == 1


def test_the_trace_of_a_refused_request_ends() -> None:
    trace = Trace()
    run(CHAIN, [adder("a", 1)], ask(trace=trace))
    assert trace.events[-1] == "REQUEST_END"


def test_a_response_moves_what_follows_into_another_sequence() -> None:
    def compute(request: InferenceRequest) -> Any:
        return {"y": num(1)}

    a = ToyModel(a_config("a", "x", "y"), compute)
    a.parameters = {"sequence_id": 7, "sequence_start": True}
    b = adder("b", 1)
    response = run(CHAIN, [a, b], ask(correlation_id=5, sequence_end=True))
    sequence = (b.requests[0].correlation_id, b.requests[0].sequence_start)
    assert (*sequence, b.requests[0].sequence_end) == (7, True, False)
    assert response.parameters == {
        "sequence_id": 7, "sequence_start": True, "sequence_end": False,
    }  # fmt: skip
    a.parameters = {"sequence_start": 1}
    outcome = run(CHAIN, [a, b], ask())
    assert "expect parameter 'sequence_start' to be TRITONSERVER_PARAMETER_BOOL" in str(outcome)


def test_statistics_count_as_triton_does() -> None:
    config = an_ensemble(*CHAIN.ensemble, max_batch_size=4)
    models = [adder("a", 1, max_batch_size=4), adder("b", 1, max_batch_size=4)]
    ensemble, _ = served(config, models)
    rows = InferenceRequest("E", {"X": np.zeros((3, 1), np.float32)})
    ensemble.submit(rows, lambda outcome: None)
    found = ensemble.statistics.snapshot()
    assert (found.inference_count, found.execution_count) == (3, 1)
    assert found.queue.ns == 0, "the queues of the steps are theirs"
    assert (found.compute_input.ns, found.compute_infer.ns, found.compute_output.ns) == (4, 6, 8)


def test_the_graph_follows_exchanged_models() -> None:
    ensemble, shelf = served(CHAIN, [adder("a", 1), adder("b", 10)])
    outcomes: list[Any] = []
    ensemble.submit(ask(), outcomes.append)
    shelf.models["b"] = adder("b", 100)
    ensemble.submit(ask(), outcomes.append)
    assert [numbers(outcome)["Y"] for outcome in outcomes] == [11, 101]


def test_tensors_that_nobody_needs_any_more_are_gone() -> None:
    a, b = holder("a"), holder("b")
    value = num(1)
    gone = weakref.ref(value)
    ensemble, _ = served(CHAIN, [a, b])
    outcomes: list[Any] = []
    ensemble.submit(InferenceRequest("E", {"X": value}), outcomes.append)
    del value
    a.requests.clear()
    assert gone() is not None
    a.answer(0, {"y": num(1)})
    assert gone() is None, "a was its last taker"
    b.answer(0, {"y": num(2)})
    assert numbers(outcomes[0]) == {"Y": 2}
