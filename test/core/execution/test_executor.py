# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One batch through one instance: everybody is answered once, whatever fails."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from fake_backend import Outcomes, Source, row

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.config.scheduling_config import SequenceBatching
from triton_ros.core.errors import CancelledError, InternalError, InvalidArgumentError
from triton_ros.core.execution.executor import Executor, deliver
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Cancellation, InferenceRequest, Timing
from triton_ros.core.telemetry.statistics import Duration, StatisticsCollector

Execute = Callable[[Mapping[str, Any]], Any]


class Instance:
    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def execute(self, inputs: Mapping[str, Any]) -> Any:
        return self._execute(inputs)

    def finalize(self) -> None: ...


def plus_one(inputs: Mapping[str, Any]) -> Any:
    return {"y": inputs["x"] + 1}


def raising(error: BaseException) -> Execute:
    def execute(inputs: Mapping[str, Any]) -> Any:
        raise error

    return execute


def executor(execute: Execute = plus_one) -> tuple[Executor, StatisticsCollector]:
    statistics = StatisticsCollector()
    ticks = itertools.count(100, 10)
    return Executor(
        Instance(execute), ModelConfig("m", max_batch_size=8), statistics, lambda: next(ticks)
    ), statistics


def items(*values: Any) -> tuple[list[Item], list[Outcomes]]:
    outcomes = [Outcomes() for _ in values]
    return [
        Item({"x": value}, done, element=True, offered_ns=40)
        for value, done in zip(values, outcomes, strict=True)
    ], outcomes


def test_everybody_gets_the_own_row_and_the_times() -> None:
    timings: list[Any] = []
    run, statistics = executor()
    batch = [
        Item({"x": row(v)[0]}, lambda o, t: timings.append((o, t)), element=True, offered_ns=40)
        for v in (1, 2)
    ]
    run.run(batch)
    assert [float(o["y"][0]) for o, _ in timings] == [2, 3]
    timing = timings[0][1]
    assert (timing.queue_ns, timing.compute_input_ns, timing.compute_infer_ns) == (60, 10, 10)
    assert (timing.compute_output_ns, timing.batch_size) == (10, 2)
    found = statistics.snapshot()
    assert (list(found.batch_stats), found.execution_count) == ([2], 1)
    assert found.batch_stats[2].compute_infer == Duration(1, 10)


def test_a_failing_source_fails_alone() -> None:
    run, statistics = executor()
    batch, (a, b, c) = items(Source(1), Source(InvalidArgumentError("bad image")), Source(3))
    run.run(batch)
    assert float(a.one()["y"][0]) == 2
    assert str(b.one()) == "bad image"
    assert float(c.one()["y"][0]) == 4
    found = statistics.snapshot()
    assert (list(found.batch_stats), found.execution_count) == ([2], 1)


def test_a_batch_whose_sources_all_fail_does_not_run() -> None:
    def execute(inputs: Mapping[str, Any]) -> Any:
        raise AssertionError("nothing to run")

    run, statistics = executor(execute)
    batch, (a, b) = items(Source(ValueError("one")), Source(ValueError("two")))
    run.run(batch)
    assert "one" in str(a.one())
    assert "two" in str(b.one())
    assert statistics.snapshot().execution_count == 0


@pytest.mark.parametrize(
    ("execute", "message"),
    [
        (lambda inputs: 1 / 0, "model 'm' failed: division by zero"),
        (lambda inputs: {"y": row(0, 7)}, "output 'y' has shape [7, 4] for a batch of 2"),
        (lambda inputs: {"y": [1, 2]}, "output 'y' is no array but list"),
        (lambda inputs: None, "model 'm' failed"),
    ],
)
def test_a_failing_model_fails_everybody(execute: Execute, message: str) -> None:
    run, statistics = executor(execute)
    batch, outcomes = items(row(1)[0], row(2)[0])
    run.run(batch)
    for outcome in outcomes:
        assert isinstance(outcome.one(), InternalError)
        assert message in str(outcome.one())
    assert statistics.snapshot().execution_count == 0


