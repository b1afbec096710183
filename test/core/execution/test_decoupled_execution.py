# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decoupled and iterative models: any number of responses, in order, from any thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fake_backend import TIMEOUT, row
from fake_requests import Late, again, asked, executor, only, repeat, silent, streamed

from triton_ros.core.backend import ExecutionRequest
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.execution.payload import Item
from triton_ros.core.request import Timing
from triton_ros.core.tensor import Array

# decoupled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_responses_and_then_the_end(count: int) -> None:
    item, answers = streamed(count)
    executor(repeat, decoupled=True).run([item])
    assert answers.one() == {}
    assert answers.numbers == list(range(count))
    assert [p for _, p, _ in answers.responses] == [{"number": n} for n in range(count)]


def test_responses_come_after_the_execution_from_any_thread() -> None:
    late = Late()
    items = [streamed(), streamed()]
    executor(late, decoupled=True).run([item for item, _ in items])
    assert not items[0][1].values
    late.answer(5, 6)
    late.answer()
    assert items[0][1].one() == {}
    assert items[0][1].numbers == [5, 6]
    assert items[1][1].one() == {}


def test_who_can_take_only_one_response_gets_it_from_a_decoupled_model() -> None:
    for count in (0, 1, 2):
        item, answers = asked(count)
        executor(repeat, decoupled=True).run([item])
        if count == 1:
            assert float(answers.one()["y"][0, 0]) == 0
        else:
            assert isinstance(answers.one(), InternalError)


def test_a_failure_is_the_last_answer() -> None:
    def some(request: ExecutionRequest) -> None:
        request.respond({"y": row(1)})
        request.fail(InvalidArgumentError("no more"))

    item, answers = streamed()
    executor(only(some), decoupled=True).run([item])
    assert answers.numbers == [1]
    assert str(answers.one()) == "no more"


def test_a_forgotten_request_fails_so_that_nobody_waits_for_ever() -> None:
    item, answers = streamed()
    executor(silent, decoupled=True).run([item])
    (outcome,) = answers.wait()
    assert str(outcome) == "model 'm' forgot a request without ending it"


def test_a_kept_request_that_is_dropped_later_fails_then() -> None:
    late = Late()
    item, answers = streamed()
    executor(late, decoupled=True).run([item])
    assert not answers.values
    late.kept.clear()
    assert isinstance(answers.wait()[0], InternalError)


def test_a_receiver_that_blocks_holds_up_its_own_senders_only() -> None:
    late = Late()
    slow, slow_answers = streamed()
    quick, quick_answers = streamed()
    entered, go = threading.Event(), threading.Event()

    def blocking(outputs: dict[str, Array], parameters: Any, timing: Timing) -> None:
        entered.set()
        assert go.wait(TIMEOUT)
        slow_answers.respond(outputs, parameters, timing)

    slow.respond = blocking
    executor(late, decoupled=True).run([slow, quick])
    sender = threading.Thread(target=late.answer, args=(1, 2))
    sender.start()
    assert entered.wait(TIMEOUT)
    late.answer(3)
    assert quick_answers.one() == {}
    assert not slow_answers.values
    go.set()
    sender.join(TIMEOUT)
    assert slow_answers.numbers == [1, 2]


def test_responses_of_many_threads_reach_the_receiver_one_at_a_time() -> None:
    late = Late()
    item, answers = streamed()
    inside = threading.Lock()

    def alone(outputs: dict[str, Array], parameters: Any, timing: Timing) -> None:
        assert inside.acquire(blocking=False)
        answers.respond(outputs, parameters, timing)
        inside.release()

    item.respond = alone
    executor(late, decoupled=True).run([item])
    (request,) = late.kept

    def send(thread: int) -> None:
        for number in range(50):
            request.respond({"y": row(thread * 100 + number)})

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join(TIMEOUT)
    request.finish()
    assert answers.one() == {}
    assert len(answers.responses) == 200
    for thread in range(4):
        mine = [n % 100 for n in answers.numbers if n // 100 == thread]
        assert mine == list(range(50))


def test_a_receiver_that_raises_does_not_cost_the_rest() -> None:
    def raising(outputs: Any, parameters: Any, timing: Timing) -> None:
        raise RuntimeError("a bug in the caller")

    item, answers = streamed(2)
    item.respond = raising
    executor(repeat, decoupled=True).run([item])
    assert answers.one() == {}


# reschedule --------------------------------------------------------------------------------------


def test_a_rescheduled_request_runs_again_and_is_answered_once() -> None:
    run = executor(again)
    queued: list[Item] = []

    def queue(item: Item) -> bool:
        queued.append(item)
        return True

    item, answers = asked(1)
    run.run([item], reschedule=queue)
    assert queued == [item]
    assert not answers.values
    item.inputs = {"x": row(3)}
    run.run([item])
    assert float(answers.one()["y"][0, 0]) == 3


def test_a_model_that_may_not_reschedule_fails_the_request() -> None:
    item, answers = asked(1)
    executor(again).run([item])
    assert "sequence_batching.iterative_sequence: true" in str(answers.one())


def test_an_answered_request_cannot_be_rescheduled() -> None:
    def both(request: ExecutionRequest) -> None:
        request.respond({"y": row(1)})
        request.reschedule()

    item, answers = asked()
    executor(only(both)).run([item])
    assert "rescheduled a request that it had answered" in str(answers.one())


def test_the_first_responses_state_goes_to_the_sequence() -> None:
    class State:
        kept: list[Any]

        def take(self, outputs: dict[str, Array]) -> dict[str, Array]:
            self.kept.append(outputs.pop("state"))
            return outputs

    state = State()
    state.kept = []

    def two(request: ExecutionRequest) -> None:
        request.respond({"y": row(1), "state": row(9)})
        request.respond({"y": row(2)})
        request.finish()

    item, answers = streamed(state=state)
    executor(only(two), decoupled=True).run([item])
    assert len(state.kept) == 1
    assert answers.numbers == [1, 2]
