# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that answer requests themselves: what they see, and that each is answered once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from fake_backend import Source, row
from fake_requests import Answers, Behaviour, asked, echo, executor, failing, only, silent

from triton_ros.core.backend import ExecutionRequest
from triton_ros.core.config.model_config import InputConfig, OutputConfig
from triton_ros.core.config.scheduling_config import (
    ControlKind,
    DirectStrategy,
    SequenceBatching,
    SequenceControl,
)
from triton_ros.core.errors import (
    CancelledError,
    InternalError,
    InvalidArgumentError,
    UnsupportedError,
)
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Caller, Cancellation, InferenceRequest
from triton_ros.core.scheduling.rate_limiter import Grant
from triton_ros.core.telemetry.statistics import StatisticsCollector
from triton_ros.core.tensor import TensorSpec

# what a request shows ----------------------------------------------------------------------------


def test_a_request_shows_what_was_asked() -> None:
    seen: list[Any] = []

    def look(request: ExecutionRequest) -> None:
        seen.append(
            (request.id, request.correlation_id, request.sequence_start, request.sequence_end)
        )
        seen.append((request.outputs, request.parameters, request.cancelled))
        cancellation.cancel()
        seen.append(request.cancelled)
        request.respond({})
        request.finish()

    cancellation = Cancellation()
    request = InferenceRequest(
        "m",
        {},
        id="7",
        outputs=("y",),
        parameters={"k": 3},
        correlation_id=5,
        sequence_start=True,
        cancellation=cancellation,
    )
    item, _ = asked(request=request)
    executor(only(look)).run([item])
    assert seen == [("7", 5, True, False), (("y",), {"k": 3}, False), True]


def test_inputs_have_a_batch_dim_and_are_never_merged() -> None:
    shapes: list[Any] = []

    def look(request: ExecutionRequest) -> None:
        shapes.append(request.inputs["x"].shape)
        request.respond({"y": request.inputs["x"]})
        request.finish()

    x = row(3, 2)
    items = [asked(x, rows=2), asked(x[0], element=True), asked(Source(5), element=True)]
    executor(only(look)).run([item for item, _ in items])
    assert shapes == [(2, 4), (1, 4), (1, 4)]
    found = [answers.one()["y"] for _, answers in items]
    assert [f.shape for f in found] == [(2, 4), (4,), (4,)]
    assert np.shares_memory(found[0], x)
    np.testing.assert_array_equal(found[2], row(5)[0])


def test_reshape_applies_both_ways() -> None:
    config: dict[str, Any] = {
        "input": (InputConfig(TensorSpec("x", "FP32", (4,)), reshape=(2, 2)),),
        "output": (OutputConfig(TensorSpec("y", "FP32", (4,)), reshape=(2, 2)),),
    }
    shapes: list[Any] = []

    def look(request: ExecutionRequest) -> None:
        shapes.append(request.inputs["x"].shape)
        request.respond({"y": request.inputs["x"]})
        request.finish()

    items = [asked(row(3, 2), rows=2), asked(Source(5), element=True)]
    executor(only(look), **config).run([item for item, _ in items])
    assert shapes == [(2, 2, 2), (1, 2, 2)]
    assert [a.one()["y"].shape for _, a in items] == [(2, 4), (4,)]


def test_a_failing_source_fails_alone() -> None:
    statistics = StatisticsCollector()
    bad, no = asked(Source(InvalidArgumentError("bad image")), element=True)
    good, yes = asked(2)
    executor(echo, statistics=statistics).run([bad, good])
    assert str(no.one()) == "bad image"
    assert float(yes.one()["y"][0, 0]) == 2
    assert list(statistics.snapshot().batch_stats) == [1]


def test_gaps_are_seen_by_the_model_and_answered_by_nobody() -> None:
    ready = SequenceControl(ControlKind.READY, TensorSpec("ready", "INT32", (1,)), (0, 1))
    config = SequenceBatching(DirectStrategy(), control_input=(ready,))
    seen: list[Any] = []

    def look(request: ExecutionRequest) -> None:
        seen.append((int(request.inputs["ready"][0, 0]), float(request.inputs["x"][0, 0])))
        request.respond({"y": request.inputs["x"]})
        request.finish()

    def controlled(value: Any) -> tuple[Item, Answers]:
        item, answers = asked(value, element=True)
        item.inputs = {**item.inputs, "ready": np.ones(1, np.int32)}
        return item, answers

    null = Item({}, Answers(), element=True, null=True)
    first, one = controlled(row(1)[0])
    broken, none = controlled(Source(ValueError("bad")))
    last, two = controlled(row(2)[0])
    executor(only(look), sequence_batching=config).run([null, first, broken, last])
    assert seen == [(0, 0), (1, 1), (0, 0), (1, 2)]
    assert float(one.one()["y"][0]) == 1
    assert float(two.one()["y"][0]) == 2
    assert isinstance(none.one(), InternalError)


# one answer ---------------------------------------------------------------------------------------


def test_one_response_is_the_answer_with_its_parameters() -> None:
    statistics = StatisticsCollector()
    items = [asked(1), asked(2)]
    executor(echo, statistics=statistics).run([item for item, _ in items])
    for number, (item, answers) in enumerate(items, 1):
        assert float(answers.one()["y"][0, 0]) == number
        assert item.answer_parameters == {"echo": True}
    assert list(statistics.snapshot().batch_stats) == [2]