def test_a_models_own_error_is_passed_on() -> None:
    def execute(inputs: Mapping[str, Any]) -> Any:
        raise InvalidArgumentError("index out of range")

    run, _ = executor(execute)
    batch, (a,) = items(row(1)[0])
    run.run(batch)
    assert isinstance(a.one(), InvalidArgumentError)


def test_items_that_cannot_be_merged_are_answered() -> None:
    class Odd:
        shape = (-3,)
        dtype = np.dtype(np.float32)

        def write(self, out: Any) -> None: ...

    run, _ = executor()
    batch, outcomes = items(Odd(), Odd())
    run.run(batch)
    for outcome in outcomes:
        assert isinstance(outcome.one(), InternalError)


def test_a_callback_that_raises_does_not_cost_the_others_their_answers() -> None:
    run, _ = executor()
    batch, (a, _b, c, d) = items(Source(1), Source(2), Source(ValueError("bad")), Source(4))

    def raising(outcome: Any, timing: Any) -> None:
        raise RuntimeError("a bug in the caller")

    batch[1].done = raising
    batch.append(Item({"x": Source(ValueError("bad"))}, raising, element=True))
    run.run(batch)
    assert float(a.one()["y"][0]) == 2
    assert isinstance(c.one(), InternalError)
    assert float(d.one()["y"][0]) == 5


def test_an_interrupt_answers_and_goes_on() -> None:
    def execute(inputs: Mapping[str, Any]) -> Any:
        raise KeyboardInterrupt

    run, _ = executor(execute)
    batch, (a,) = items(row(1)[0])
    with pytest.raises(KeyboardInterrupt):
        run.run(batch)
    assert isinstance(a.one(), CancelledError)


def test_answers_outlive_the_next_batches() -> None:
    run, _ = executor(lambda inputs: {"y": inputs["x"]})  # the answer looks into the batch tensor
    kept = []
    for number in range(5):
        batch, outcomes = items(Source(number), Source(number + 100))
        run.run(batch)
        kept += [(number, outcomes[0].one()["y"]), (number + 100, outcomes[1].one()["y"])]
    for number, answer in kept:
        np.testing.assert_array_equal(answer, row(number)[0])


@pytest.mark.parametrize("fill", [row(2)[0], Source(2)])
def test_who_was_cancelled_while_waiting_is_answered_without_being_run(fill: Any) -> None:
    seen: list[int] = []

    def execute(inputs: Mapping[str, Any]) -> Any:
        seen.append(len(inputs["x"]))
        return plus_one(inputs)

    cancellation = Cancellation()
    run, _ = executor(execute)
    batch, (a, b, c) = items(fill, fill, fill)
    for item in batch:
        item.request = InferenceRequest("m", {}, cancellation=Cancellation())
    batch[1].request = InferenceRequest("m", {}, cancellation=cancellation)
    cancellation.cancel()
    run.run(batch)
    assert seen == [2]
    assert isinstance(b.one(), CancelledError)
    assert str(b.one()) == "request was cancelled"
    assert float(a.one()["y"][0]) == float(c.one()["y"][0]) == 3


def test_a_cancelled_row_of_a_sequence_stays_where_it_is() -> None:
    seen: list[Any] = []

    def execute(inputs: Mapping[str, Any]) -> Any:
        seen.append(inputs["x"][:, 0].tolist())
        return plus_one(inputs)

    config = ModelConfig("m", max_batch_size=8, sequence_batching=SequenceBatching())
    run = Executor(Instance(execute), config, StatisticsCollector(), lambda: 0)
    batch, (a, b) = items(row(1)[0], row(2)[0])
    cancellation = Cancellation()
    cancellation.cancel()
    batch[0].request = InferenceRequest("m", {}, cancellation=cancellation)
    run.run(batch)
    assert seen == [[0, 2]]
    assert isinstance(a.one(), CancelledError)
    assert float(b.one()["y"][0]) == 3


