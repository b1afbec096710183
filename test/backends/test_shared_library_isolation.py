# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A C backend in processes of its own: a crash is its request's, and only a start away."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_case import as_pbtxt
from toy_models import Toy, write_model
from toy_shared_library import FILENAME, NO_COMPILER, library, toy_fields

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.errors import ConfigError, InternalError, TritonError
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 60
ONE = "instance_group [ { count: 1 kind: KIND_CPU } ]"
DECOUPLED = f"{ONE}\nmodel_transaction_policy {{ decoupled: true }}"
Serve = Callable[..., InferenceServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve(kind, config)``: a server with one isolated toy, and `other` in its own process."""
    directory = tmp_path / "backends/toy"
    directory.mkdir(parents=True)
    (tmp_path / "models").mkdir()
    (directory / FILENAME).write_bytes(library())
    registry = BackendRegistry(backend_directory=tmp_path / "backends")
    with InferenceServer([tmp_path / "models"], registry.load_backend) as server:

        def start(
            kind: str, config: str = ONE, name: str = "toy", isolated: str = "true", **more: str
        ) -> InferenceServer:
            made = toy_fields(kind)
            made["parameters"] |= {"PROCESS_ISOLATION": isolated, **more}
            text = f'backend: "toy"\n{as_pbtxt(made)}\n{config}'
            write_model(tmp_path / "models" / name, Toy(config=text))
            server.load_model(name).result(TIMEOUT)
            return server

        yield start


def ask(server: InferenceServer, value: float = 1, model: str = "toy") -> Any:
    x = np.full((1, 4), value, np.float32)
    return server.infer(InferenceRequest(model, {"x": x}), TIMEOUT).outputs["y"]


def test_a_crash_is_its_request_s_alone_and_the_process_comes_back(serve: Serve) -> None:
    server = serve("crash")
    serve("affine", name="other", isolated="false")
    np.testing.assert_array_equal(ask(server), np.ones((1, 4)))
    for crashes in (1, 2):
        with pytest.raises(InternalError, match=r"'toy_0_0' is not healthy: process \d+ .*SIGSEGV"):
            ask(server, -1)
        np.testing.assert_array_equal(ask(server, 5, "other"), np.full((1, 4), 11))
        np.testing.assert_array_equal(ask(server, 3), np.full((1, 4), 3))
        assert server.describe("toy").counters["restarts"] == crashes


def test_a_hung_execution_is_killed_after_its_time(serve: Serve) -> None:
    server = serve("crash", EXECUTE_TIMEOUT_SECONDS="2")
    with pytest.raises(InternalError, match=r"did not end 'execute' within 2 s and was killed"):
        ask(server, 1000)
    np.testing.assert_array_equal(ask(server, 3), np.full((1, 4), 3))


def test_a_decoupled_model_answers_through_its_process(serve: Serve) -> None:
    server = serve("repeat", DECOUPLED)
    got: list[float] = []
    ended = threading.Event()
    outcomes: list[Any] = []

    def end(outcome: object) -> None:
        outcomes.append(outcome)
        ended.set()

    request = InferenceRequest(
        "toy",
        {"x": np.full((1, 4), 20, np.float32)},
        on_response=lambda r: got.append(r.outputs["y"].item()),
    )
    server.submit(request, end)
    assert ended.wait(TIMEOUT)
    assert isinstance(outcomes[0], InferenceResponse)
    assert got == list(range(20))


def test_it_learns_that_a_request_is_cancelled(serve: Serve) -> None:
    server = serve("watch")
    token = Cancellation()
    ended = threading.Event()
    outcomes: list[Any] = []

    def end(outcome: object) -> None:
        outcomes.append(outcome)
        ended.set()

    server.submit(InferenceRequest("toy", {"x": X}, cancellation=token), end)
    token.cancel()
    assert ended.wait(TIMEOUT)
    assert isinstance(outcomes[0], TritonError)
    assert "cancelled" in str(outcomes[0])


def test_its_errors_memory_and_completion_come_from_the_process(
    serve: Serve, tmp_path: Path
) -> None:
    with pytest.raises(TritonError, match="model 'toy': there is no such toy"):
        serve("bad_model")
    with pytest.raises(TritonError, match="no room for an instance"):
        serve("bad_instance")
    server = serve("identity")
    (usage,) = server.describe("toy").statistics.memory_usage
    assert usage.byte_size > 1_000_000
    parameters = {"kind": "complete", "PROCESS_ISOLATION": "true"}
    text = 'backend: "toy"\n' + as_pbtxt({"parameters": parameters})
    write_model(tmp_path / "models/toy", Toy(config=text))
    server.load_model("toy").result(TIMEOUT)
    assert server.describe("toy").config.max_batch_size == 16
    np.testing.assert_array_equal(ask(server), np.ones((1, 4)))


def test_unloading_ends_the_processes(serve: Serve) -> None:
    server = serve("identity", "instance_group [ { count: 2 kind: KIND_CPU } ]")
    children = _children()
    assert len(children) == 2
    server.unload_model("toy").result(TIMEOUT)
    assert _children() == set()


def _children() -> set[str]:
    """Worker processes of this one."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended a moment ago
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            worker = b"shared_library.worker" in (process / "cmdline").read_bytes()
            if worker and int(parent) == os.getpid():
                found.add(process.name)
    return found


@pytest.mark.parametrize(
    ("isolated", "more", "message"),
    [
        ("yes", {}, r"'toy': parameters\['PROCESS_ISOLATION'\] must be one of true, false"),
        ("false", {"EXECUTE_TIMEOUT_SECONDS": "1"}, "PROCESS_ISOLATION must be true"),
        ("false", {"MEMORY_LIMIT_BYTES": "1"}, "PROCESS_ISOLATION must be true"),
        ("true", {"EXECUTE_TIMEOUT_SECONDS": "soon"}, "must be seconds, more than 0, got 'soon'"),
    ],
)
def test_wrong_parameters_are_refused(
    serve: Serve, isolated: str, more: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        serve("identity", isolated=isolated, **more)
