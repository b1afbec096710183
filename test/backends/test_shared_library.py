# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A C backend served: what it is told, every way to answer, and every way to fail."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_case import as_pbtxt
from toy_models import Toy, write_model
from toy_shared_library import FILENAME, NO_COMPILER, library, toy_fields, wait_until

from triton_ros.backends.registry import BackendRegistry
from triton_ros.backends.shared_library.host import host
from triton_ros.core.errors import (
    CancelledError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 30
ONE = "instance_group [ { count: 1 kind: KIND_CPU } ]"
DECOUPLED = f"{ONE}\nmodel_transaction_policy {{ decoupled: true }}"
Serve = Callable[..., InferenceServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """``serve(kind, config)``: a server with one toy, whose library is in the backend directory."""
    write_library(tmp_path / "backends")
    (tmp_path / "models").mkdir()
    before = host().living
    registry = BackendRegistry({"toy": {"speed": "high"}}, tmp_path / "backends")
    with InferenceServer([tmp_path / "models"], registry.load_backend) as server:

        def start(kind: str, config: str = ONE, **fields: Any) -> InferenceServer:
            made = toy_fields(kind) | fields
            text = f'backend: "toy"\n{as_pbtxt(made)}\n{config}'
            write_model(tmp_path / "models/toy", Toy(config=text))
            server.load_model("toy").result(TIMEOUT)
            return server

        yield start
    # nothing of the host's leaks; a factory's thread may still be on its way out
    wait_until(lambda: {**host().living, "backends": 0} == {**before, "backends": 0})


def write_library(directory: Path) -> None:
    (directory / "toy").mkdir(parents=True)
    (directory / "toy" / FILENAME).write_bytes(library())


def ask(server: InferenceServer, **fields: Any) -> InferenceResponse:
    given = {"inputs": {"x": X}, **fields}
    return server.infer(InferenceRequest("toy", **given), TIMEOUT)


def streamed(server: InferenceServer, count: float) -> tuple[list[float], Any]:
    """The responses' values, and the final outcome."""
    got: list[float] = []
    outcomes: list[Any] = []
    ended = threading.Event()

    def end(outcome: object) -> None:
        outcomes.append(outcome)
        ended.set()

    request = InferenceRequest(
        "toy",
        {"x": np.full((1, 4), count, np.float32)},
        on_response=lambda r: got.append(float(r.outputs["y"].item())),
    )
    server.submit(request, end)
    assert ended.wait(TIMEOUT)
    return got, outcomes[0]


# --- what a backend is told ---------------------------------------------------------------------


def facts(response: InferenceResponse) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in response.outputs["y"].item().decode().splitlines():
        key, _, value = line.partition("=")
        found.setdefault(key, []).append(value)
    return found


def test_it_is_told_of_its_model_instance_and_server(serve: Serve, tmp_path: Path) -> None:
    group = (
        'instance_group [ { kind: KIND_CPU count: 1 name: "g" profile: ["0", "fast"]'
        ' secondary_devices { kind: KIND_NVDLA device_id: 1 } host_policy: "" } ]'
    )
    output = 'output { name: "y" data_type: TYPE_STRING dims: [1] }'
    server = serve("facts", f"{group}\n{output}", output=())
    told = facts(ask(server))
    assert told["model"] == ["toy"]
    assert told["version"] == ["1"]
    assert told["repository"] == [str(tmp_path / "models/toy")]
    assert told["backend"] == ["toy"]
    assert told["artifacts"] == [str(tmp_path / "backends/toy")]
    cmdline = json.loads(told["cmdline"][0])["cmdline"]
    assert cmdline["backend-directory"] == str(tmp_path / "backends")
    assert (cmdline["speed"], cmdline["auto-complete-config"]) == ("high", "true")
    assert cmdline["default-max-batch-size"] == "4"
    assert told["instance"] == ["g_0"]
    assert told["kind device passive"] == ["1 0 0"]
    assert list(json.loads(told["host_policy"][0])) == ["cpu_0"]
    assert told["profile"] == ["0", "fast"]
    assert told["secondary"] == ["KIND_NVDLA 1"]


def test_it_is_told_of_the_request_and_its_parameters_come_back(serve: Serve) -> None:
    output = 'output { name: "y" data_type: TYPE_STRING dims: [1] }'
    server = serve("facts", f"{ONE}\n{output}", output=())
    response = ask(
        server,
        id="r7",
        timeout_us=5,
        parameters={"t": "text", "i": -3, "b": True, "f": 0.25},
        outputs=("y",),
    )
    told = facts(response)
    assert (told["id"], told["wants"]) == (["r7"], ["y"])
    assert told["flags timeout cancelled"] == ["0 5 0"]
    assert (told["t"], told["i"], told["b"], told["f"]) == (["text"], ["-3"], ["true"], ["0.25"])
    assert response.parameters == {"text": "words", "number": -7, "truth": True, "real": 0.5}


@pytest.mark.parametrize("sequence", [7, "seven"])
def test_it_is_told_of_the_sequence(serve: Serve, sequence: int | str) -> None:
    output = 'output { name: "y" data_type: TYPE_STRING dims: [1] }'
    server = serve("facts", f"{ONE}\n{output}\nsequence_batching {{ }}", output=())
    told = facts(ask(server, inputs={"x": X[:1]}, correlation_id=sequence, sequence_start=True))
    assert told["flags timeout cancelled"] == ["1 0 0"]
    key = "correlation" if isinstance(sequence, int) else "correlation_text"
    assert told[key] == [str(sequence)]


def test_its_log_reaches_ours(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "triton_ros.backends.shared_library"):
        serve("report")
    (record,) = (r for r in caplog.records if "a toy reports" in r.message)
    assert (record.levelno, record.message) == (
        logging.WARNING,
        "a toy reports (toy_backend.c:42)",
    )


def test_what_it_reports_is_shown(serve: Serve) -> None:
    server = serve("report")
    ask(server)
    wait_until(lambda: server.describe("toy").statistics.execution_count == 1)
    described = server.describe("toy")
    (usage,) = described.statistics.memory_usage
    assert (usage.kind, usage.byte_size, usage.how) == ("CPU", 12345, "backend")
    times = {"input_ns": 10, "infer_ns": 20, "output_ns": 30}
    spent = described.statistics
    assert spent.compute_output.ns == 30
    assert spent.compute_input.ns >= 10
    assert spent.compute_infer.ns > 0
    assert spent.batch_stats[2].compute_output.ns == 30
    assert described.counters == {"succeeded": 1, "failed": 0, "batches": 1, **times}


# --- completion ---------------------------------------------------------------------------------


def test_it_completes_the_configuration(serve: Serve, tmp_path: Path) -> None:
    text = 'backend: "toy"\nparameters { key: "kind" value: { string_value: "complete" } }'
    write_model(tmp_path / "models/toy", Toy(config=text))
    registry = BackendRegistry(backend_directory=tmp_path / "backends")
    with InferenceServer([tmp_path / "models"], registry.load_backend) as server:
        server.load_model("toy").result(TIMEOUT)
        config = server.describe("toy").config
        np.testing.assert_array_equal(ask(server).outputs["y"], X)
    assert config.max_batch_size == 16
    assert config.input[0].spec.dims == (4,)
    assert config.dynamic_batching is not None
    assert config.dynamic_batching.max_queue_delay_microseconds == 7


def test_auto_complete_can_be_off(serve: Serve, tmp_path: Path) -> None:
    text = 'backend: "toy"\nparameters { key: "kind" value: { string_value: "complete" } }'
    write_model(tmp_path / "models/toy", Toy(config=text))
    registry = BackendRegistry(backend_directory=tmp_path / "backends", auto_complete=False)
    with InferenceServer([tmp_path / "models"], registry.load_backend) as server:
        server.load_model("toy").result(TIMEOUT)
        assert server.describe("toy").config.input == ()


# --- answers ------------------------------------------------------------------------------------


def test_it_may_answer_from_its_own_thread_after_the_execution(serve: Serve) -> None:
    server = serve("later")
    np.testing.assert_array_equal(ask(server).outputs["y"], X)


def test_requests_of_a_batch_are_answered_each(serve: Serve) -> None:
    server = serve("affine", f"{ONE}\ndynamic_batching {{ max_queue_delay_microseconds: 9000000 }}")
    answers: dict[int, Any] = {}
    ended = threading.Semaphore(0)

    def done(row: int) -> Callable[[Any], None]:
        def end(outcome: Any) -> None:
            answers[row] = outcome.outputs["y"]
            ended.release()

        return end

    for row in range(4):
        request = InferenceRequest("toy", {"x": np.full((2, 4), row, np.float32)})
        server.submit(request, done(row))
    for _ in range(4):
        assert ended.acquire(timeout=TIMEOUT)
    for row in range(4):
        np.testing.assert_array_equal(answers[row], np.full((2, 4), 2 * row + 1))
    wait_until(lambda: server.describe("toy").statistics.execution_count == 1)


def test_a_decoupled_model_answers_any_number_of_times(serve: Serve) -> None:
    server = serve("repeat", DECOUPLED)
    for count in (3, 0, 200):
        got, end = streamed(server, count)
        assert got == list(range(count))
        assert isinstance(end, InferenceResponse)
    got, error = streamed(server, -1)
    assert got == []
    assert isinstance(error, InvalidArgumentError)
    assert str(error) == "model 'toy': less than nothing"
    wait_until(lambda: host().living["requests"] == 0)


def test_a_state_is_kept_between_the_requests_of_a_sequence(serve: Serve) -> None:
    sequence = """sequence_batching {
      state { input_name: "sum_in" output_name: "sum_out" data_type: TYPE_FP32 dims: [1]
              initial_state { data_type: TYPE_FP32 dims: [1] zero_data: true name: "zero" } } }"""
    tensors = (
        'input { name: "x" data_type: TYPE_FP32 dims: [1] }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: [1] }'
    )
    server = serve("sum", f"{ONE}\n{tensors}\n{sequence}", input=(), output=())
    for number, expected in ((1, 1), (2, 3), (3, 6)):
        response = ask(
            server,
            inputs={"x": np.array([[number]], np.float32)},
            correlation_id=5,
            sequence_start=number == 1,
            sequence_end=number == 3,
        )
        assert response.outputs["y"].item() == expected
        assert set(response.outputs) == {"y"}


@pytest.mark.parametrize("config", [ONE, DECOUPLED])
def test_it_can_ask_whether_a_request_is_cancelled(serve: Serve, config: str) -> None:
    server = serve("watch", config)
    token = Cancellation()
    outcomes: list[Any] = []
    ended = threading.Event()

    def end(outcome: object) -> None:
        outcomes.append(outcome)
        ended.set()

    request = InferenceRequest("toy", {"x": X}, cancellation=token, on_response=lambda r: None)
    server.submit(request, end)
    wait_until(lambda: host().living["requests"] == 1)  # it executes
    token.cancel()
    assert ended.wait(TIMEOUT)
    assert isinstance(outcomes[0], CancelledError)
    assert str(outcomes[0]) == "model 'toy': it saw that it is cancelled"


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("bad_model", NotFoundError, "model 'toy': there is no such toy"),
        ("bad_instance", UnavailableError, "model 'toy', toy_0_0: no room for an instance"),
    ],
)
def test_a_backend_that_cannot_initialize_fails_the_load(
    serve: Serve, kind: str, error: type[TritonError], message: str
) -> None:
    with pytest.raises(error, match=message):
        serve(kind)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("refuse", UnavailableError, "model 'toy': not today"),
        ("silent", InternalError, "model 'toy' gave no final response to a request"),
        ("short", InternalError, r"'y' has 28 bytes, but FP32 \[2, 4\] needs 32"),
    ],
)
def test_a_wrong_execution_fails_its_requests_alone(
    serve: Serve, kind: str, error: type[TritonError], message: str
) -> None:
    server = serve(kind)
    for _ in range(2):
        with pytest.raises(error, match=message):
            ask(server)


