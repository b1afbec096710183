# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decoupled ensembles with threads: in a server, and producers that wait for room."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_backend import TIMEOUT, FakeBackend, Outcomes, ensemble, fake, loaded, row, step, value
from fake_ensemble import (
    Stream,
    ToyModel,
    a_step,
    an_ensemble,
    decoupled,
    holder,
    num,
    served,
)
from fake_requests import FakeRequestBackend, behaving
from toy_models import write_repository

from triton_ros.core.errors import CancelledError, InternalError, UnsupportedError
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

REPEAT = "max_batch_size: 4 model_transaction_policy { decoupled: true }"
PLAIN = "instance_group { count: 2 } max_batch_size: 4 dynamic_batching {}"


def limited(toy: Any, limit: int) -> Any:
    """The ensemble with `max_inflight_requests`."""
    scheduling = f"ensemble_scheduling {{ max_inflight_requests: {limit}"
    return replace(toy, config=toy.config.replace("ensemble_scheduling {", scheduling, 1))


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_many_streams_at_once(tmp_path: Path, limit: int) -> None:
    """Each response of `d` goes through two instances of `b`, and comes in order."""
    backends: dict[str, Any] = {"fake": FakeBackend(), "requests": FakeRequestBackend()}
    chain = ensemble(step("d", "x:X", "y:M"), step("b", "x:M", "y:Y"))
    models = {"d": behaving("repeat", REPEAT), "b": fake(10, PLAIN), "e": limited(chain, limit)}
    write_repository(tmp_path, models)
    with InferenceServer([tmp_path], backends.__getitem__) as server:
        loaded(server, "e")
        assert server.describe("e").config.decoupled
        streams = []
        for count in (0, 1, 7, 40):
            came, done = [], Outcomes()
            request = InferenceRequest("e", {"X": row(count)}, on_response=came.append)
            server.submit(request, done)
            streams.append((count, came, done))
        for count, came, done in streams:
            outcome = done.one()
            assert isinstance(outcome, InferenceResponse), outcome
            assert outcome.outputs == {}
            assert [value(response, "Y") for response in came] == [10 + n for n in range(count)]
        with pytest.raises(UnsupportedError, match="give the request an on_response"):
            server.infer(InferenceRequest("e", {"X": row(1)}), TIMEOUT)
        assert server.close(TIMEOUT) == ()


# --- max_inflight_requests ------------------------------------------------------------------------

STEPS = a_step("d", "x:X", "y:M"), a_step("b", "x:M", "y:Y")
LIMITED = an_ensemble(*STEPS, max_inflight_requests=1)


class Producer:
    """A thread that answers as a decoupled model does; every wait has a timeout."""

    def __init__(self, model: ToyModel, count: int) -> None:
        self.sent = 0
        self._changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, args=(model, count), daemon=True)
        self.thread.start()

    def _run(self, model: ToyModel, count: int) -> None:
        for number in range(count):
            model.respond({"y": num(number)})
            with self._changed:
                self.sent += 1
                self._changed.notify_all()
        model.answer()

    def wait_sent(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.sent >= count, TIMEOUT)

    def join(self) -> None:
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive()


def in_line(stream: Stream, step: int) -> threading.Semaphore:
    """Released whenever a request has come to stand in line at a step."""
    came = threading.Semaphore(0)
    gate = stream.ensemble._host.gates[step]
    enter = gate.enter

    def signalling(errand: Any) -> bool:
        entered = enter(errand)
        if not entered:
            came.release()
        return entered

    gate.enter = signalling  # type: ignore[method-assign]
    return came


def test_a_producer_waits_for_room_in_the_next_step() -> None:
    d, b = decoupled(), holder("b")
    stream = Stream(LIMITED, d, b)
    waits = in_line(stream, 1)
    producer = Producer(d, 3)
    for number in (0, 1):
        assert waits.acquire(timeout=TIMEOUT)
        producer.wait_sent(number + 1)
        assert producer.sent == number + 1
        assert len(b.held) == 1
        b.answer(0, {"y": num(number)})
    producer.join()
    b.answer(0, {"y": num(2)})
    stream.ended()
    assert stream.values == [0, 1, 2]


@pytest.mark.parametrize("cancel", [True, False])
def test_a_waiting_producer_goes_on_when_its_request_fails(cancel: bool) -> None:
    token, d, b = Cancellation(), decoupled(), holder("b")
    stream = Stream(LIMITED, d, b, cancellation=token)
    waits = in_line(stream, 1)
    producer = Producer(d, 5)
    assert waits.acquire(timeout=TIMEOUT)
    if cancel:
        token.cancel()
    else:
        b.answer(0, InternalError("boom"))
    producer.join()
    if cancel:
        b.answer(0, {"y": num(1)})
    assert len(b.requests) == 1
    assert isinstance(stream.ended(), CancelledError if cancel else InternalError)


def test_the_room_is_shared_by_all_requests() -> None:
    d, b = decoupled(), holder("b")
    ensemble, shelf = served(an_ensemble(*STEPS, max_inflight_requests=2), [d, b])
    came: list[Any] = []
    for _ in range(3):
        request = InferenceRequest("E", {"X": np.float32([0])}, on_response=came.append)
        ensemble.submit(request, came.append)
    assert len(d.held) == 2
    assert ensemble.pending == 1
    d.answer(0)
    assert len(d.held) == 2
    d.answer(0)
    d.answer(0)
    assert len(came) == 3
    assert shelf.complete
