# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ensembles with decoupled steps: every response runs the rest of the graph."""

from __future__ import annotations

import weakref
from typing import Any

from fake_ensemble import (
    Stream,
    ToyModel,
    a_config,
    a_step,
    adder,
    an_ensemble,
    ask,
    decoupled,
    holder,
    num,
    numbers,
    served,
)

from triton_ros.core.errors import CancelledError, InternalError, UnsupportedError
from triton_ros.core.request import Cancellation

CHAIN = an_ensemble(a_step("d", "x:X", "y:M"), a_step("b", "x:M", "y:Y"))


def test_every_response_runs_the_rest_of_the_graph() -> None:
    d = decoupled()
    stream = Stream(CHAIN, d, adder("b", 10), id="i", tag="t")
    for number in (1, 2, 3):
        d.respond({"y": num(number)})
        assert stream.values[-1] == number + 10
    assert len(stream.came) == 3
    d.answer()
    final = stream.ended()
    assert final.outputs == {}
    assert stream.values == [11, 12, 13]
    assert {(r.model_name, r.id, r.tag) for r in stream.came} == {("E", "i", "t")}


def test_responses_are_counted_one_by_one() -> None:
    d = decoupled()
    stream = Stream(CHAIN, d, adder("b", 10))
    for number in (1, 2):
        d.respond({"y": num(number)})
    d.answer()
    found = stream.ensemble.statistics.snapshot()
    assert (found.success.count, found.inference_count) == (1, 1)
    counted = found.as_json("E", 1)["response_stats"]
    assert [int(counted[i]["success"]["count"]) for i in ("0", "1")] == [1, 1]
    assert "2" not in counted


def test_no_response_is_only_a_final_one() -> None:
    d = decoupled()
    stream = Stream(CHAIN, d, adder("b", 10))
    d.answer()
    assert stream.ended().outputs == {}
    assert stream.values == []


def test_the_final_outcome_comes_after_all_parts() -> None:
    d, b = decoupled(), holder("b")
    stream = Stream(CHAIN, d, b)
    d.respond({"y": num(1)})
    d.answer()
    assert stream.came == []
    b.answer(0, {"y": num(5)})
    stream.ended()
    assert stream.values == [5]


def test_responses_keep_the_order_of_what_they_were_made_from() -> None:
    d, b = decoupled(), holder("b")
    stream = Stream(CHAIN, d, b)
    for number in (1, 2, 3):
        d.respond({"y": num(number)})
    b.answer(2, {"y": num(3)})
    b.answer(1, {"y": num(2)})
    assert stream.came == []
    b.answer(0, {"y": num(1)})
    assert stream.values == [1, 2, 3]
    d.answer()
    stream.ended()


def test_decoupled_steps_in_a_row() -> None:
    d, e = decoupled("d"), decoupled("e")
    config = an_ensemble(
        a_step("d", "x:X", "y:M"), a_step("e", "x:M", "y:N"), a_step("b", "x:N", "y:Y")
    )
    stream = Stream(config, d, e, adder("b", 0))
    d.respond({"y": num(1)})
    d.respond({"y": num(2)})
    e.respond({"y": num(20)}, 1)
    e.respond({"y": num(10)}, 0)
    assert stream.values == [10]
    e.respond({"y": num(11)}, 0)
    d.answer()
    e.answer(0)
    assert stream.values == [10, 11, 20]
    e.respond({"y": num(21)})
    e.answer()
    stream.ended()
    assert stream.values == [10, 11, 20, 21]


def test_a_request_without_a_receiver_is_refused() -> None:
    outcomes: list[Any] = []
    ensemble, shelf = served(CHAIN, [decoupled(), adder("b", 1)])
    ensemble.submit(ask(), outcomes.append)
    assert isinstance(outcomes[0], UnsupportedError)
    assert "model 'E' is decoupled: give the request an on_response" in str(outcomes[0])
    assert shelf.complete


def test_the_configuration_follows_the_steps() -> None:
    ensemble, shelf = served(CHAIN, [decoupled(), adder("b", 1)])
    assert ensemble.config.decoupled
    assert shelf.complete
    shelf.models["d"] = adder("d", 1)
    outcomes: list[Any] = []
    ensemble.submit(ask(), outcomes.append)
    assert numbers(outcomes[0]) == {"Y": 2}
    assert not ensemble.config.decoupled


def test_an_ordinary_ensemble_answers_once_though_there_is_a_receiver() -> None:
    stream = Stream(CHAIN, adder("d", 1), adder("b", 10))
    assert numbers(stream.ended()) == {"Y": 11}
    assert len(stream.came) == 1


