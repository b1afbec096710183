# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that answer requests themselves, in a server: decoupled, iterative, calling each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    Outcomes,
    ensemble,
    fake,
    loaded,
    request,
    step,
    value,
)
from fake_requests import Behaviour, FakeRequestBackend, behaving, calling
from toy_models import Toy, write_repository

from triton_ros.core.backend import ExecutionRequest, ModelCalls
from triton_ros.core.errors import InternalError, InvalidArgumentError
from triton_ros.core.request import InferenceResponse
from triton_ros.core.server import InferenceServer

DECOUPLED = "model_transaction_policy { decoupled: true }"

Serve = Callable[..., InferenceServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A server with all these models loaded; `own` are behaviours of the test."""
    servers: list[InferenceServer] = []

    def build(own: Mapping[str, Behaviour] | None = None, **models: Toy) -> InferenceServer:
        write_repository(tmp_path, models)
        backends: dict[str, Any] = {
            "fake": FakeBackend(),
            "requests": FakeRequestBackend(dict(own or {})),
        }
        servers.append(InferenceServer([tmp_path], backends.__getitem__))
        loaded(servers[-1], *models)
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()


def test_a_model_that_answers_itself_is_a_model_like_others(serve: Serve) -> None:
    server = serve(m=behaving("echo"))
    answer = server.infer(request("m", 3), TIMEOUT)
    assert value(answer) == 3
    assert answer.parameters == {"echo": True}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_decoupled_model_sends_any_number_of_responses(serve: Serve, count: int) -> None:
    server, done = serve(m=behaving("repeat", DECOUPLED)), Outcomes()
    responses: list[InferenceResponse] = []
    server.submit(request("m", count, id="7", on_response=responses.append), done)
    last = done.one()
    assert isinstance(last, InferenceResponse)
    assert (last.outputs, last.final) == ({}, True)
    assert [value(r) for r in responses] == list(range(count))
    assert all((r.id, r.final) == ("7", False) for r in responses)
    assert [r.parameters for r in responses] == [{"number": n} for n in range(count)]


def test_a_failing_model_says_who_failed(serve: Serve) -> None:
    server = serve(m=behaving("silent"))
    with pytest.raises(InternalError, match="model 'm' did not answer the request"):
        server.infer(request("m"), TIMEOUT)


def test_models_call_models(serve: Serve) -> None:
    server = serve({"logic": calling("plus")}, m=behaving("logic"), plus=fake(5))
    assert value(server.infer(request("m", 1), TIMEOUT)) == 6


def test_a_circle_of_calls_is_refused(serve: Serve) -> None:
    behaviours = {"to_b": calling("b"), "to_a": calling("a")}
    server = serve(behaviours, a=behaving("to_b"), b=behaving("to_a"))
    with pytest.raises(InvalidArgumentError, match="model 'a' calls itself"):
        server.infer(request("a"), TIMEOUT)


def test_a_circle_through_an_ensemble_is_refused(serve: Serve) -> None:
    server = serve(
        {"to_e": calling("e")},
        a=behaving("to_e"),
        e=ensemble(step("a", "x:x", "y:y"), inputs="x", outputs="y"),
    )
    for name in ("a", "e"):
        with pytest.raises(InvalidArgumentError, match="calls itself"):
            server.infer(request(name), TIMEOUT)


def test_a_model_may_unload_itself_while_it_answers(serve: Serve) -> None:
    def leave(requests: list[ExecutionRequest], calls: ModelCalls) -> None:
        calls.unload_model("m")
        for asked in requests:
            asked.respond({"y": asked.inputs["x"]})
            asked.finish()

    server = serve({"leave": leave}, m=behaving("leave"))  # type: ignore[dict-item]
    assert value(server.infer(request("m", 2), TIMEOUT)) == 2
    assert not server.model_ready("m")


@pytest.mark.parametrize("kind", ["", "oldest { max_candidate_sequences: 4 }", "direct {}"])
def test_an_iterative_model_runs_until_it_has_an_answer(serve: Serve, kind: str) -> None:
    executions: list[int] = []

    def thrice(requests: list[ExecutionRequest], calls: ModelCalls) -> None:
        executions.append(len(requests))
        for asked in requests:
            if len(executions) < 3:
                asked.reschedule()
            else:
                asked.respond({"y": asked.inputs["x"]})
                asked.finish()

    sequences = f"max_batch_size: 4 sequence_batching {{ iterative_sequence: true {kind} }}"
    server = serve({"thrice": thrice}, m=behaving("thrice", sequences))  # type: ignore[dict-item]
    assert value(server.infer(request("m", 2), TIMEOUT)) == 2
    assert len(executions) == 3
