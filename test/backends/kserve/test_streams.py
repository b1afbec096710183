# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decoupled remote models: any number of responses, over gRPC's streams."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_requests import FakeRequestBackend, behaving
from kserve_server import Fault, Remote
from toy_models import write_repository

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import CancelledError, ConfigError, TritonError, UnavailableError
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

TIMEOUT = 30
DECOUPLED = "model_transaction_policy { decoupled: true }"


@pytest.fixture
def remote(far: InferenceServer) -> Iterator[Remote]:
    with Remote(far, "grpc") as remote:
        yield remote


def _x(value: float) -> dict[str, Any]:
    return {"x": np.full((1, 4), value, np.float32)}


def _numbers(near: Any, name: str, value: float, **fields: Any) -> list[float]:
    request = InferenceRequest(name, _x(value), **fields)
    return [float(r.outputs["y"].flat[0]) for r in near.server.infer_stream(request)]


def test_all_responses_come_in_order_with_their_parameters(near: Any, remote: Remote) -> None:
    near.load("repeat", DECOUPLED, url=remote.url)
    for count in (0, 1, 5, 300):
        assert _numbers(near, "repeat", count) == list(range(count))
    responses = list(near.server.infer_stream(InferenceRequest("repeat", _x(2), id="r")))
    assert [dict(r.parameters) for r in responses] == [{"number": 0}, {"number": 1}]
    assert {r.id for r in responses} == {"r"}


def test_a_model_of_one_response_may_be_asked_as_decoupled(near: Any, remote: Remote) -> None:
    near.load("affine", DECOUPLED, url=remote.url)
    assert _numbers(near, "affine", 1) == [8.0]


def test_streams_run_side_by_side_and_only_so_many(near: Any, remote: Remote) -> None:
    near.load("repeat", f"{DECOUPLED} instance_group {{ count: 1 }}", url=remote.url)
    barrier = threading.Barrier(3)
    remote.before = lambda seen: (barrier.wait(TIMEOUT), None)[-1]
    found: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: found.append(_numbers(near, "repeat", 3))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert found == [[0.0, 1.0, 2.0]] * 3
    near.load("repeat", DECOUPLED, url=remote.url, max_in_flight=1, retries=0)
    remote.before = lambda seen: None
    assert _numbers(near, "repeat", 2) == [0.0, 1.0]


@pytest.mark.parametrize("status", [0, "UNAVAILABLE"])
def test_an_error_in_the_stream_ends_it(near: Any, remote: Remote, status: int | str) -> None:
    near.load("repeat", DECOUPLED, url=remote.url, retries=3, backoff_ms=1)
    altered = [0]

    def alter(outputs: dict[str, Any]) -> dict[str, Any]:
        altered[0] += 1
        if altered[0] == 3:
            raise Fault(status, "it broke")
        return outputs

    remote.alter = alter
    got: list[float] = []
    with pytest.raises(TritonError, match=r"'repeat'.*it broke"):
        for response in near.server.infer_stream(InferenceRequest("repeat", _x(5))):
            got.append(float(response.outputs["y"].flat[0]))  # noqa: PERF401  (it raises)
    assert got == [0.0, 1.0]
    assert len(remote.seen) == 1, "a stream that began is not begun again"


def test_before_the_first_response_it_is_tried_again(near: Any, remote: Remote) -> None:
    near.load("repeat", DECOUPLED, url=remote.url, backoff_ms=1)
    left = [1]

    def before(seen: Any) -> None:
        if left:
            left.pop()
            raise Fault("UNAVAILABLE", "busy")

    remote.before = before
    assert _numbers(near, "repeat", 2) == [0.0, 1.0]
    assert near.counters("repeat")["retries"] == 1


def test_withdrawing_ends_the_stream_there(near: Any, remote: Remote) -> None:
    near.load("repeat", DECOUPLED, url=remote.url)
    gate = threading.Event()
    first = threading.Event()

    def alter(outputs: dict[str, Any]) -> dict[str, Any]:
        if outputs["y"].flat[0] > 0:
            gate.wait(TIMEOUT)
        return outputs

    remote.alter = alter
    token, outcomes, done = Cancellation(), [], threading.Event()

    def respond(response: InferenceResponse) -> None:
        first.set()

    near.server.submit(
        InferenceRequest("repeat", _x(5), cancellation=token, on_response=respond),
        lambda outcome: (outcomes.append(outcome), done.set())[-1],
    )
    assert first.wait(TIMEOUT)
    token.cancel()
    assert done.wait(TIMEOUT)
    assert isinstance(outcomes[0], CancelledError), outcomes
    assert remote.cancelled.wait(TIMEOUT)
    gate.set()


def test_http_has_no_streams(near: Any, far: InferenceServer) -> None:
    with (
        Remote(far, "http") as remote,
        pytest.raises(ConfigError, match=r"decoupled model needs parameters\['protocol'\] grpc"),
    ):
        near.load("repeat", DECOUPLED, url=remote.url, protocol="http")


def test_a_decoupled_fallback_streams_too(near: Any, remote: Remote, tmp_path: Any) -> None:
    write_repository(tmp_path / "own", {"repeat": behaving("repeat", DECOUPLED)})
    fake, registry = FakeRequestBackend(), BackendRegistry()
    with InferenceServer(
        [tmp_path / "own"], lambda name: fake if name == "requests" else registry.load_backend(name)
    ) as server:
        near.server, near.path = server, tmp_path / "own"
        server.load_model("repeat").result(TIMEOUT)
        quick = {"retries": 0, "breaker_failures": 1, "connect_timeout_ms": 300}
        where = {"url": remote.url, "remote_model": "repeat", "fallback_model": "repeat"}
        near.load("m", DECOUPLED, **where, **quick)
        remote.stop()
        assert _numbers(near, "m", 3) == [0.0, 1.0, 2.0]
        server.unload_model("repeat").result(TIMEOUT)
        with pytest.raises(UnavailableError, match=r"fallback_model 'repeat'"):
            _numbers(near, "m", 3)
        remote.start()