def test_the_failure_of_a_part_is_the_final_outcome() -> None:
    d, b = decoupled(), holder("b")
    token = Cancellation()
    stream = Stream(CHAIN, d, b, cancellation=token)
    d.respond({"y": num(1)})
    d.respond({"y": num(2)})
    b.answer(0, {"y": num(1)})
    b.answer(0, InternalError("boom"))
    own = d.requests[0].cancellation
    assert own is not None
    assert own.cancelled, "the producer is told to stop"
    assert not token.cancelled, "not so what else the caller's token stands for"
    d.respond({"y": num(3)})
    assert len(b.requests) == 2
    assert len(stream.came) == 1
    d.answer(0, CancelledError("stopped"))
    assert str(stream.ended()) == "in ensemble 'E', boom"
    assert stream.values == [1]


def test_a_producer_without_its_input_is_a_failure() -> None:
    silent = ToyModel(a_config("a", "x", "y"), lambda request: {})
    config = an_ensemble(
        a_step("a", "x:X", "y:A"), a_step("d", "x:A", "y:M"), a_step("b", "x:M", "y:Y")
    )
    stream = Stream(config, silent, decoupled(), adder("b", 1))
    assert str(stream.ended()) == (
        "in ensemble 'E', step 'd' cannot run: model 'a' did not answer 'y'"
    )


def test_the_producers_failure_waits_for_what_runs() -> None:
    d, b = decoupled(), holder("b")
    stream = Stream(CHAIN, d, b)
    d.respond({"y": num(1)})
    d.answer(0, InternalError("boom"))
    assert stream.came == []
    b.answer(0, {"y": num(1)})
    assert str(stream.ended()) == "in ensemble 'E', boom"


def test_the_callers_cancellation_reaches_the_steps() -> None:
    d, token = decoupled(), Cancellation()
    stream = Stream(CHAIN, d, adder("b", 1), cancellation=token)
    own = d.requests[0].cancellation
    assert own is not None
    token.cancel()
    assert own.cancelled
    d.respond({"y": num(1)})
    d.answer(0)
    assert str(stream.ended()) == "in ensemble 'E', request was cancelled"
    other = Cancellation()
    stream = Stream(CHAIN, d, adder("b", 1), cancellation=other)
    d.answer()
    stream.ended()
    assert not other._watchers


def test_a_condition_for_every_response() -> None:
    config = an_ensemble(
        a_step("d", "x:X", "y:M"), a_step("b", "x:M", "y:Y", run_if="M"), outputs="M Y"
    )
    d = decoupled()
    stream = Stream(config, d, adder("b", 10))
    for number in (1, 0, 2):
        d.respond({"y": num(number)})
    d.answer()
    stream.ended()
    assert [numbers(r) for r in stream.came[:-1]] == [
        {"M": 1, "Y": 11},
        {"M": 0},
        {"M": 2, "Y": 12},
    ]


def test_a_nested_decoupled_ensemble() -> None:
    d = decoupled()
    inner_config = an_ensemble(*CHAIN.ensemble)
    inner, inner_shelf = served(inner_config, [d, adder("b", 10)])
    outer = an_ensemble(a_step("E", "X:X", "Y:M"), a_step("c", "x:M", "y:Y"))
    stream = Stream(outer, inner, adder("c", 100))
    d.respond({"y": num(1)})
    d.respond({"y": num(2)})
    d.answer()
    stream.ended()
    assert stream.values == [111, 112]
    assert inner_shelf.complete


def test_a_receiver_that_raises_still_gets_its_outcome(caplog: Any) -> None:
    def raises(response: Any) -> None:
        raise RuntimeError("receiver")

    d = decoupled()
    ensemble, shelf = served(CHAIN, [d, adder("b", 1)])
    outcomes: list[Any] = []
    ensemble.submit(ask(on_response=raises), outcomes.append)
    d.respond({"y": num(1)})
    d.answer()
    assert len(outcomes) == 1
    assert shelf.complete
    assert "a response callback raised" in caplog.text


def test_a_long_run_keeps_no_tensor() -> None:
    d = decoupled()
    b = adder("b", 1)
    seen: list[Any] = []
    ensemble, _ = served(CHAIN, [d, b])
    ensemble.submit(
        ask(on_response=lambda r: seen.append(weakref.ref(r.outputs["Y"]))), seen.append
    )
    for number in range(50):
        value = num(number)
        seen.append(weakref.ref(value))
        d.respond({"y": value})
        del value
        b.requests.clear()
    assert len(seen) == 100
    assert [ref for ref in seen if ref() is not None] == []
    d.answer()
