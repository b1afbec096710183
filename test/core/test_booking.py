# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A request is entered in its model's books once: statistics, cache and trace, through a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    FakeProcessor,
    Gate,
    Outcomes,
    fake,
    loaded,
    request,
    row,
    value,
)
from fake_requests import FakeRequestBackend, behaving
from toy_models import Toy, write_repository

from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import InternalError, TritonError, UnsupportedError
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions
from triton_ros.core.telemetry.statistics import FailureReason, Statistics

DECOUPLED = "max_batch_size: 4 model_transaction_policy { decoupled: true }"
ONE = "max_batch_size: 4 instance_group { count: 1 }"
CACHED = ONE + " response_cache { enable: true }"

Serve = Callable[..., InferenceServer]


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def serve(tmp_path: Path, backend: FakeBackend) -> Iterator[Serve]:
    servers: list[InferenceServer] = []

    def processor(config: ModelConfig, model_dir: Path) -> FakeProcessor | None:
        return FakeProcessor() if config.name == "p" else None

    def build(options: ServerOptions | None = None, **models: Toy) -> InferenceServer:
        write_repository(tmp_path, models)
        backends: dict[str, Any] = {"fake": backend, "requests": FakeRequestBackend()}
        servers.append(
            InferenceServer([tmp_path], backends.__getitem__, processor, options=options)
        )
        loaded(servers[-1], *models)
        backend.batches.clear()  # of the warm-up
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()


def statistics(server: InferenceServer, name: str = "m") -> Statistics:
    return server.describe(name).statistics


def queued(server: InferenceServer, asked: InferenceRequest) -> Any:
    done = Outcomes()
    server.submit(asked, done)
    return done.one()


@pytest.mark.parametrize("send", [queued, InferenceServer.infer])
def test_a_request_counts_once_and_its_rows_as_inferences(serve: Serve, send: Any) -> None:
    server = serve(m=fake(1, ONE))
    for rows in (1, 3):
        assert value(send(server, request("m", 1, rows))) == 2
    counted = statistics(server)
    assert (counted.success.count, counted.inference_count, counted.execution_count) == (2, 4, 2)
    assert counted.batch_sizes == {1: 1, 3: 1}
    for part in (counted.queue, counted.compute_input, counted.compute_infer):
        assert part.count == 2
    assert counted.success.ns >= counted.compute_infer.ns > 0


def test_elements_are_inferences_of_one_request(serve: Serve) -> None:
    server = serve(p=fake(1, ONE + " dynamic_batching {}"))
    queued(server, InferenceRequest("p", {"VALUES": np.arange(7, dtype=np.float32)}))
    counted = statistics(server, "p")
    assert (counted.success.count, counted.inference_count) == (1, 7)


def test_failures_count_by_reason(serve: Serve, backend: FakeBackend) -> None:
    server = serve(m=fake(1, ONE))

    def broken(model: Any, inputs: Any) -> None:
        raise RuntimeError("broken")

    backend.on_execute = broken
    assert isinstance(queued(server, request("m")), InternalError)
    with pytest.raises(InternalError):
        server.infer(request("m"))
    gate = backend.on_execute = Gate("m")
    server.submit(request("m"), Outcomes())
    gate.wait_entered()
    withdrawn, cancellation = Outcomes(), Cancellation()
    server.submit(request("m", cancellation=cancellation), withdrawn)
    cancellation.cancel()
    withdrawn.wait()
    late = queued(server, request("m", deadline_ns=1))
    assert str(late) == "Request deadline expired"
    gate.open()
    assert statistics(server).failures == {
        FailureReason.BACKEND: 2,
        FailureReason.CANCELED: 1,
        FailureReason.DEADLINE: 1,
    }
    assert statistics(server).fail.count == 4


def test_what_never_reached_the_queue_is_nobody_s_failure(serve: Serve) -> None:
    server = serve(m=fake(1, ONE))
    with pytest.raises(TritonError):
        server.infer(InferenceRequest("m", {"z": row()}))
    assert statistics(server).fail.count == 0


def test_the_same_request_is_answered_from_the_cache(serve: Serve, backend: FakeBackend) -> None:
    server = serve(ServerOptions(cache_byte_size=100_000), m=fake(1, CACHED))
    first = server.infer(request("m", 5, id="1"))
    again = queued(server, request("m", 5, id="2"))
    other = server.infer(request("m", 6))
    assert [first.cached, again.cached, other.cached] == [False, True, False]
    assert (value(again), again.id) == (6, "2")
    assert backend.sizes("m") == [1, 1]
    counted = statistics(server)
    assert (counted.cache_hit.count, counted.cache_miss.count) == (1, 2)
    assert (counted.success.count, counted.inference_count) == (3, 2)