def test_a_response_without_finish_is_an_answer_when_the_model_returns() -> None:
    item, answers = asked(4)
    executor(only(lambda r: r.respond({"y": r.inputs["x"]}))).run([item])
    assert float(answers.one()["y"][0, 0]) == 4


@pytest.mark.parametrize("behaviour", [silent, only(lambda request: request.finish())])
def test_no_response_is_an_error(behaviour: Behaviour) -> None:
    item, answers = asked()
    executor(behaviour).run([item])
    assert isinstance(answers.one(), InternalError)
    assert str(answers.one()) == "model 'm' did not answer the request"


def test_a_second_response_is_an_error_for_both_sides() -> None:
    caught: list[Exception] = []

    def twice(request: ExecutionRequest) -> None:
        request.respond({"y": row(1)})
        with pytest.raises(InternalError) as error:
            request.respond({"y": row(2)})
        caught.append(error.value)

    item, answers = asked()
    executor(only(twice)).run([item])
    assert "sent more than one response" in str(answers.one())
    assert answers.one() is caught[0]


@pytest.mark.parametrize("first", ["finish", "fail", "reschedule"])
@pytest.mark.parametrize("second", ["respond", "finish", "fail", "reschedule"])
def test_after_the_end_every_call_raises_and_changes_nothing(first: str, second: str) -> None:
    calls: dict[str, Any] = {
        "respond": lambda r: r.respond({}),
        "finish": lambda r: r.finish(),
        "fail": lambda r: r.fail(InternalError("no")),
        "reschedule": lambda r: r.reschedule(),
    }
    raised: list[str] = []

    def end_twice(request: ExecutionRequest) -> None:
        calls[first](request)
        with pytest.raises(InternalError) as error:
            calls[second](request)
        raised.append(str(error.value))

    item, answers = asked()
    executor(only(end_twice)).run([item], reschedule=lambda item: True)
    assert "has ended a request before" in raised[0]
    assert len(answers.values) == (first != "reschedule")


def test_an_exception_answers_those_that_have_no_answer() -> None:
    items = [asked(1), asked(2), asked(3)]
    executor(failing).run([item for item, _ in items])
    outcomes = [answers.one() for _, answers in items]
    assert float(outcomes[0]["y"][0, 0]) == 1
    assert [str(o) for o in outcomes[1:]] == ["model 'm' failed: the model broke"] * 2


def test_an_interrupt_answers_and_goes_on() -> None:
    def interrupted(request: ExecutionRequest) -> None:
        raise KeyboardInterrupt

    item, answers = asked()
    with pytest.raises(KeyboardInterrupt):
        executor(only(interrupted)).run([item])
    assert isinstance(answers.one(), CancelledError)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"y": [1, 2]}, "model 'm' answered output 'y' as list"),
        ({"y": np.zeros((2, 4))}, "output 'y' of shape [2, 4] to an element"),
        ({"y": np.zeros(())}, "output 'y' of shape [] to an element"),
    ],
)
def test_what_is_no_response_fails(outputs: Any, message: str) -> None:
    item, answers = asked(row(1)[0], element=True)
    executor(only(lambda request: request.respond(outputs))).run([item])
    assert message in str(answers.one())


# calls -------------------------------------------------------------------------------------------


def test_calls_are_made_for_all_who_wait_and_with_all_that_they_hold() -> None:
    callers: list[Caller] = []

    def make(caller: Caller) -> Any:
        callers.append(caller)

    held = {n: Grant(n, {}) for n in "abc"}  # type: ignore[arg-type]
    run = executor(echo, make_calls=make)
    items = []
    for name, grants in (("p", "a"), ("q", "b"), (None, "")):
        caller = Caller(frozenset({name}), tuple(held[g] for g in grants)) if name else None
        items.append(asked(request=InferenceRequest("m", {}, caller=caller))[0])
    run.run(items, held["c"])
    run.run([asked()[0]])
    assert callers[0].models == {"m", "p", "q"}
    assert set(map(id, callers[0].grants)) == {id(grant) for grant in held.values()}
    assert callers[1] == Caller(frozenset({"m"}))


def test_without_a_server_calls_are_refused() -> None:
    def behave(requests: Sequence[ExecutionRequest], calls: Any) -> None:
        calls.model_ready("other")

    item, answers = asked()
    executor(behave).run([item])
    assert isinstance(answers.one(), UnsupportedError)


def test_who_was_cancelled_before_the_model_ran_is_not_run() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    gone, no = asked(request=InferenceRequest("m", {}, cancellation=cancellation))
    lone, none = asked(request=InferenceRequest("m", {}, cancellation=cancellation))
    here, yes = asked(2)
    instance_sizes: list[int] = []

    def count(requests: Sequence[ExecutionRequest], calls: Any) -> None:
        instance_sizes.append(len(requests))
        echo(requests, calls)

    run = executor(count)
    run.run([gone, here])
    run.run([lone])
    assert instance_sizes == [1]
    assert str(no.one()) == str(none.one()) == "request was cancelled"
    assert float(yes.one()["y"][0, 0]) == 2
