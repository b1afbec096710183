# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that call models: who is refused, what is handed on, and what must not wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from fake_backend import Outcomes

from triton_ros.core.errors import InvalidArgumentError, NotFoundError, UnsupportedError
from triton_ros.core.model_calls import NoCalls, ServerCalls, refuse_circular
from triton_ros.core.request import Caller, Done, InferenceRequest, InferenceResponse

CALLER = Caller(frozenset({"a", "b"}), ("grant",))


class Server:
    """Answers every request; its futures are the test's."""

    def __init__(self) -> None:
        self.requests: list[InferenceRequest] = []
        self.future: Future[None] = Future()

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        self.requests.append(request)
        return InferenceResponse(request.model_name, 1, {})

    def submit(self, request: InferenceRequest, done: Done) -> str:
        done(self.infer(request))
        return "a ticket"

    def load_model(self, name: str) -> Future[None]:
        return self.future

    def unload_model(self, name: str) -> Future[None]:
        return self.future

    def model_ready(self, name: str, version: int = -1) -> bool:
        return (name, version) == ("c", 3)


def test_requests_carry_who_called_and_the_callers_own_stay_as_they_are() -> None:
    server, outcomes = Server(), Outcomes()
    calls = ServerCalls(server, CALLER)
    request = InferenceRequest("c", {}, id="7", deadline_ns=5)
    assert calls.infer(request).model_name == "c"
    calls.submit(request, outcomes)
    assert len(outcomes.values) == 1
    assert request.caller is None
    for called in server.requests:
        assert (called.caller, called.id, called.deadline_ns) == (CALLER, "7", 5)
        assert called.cancellation is None


@pytest.mark.parametrize("how", ["infer", "submit"])
def test_a_circular_call_is_refused(how: str) -> None:
    server, outcomes = Server(), Outcomes()
    calls = ServerCalls(server, CALLER)
    with pytest.raises(InvalidArgumentError) as caught:
        if how == "infer":
            calls.infer(InferenceRequest("b", {}))
        else:
            calls.submit(InferenceRequest("b", {}), outcomes)
    assert str(caught.value) == (
        "model 'b' calls itself: the request was made while executing 'a', 'b';"
        " circular calls can wait for each other for ever"
    )
    assert not server.requests
    assert not outcomes.values


def test_a_step_of_a_called_ensemble_is_refused_by_its_own_name() -> None:
    step = InferenceRequest("ensemble", {}, caller=CALLER)
    refuse_circular(step, "c")
    refuse_circular(InferenceRequest("a", {}), "a")
    with pytest.raises(InvalidArgumentError, match="model 'a' calls itself"):
        refuse_circular(step, "a")


def test_loading_waits_and_tells_why_it_failed() -> None:
    server = Server()
    server.future.set_exception(NotFoundError("no such model"))
    with pytest.raises(NotFoundError):
        ServerCalls(server, CALLER).load_model("c")


def test_unloading_does_not_wait_but_tells_what_is_known() -> None:
    server = Server()
    calls = ServerCalls(server, CALLER)
    calls.unload_model("a")  # of a model that waits for this very call
    server.future.set_exception(NotFoundError("no such model"))
    with pytest.raises(NotFoundError):
        calls.unload_model("c")


def test_readiness_is_the_servers() -> None:
    calls = ServerCalls(Server(), CALLER)
    assert calls.model_ready("c", 3)
    assert not calls.model_ready("c")


@pytest.mark.parametrize(
    "call",
    [
        lambda calls: calls.infer(InferenceRequest("c", {})),
        lambda calls: calls.submit(InferenceRequest("c", {}), print),
        lambda calls: calls.load_model("c"),
        lambda calls: calls.unload_model("c"),
        lambda calls: calls.model_ready("c"),
    ],
)
def test_where_there_is_no_server_every_call_says_why(call: Callable[[Any], Any]) -> None:
    with pytest.raises(UnsupportedError, match="not yet"):
        call(NoCalls("not yet"))