@pytest.mark.parametrize("kind", ["refuse", "silent"])
def test_so_do_those_of_a_decoupled_model(serve: Serve, kind: str) -> None:
    got, end = streamed(serve(kind, DECOUPLED), 1)
    assert got == []
    assert isinstance(end, TritonError)


def test_a_response_after_the_final_one_is_refused(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve("twice")
    np.testing.assert_array_equal(ask(server).outputs["y"], X)
    assert "a response was sent after the final one" in caplog.text


def test_an_output_of_another_datatype_is_refused(serve: Serve) -> None:
    output = 'output { name: "y" data_type: TYPE_INT32 dims: [4] }'
    server = serve("identity", f"{ONE}\n{output}", output=())
    with pytest.raises(InternalError, match=r"'y' must be INT32, got FP32"):
        ask(server)


def test_an_instance_that_is_not_ready_is_shown(serve: Serve) -> None:
    server = serve("silent")
    assert not server.model_ready("toy")
    serve("identity")
    assert server.model_ready("toy")


def test_custom_batching_is_refused(serve: Serve) -> None:
    extra = 'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value: { string_value: "b.so" } }'
    with pytest.raises(TritonError, match=r"TRITON_BATCH_STRATEGY_PATH.*not supported"):
        serve("identity", f"{ONE}\n{extra}")