def test_a_failed_answer_is_not_cached(serve: Serve, backend: FakeBackend) -> None:
    server = serve(ServerOptions(cache_byte_size=100_000), m=fake(1, CACHED))

    def broken(model: Any, inputs: Any) -> None:
        raise RuntimeError("broken")

    backend.on_execute = broken
    with pytest.raises(InternalError):
        server.infer(request("m", 5))
    backend.on_execute = lambda model, inputs: None
    assert not server.infer(request("m", 5)).cached
    assert server.infer(request("m", 5)).cached


def test_a_reloaded_model_does_not_answer_from_the_old_one_s_cache(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve(ServerOptions(cache_byte_size=100_000), m=fake(1, CACHED))
    assert value(server.infer(request("m", 5))) == 6
    write_repository(tmp_path, {"m": fake(2, CACHED)})
    loaded(server, "m")
    assert value(server.infer(request("m", 5))) == 7


def test_without_a_budget_nothing_is_cached(serve: Serve) -> None:
    server = serve(m=fake(1, CACHED))
    assert [server.infer(request("m", 5)).cached for _ in range(2)] == [False, False]


def test_responses_of_a_decoupled_model_count_by_their_index(serve: Serve) -> None:
    server = serve(m=behaving("repeat", DECOUPLED))
    responses: list[InferenceResponse] = []
    for count in (2, 0, 3):
        queued(server, request("m", count, on_response=responses.append))
    assert [value(r) for r in responses] == [0, 1, 0, 1, 2]
    assert not any(r.final for r in responses)
    found = statistics(server)
    counts = {i: (r.success.count, r.empty_response.count) for i, r in found.response_stats.items()}
    assert counts == {0: (2, 1), 1: (2, 0), 2: (1, 0)}
    assert found.success.count == 3


def test_a_decoupled_model_s_request_says_where_responses_go(serve: Serve) -> None:
    server = serve(m=behaving("repeat", DECOUPLED))
    with pytest.raises(UnsupportedError, match="model 'm' is decoupled"):
        server.infer(request("m", 1))


def test_a_stream_of_responses(serve: Serve) -> None:
    server = serve(m=behaving("repeat", DECOUPLED), one=fake(1, ONE))
    assert [value(r) for r in server.infer_stream(request("m", 3))] == [0, 1, 2]
    assert list(server.infer_stream(request("m", 0))) == []
    assert [value(r) for r in server.infer_stream(request("one", 3))] == [4]
    with pytest.raises(TritonError, match="unexpected inference input"):
        list(server.infer_stream(InferenceRequest("one", {"z": row()})))


def test_a_traced_request(serve: Serve, tmp_path: Path) -> None:
    server = serve(m=fake(1, ONE))
    file = tmp_path / "trace.json"
    server.tracer.update(
        {"trace_level": ["TIMESTAMPS", "TENSORS"], "trace_rate": "1", "trace_file": str(file)}
    )
    server.infer(request("m", 3, id="seven"))
    queued(server, request("m", 4))
    server.close(TIMEOUT)
    entries = json.loads(file.read_text())
    heads = [e for e in entries if "model_name" in e]
    assert [(h["model_name"], h["model_version"], h.get("request_id")) for h in heads] == [
        ("m", 1, "seven"),
        ("m", 1, None),
    ]
    events = [
        e["timestamps"][0] for e in entries if e["id"] == heads[0]["id"] and "timestamps" in e
    ]
    assert [event["name"] for event in events] == [
        "REQUEST_START",
        "QUEUE_START",
        "COMPUTE_START",
        "COMPUTE_INPUT_END",
        "COMPUTE_OUTPUT_START",
        "COMPUTE_END",
        "REQUEST_END",
    ]
    assert [event["ns"] for event in events] == sorted(event["ns"] for event in events)
    tensors = {e["activity"]: e["tensor"]["data"] for e in entries if "activity" in e}
    assert tensors == {
        "TENSOR_QUEUE_INPUT": "4.0,4.0,4.0,4.0",
        "TENSOR_BACKEND_OUTPUT": "5.0,5.0,5.0,5.0",
    }
