# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request whose caller went away, or that was none, to its last trace."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    CHAIN,
    TIMEOUT,
    FakeBackend,
    Gate,
    Outcomes,
    fake,
    loaded,
    request,
    row,
    value,
)
from fake_requests import FakeRequestBackend, Late, behaving
from toy_models import write_repository

from triton_ros.core.errors import CancelledError, InvalidArgumentError, TimeoutExpiredError
from triton_ros.core.request import Cancellation, InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.telemetry.statistics import FailureReason

ONE = "max_batch_size: 4 instance_group { count: 1 }"


@pytest.fixture
def late() -> Late:
    return Late()


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def server(tmp_path: Path, backend: FakeBackend, late: Late) -> Iterator[InferenceServer]:
    models = {
        "m": fake(1, ONE),
        "stream": behaving("late", f"{ONE} model_transaction_policy {{ decoupled: true }}"),
        "a": fake(1, ONE),
        "b": fake(2, ONE),
        "e": CHAIN,
    }
    backends: dict[str, Any] = {"fake": backend, "requests": FakeRequestBackend({"late": late})}
    server = InferenceServer([write_repository(tmp_path, models)], backends.__getitem__)
    loaded(server, *models)
    yield server
    assert server.close(TIMEOUT) == ()


def test_after_its_timeout_a_request_does_not_run(
    server: InferenceServer, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("m")
    first, token = Outcomes(), Cancellation()
    server.submit(request("m", 1), first)
    gate.wait_entered()
    backend.batches.clear()
    with pytest.raises(TimeoutExpiredError, match="Request timeout expired"):
        server.infer(request("m", 2, cancellation=token), 0.01)
    assert server.describe("m").pending == 0
    assert not token.cancelled, "the token may stand for other requests"
    assert not token._watchers
    gate.open()
    first.one()
    server.unload_model("m").result(TIMEOUT)
    assert backend.batches == []


def test_a_token_still_withdraws_what_has_a_timeout(
    server: InferenceServer, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("m")
    first, token = Outcomes(), Cancellation()
    server.submit(request("m", 1), first)
    gate.wait_entered()
    failed = Outcomes()

    def ask() -> None:
        try:
            server.infer(request("m", 2, cancellation=token), TIMEOUT)
        except CancelledError as error:
            failed(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not server.describe("m").pending:
        assert thread.is_alive()
    token.cancel()
    assert str(failed.one()) == "request was cancelled"
    thread.join(TIMEOUT)
    gate.open()
    first.one()


def test_who_stops_listening_withdraws_the_request(server: InferenceServer, late: Late) -> None:
    token, responses = Cancellation(), Outcomes()
    stream = server.infer_stream(request("stream", cancellation=token))
    listener = threading.Thread(target=lambda: responses(next(stream)))
    listener.start()
    assert late.came.acquire(timeout=TIMEOUT)
    (running,) = late.kept
    running.respond({"y": row(5)})
    assert value(responses.one()) == 5
    assert not running.cancelled
    listener.join(TIMEOUT)
    stream.close()  # type: ignore[attr-defined]
    assert running.cancelled
    assert not token.cancelled, "the token may stand for other requests"
    running.finish()


def test_a_stream_that_ended_withdraws_nothing_else(server: InferenceServer) -> None:
    token = Cancellation()
    assert [value(r) for r in server.infer_stream(request("m", 3, cancellation=token))] == [4]
    assert not token.cancelled


def test_traces_of_requests_that_were_refused_end(server: InferenceServer, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    server.tracer.update(
        {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_file": str(file)}
    )
    with pytest.raises(InvalidArgumentError):
        server.infer(InferenceRequest("m", {"x": row(1)[0]}))
    with pytest.raises(InvalidArgumentError, match="batch-size must be <= 4 for 'a'"):
        server.infer(InferenceRequest("e", {"X": row(1, 9)}))
    server.close(TIMEOUT)
    entries = json.loads(file.read_text())
    heads = {e["id"]: e["model_name"] for e in entries if "model_name" in e}
    assert sorted(heads.values()) == ["a", "e", "m"]
    ended = {
        e["id"] for e in entries for t in e.get("timestamps", ()) if t["name"] == "REQUEST_END"
    }
    assert ended == set(heads)


def test_who_takes_another_one_s_place_is_traced(
    server: InferenceServer, backend: FakeBackend, tmp_path: Path
) -> None:
    file = tmp_path / "trace.json"
    server.tracer.update(
        {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_file": str(file)}
    )
    gate = backend.on_execute = Gate("m")
    done = Outcomes()
    server.submit(request("m", id="first"), done)
    gate.wait_entered()
    ticket = server.submit(request("m", id="old"), done)
    assert ticket is not None
    assert server.replace(ticket, request("m", id="new"), done)
    too_late = request("m", id="late")
    assert server.replace(ticket, too_late, done) is None
    assert too_late.trace is None, "it can be submitted"
    gate.open()
    done.wait(3)
    server.close(TIMEOUT)
    entries = json.loads(file.read_text())
    heads = {e["id"]: e["request_id"] for e in entries if "model_name" in e}
    assert sorted(heads.values()) == ["first", "late", "new", "old"]
    ran = {heads[e["id"]] for e in entries for t in e.get("timestamps", ()) if "COMP" in t["name"]}
    assert ran == {"first", "new"}


def test_a_backend_s_refusal_counts_as_its_failure_queued_or_not(
    server: InferenceServer, backend: FakeBackend
) -> None:
    def refuse(*_: Any) -> None:
        raise InvalidArgumentError("no such thing")

    backend.on_execute = refuse
    with pytest.raises(InvalidArgumentError):
        server.infer(request("m"))  # in this thread
    done = Outcomes()
    server.submit(request("m"), done)
    done.one()
    assert server.describe("m").statistics.failures == {FailureReason.BACKEND: 2}


def test_a_deadline_between_steps_counts_as_one(
    server: InferenceServer, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("a")
    done = Outcomes()
    asked = InferenceRequest("e", {"X": row(1)}, deadline_ns=None)
    server.submit(asked, done)
    gate.wait_entered()
    late = InferenceRequest("e", {"X": row(1)}, deadline_ns=1)
    refused = Outcomes()
    server.submit(late, refused)
    refused.one()
    gate.open()
    done.one()
    assert server.describe("e").statistics.failures == {FailureReason.DEADLINE: 1}


@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_answered_is_not_withdrawn(
    server: InferenceServer, late: Late, streamed: bool
) -> None:
    """Its sequence would end with it, if the instance is not free again before."""
    over = Outcomes()

    def ask() -> None:
        if streamed:
            over(len(list(server.infer_stream(request("stream")))))
        else:
            server.infer(request("stream", on_response=lambda response: None), TIMEOUT)
            over(1)

    thread = threading.Thread(target=ask)
    thread.start()
    assert late.came.acquire(timeout=TIMEOUT)
    running = late.kept[0]
    running.respond({"y": row(5)})
    running.finish()
    assert over.one() == 1
    thread.join(TIMEOUT)
    assert not running.cancelled