@pytest.mark.parametrize("fill", [row(1)[0], Source(1)])
def test_a_sequences_state_is_taken_from_its_own_row(fill: Any) -> None:
    class State:
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def take(self, outputs: dict[str, Any]) -> dict[str, Any]:
            self.kept.append(outputs.pop("state"))
            return outputs

    run, _ = executor(lambda inputs: {"y": inputs["x"], "state": inputs["x"] + 1})
    batch, (a,) = items(fill)
    batch[0].state = state = State()
    run.run(batch)
    np.testing.assert_array_equal(state.kept[0], row(2)[0])
    assert list(a.one()) == ["y"]


def test_null_rows_fill_the_batch_and_count_for_nothing() -> None:
    timings: list[Any] = []
    run, statistics = executor()
    real = Item({"x": row(1)}, lambda o, t: timings.append((o, t)))
    null = Item({}, lambda o, t: timings.append("answered"), null=True)
    run.run([null, real, null])
    ((outcome, timing),) = timings
    assert float(outcome["y"][0, 0]) == 2
    assert timing.batch_size == 1
    assert list(statistics.snapshot().batch_stats) == [1]
    run.run([null])
    assert statistics.snapshot().execution_count == 1


def test_kept_batch_tensors_are_accounted() -> None:
    run, _ = executor(lambda inputs: {"y": inputs["x"].copy()})
    assert run.pooled_bytes == 0
    for _ in range(2):
        batch, _outcomes = items(Source(1), Source(2))
        run.run(batch)
        assert run.pooled_bytes == 2 * 4 * 4


def test_an_output_may_be_absent() -> None:
    run, _ = executor(lambda inputs: {})
    batch, (a, b) = items(row(1)[0], row(2)[0])
    run.run(batch)
    assert a.one() == b.one() == {}


def test_who_was_cancelled_alone_is_not_run() -> None:
    run, statistics = executor()
    batch, (a,) = items(row(1)[0])
    batch[0].request = InferenceRequest("m", {}, cancellation=Cancellation())
    batch[0].request.cancellation.cancel()
    run.run(batch)
    assert isinstance(a.one(), CancelledError)
    assert statistics.snapshot().execution_count == 0


def test_an_answered_item_lets_go_of_its_callback_and_is_not_answered_again() -> None:
    item = Item({"x": row(1)}, lambda outcome, timing: None)
    outcomes = Outcomes()
    item.done = lambda outcome, timing: outcomes((item, outcome))  # a circle
    gone = weakref.ref(item.done)
    deliver(item, {}, Timing())
    assert gone() is None
    deliver(item, {}, Timing())
    assert len(outcomes.values) == 1


@pytest.mark.parametrize("max_batch_size", [0, 8])
def test_an_output_must_be_an_array(max_batch_size: int) -> None:
    config = ModelConfig("m", max_batch_size=max_batch_size)
    run = Executor(Instance(lambda inputs: {"y": [1.0]}), config, StatisticsCollector(), lambda: 0)
    outcomes = Outcomes()
    run.run([Item({"x": row(1)}, outcomes)])
    assert "output 'y' is no array but list" in str(outcomes.one())


def test_a_plain_request_runs_without_an_item() -> None:
    run, statistics = executor()
    assert run.direct
    outputs, timing = run.run_direct({"x": row(1, 2)}, 2, 40)
    np.testing.assert_array_equal(outputs["y"], row(2, 2))
    assert (timing.queue_ns, timing.compute_infer_ns, timing.batch_size) == (60, 10, 2)
    assert list(statistics.snapshot().batch_stats) == [2]


@pytest.mark.parametrize(
    ("execute", "kind", "message"),
    [
        (lambda inputs: 1 / 0, InternalError, "model 'm' failed: division by zero"),
        (lambda inputs: {"y": row(0, 7)}, InternalError, "for a batch of 2"),
        (lambda inputs: {"y": [1, 2]}, InternalError, "is no array"),
        (raising(InvalidArgumentError("out of range")), InvalidArgumentError, "out of range"),
        (raising(KeyboardInterrupt("stop")), KeyboardInterrupt, "stop"),
    ],
)
def test_a_plain_request_that_fails_raises(
    execute: Execute, kind: type[BaseException], message: str
) -> None:
    run, statistics = executor(execute)
    with pytest.raises(kind, match=message):
        run.run_direct({"x": row(1, 2)}, 2, 40)
    assert statistics.snapshot().execution_count == 0
