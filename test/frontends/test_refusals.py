# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clients that want what they may not have: refused, in the log, and nobody else notices."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from frontend_server import Served, serving
from http_client import INFER, INPUTS, Answer, ask, place, read_all, wait_for
from toy_models import Toy, onnx_add_sub
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triton_ros.core.errors import InvalidArgumentError, OutOfBoundsError
from triton_ros.core.request import InferenceRequest
from triton_ros.frontends import refusals
from triton_ros.frontends.refusals import PERIOD_S, Refusals
from triton_ros.frontends.shared_memory import DIRECTORY

LIMIT = 1 << 16
LOAD = "/v2/repository/models"
OPTIONS: dict[str, Any] = {
    "http_restricted_api": ["trace:key=1"],
    "grpc_restricted_protocol": ["trace:key=1"],
    "http_max_input_size": LIMIT,
    "http_header_timeout_secs": 0.2,
    "max_connections": 8,
    "allow_client_shm": True,
}
CANARY = bytes(range(256))
KEY = f"test_refusals_{os.getpid()}"
Attack = Callable[[Served], object]

# the log -----------------------------------------------------------------------------------------


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_each_kind_is_written_once_a_period(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    told = Refusals(lambda: now[0])
    for _ in range(3):
        told.tell("HTTP infer", "1.2.3.4", "no key", "authorization")
        told.tell("HTTP load", None, "no key")
    now[0] += PERIOD_S / 2
    told.tell("HTTP infer", "1.2.3.5", "slow body")
    now[0] += PERIOD_S / 2
    told.tell("HTTP infer", "1.2.3.6", "no key", "authorization")
    now[0] += PERIOD_S
    told.tell("HTTP infer", "1.2.3.6", "no key", "authorization")
    assert warnings(caplog) == [
        "HTTP infer of 1.2.3.4 is refused: no key: authorization",
        "HTTP load of somebody is refused: no key",
        "HTTP infer of 1.2.3.5 is refused: slow body",
        "HTTP infer of 1.2.3.6 is refused: no key: authorization (and 2 more in the 10 s before)",
        "HTTP infer of 1.2.3.6 is refused: no key: authorization",
    ]


def test_a_clients_words_are_one_line_of_text(caplog: pytest.LogCaptureFixture) -> None:
    error = OutOfBoundsError("\n[FATAL] \x1b[31m \ud800 " + "x" * 10_000)
    Refusals().tell_error("HTTP load", "::1", error)
    (line,) = warnings(caplog)
    line.encode()
    assert line.startswith("HTTP load of ::1 is refused: OutOfBoundsError: \\n[FATAL] \\x1b[31m")
    assert len(line) < 500


def test_what_is_merely_wrong_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    Refusals().tell_error("HTTP infer", "::1", InvalidArgumentError("no"))
    assert warnings(caplog) == []
    placed = OutOfBoundsError("no").within("in ensemble 'e'")
    assert placed.forbidden


# attacks -----------------------------------------------------------------------------------------


@pytest.fixture
def memory() -> Iterator[Path]:
    """A shared memory object that says where its bytes are."""
    path = DIRECTORY / KEY
    path.write_bytes(CANARY)
    yield path
    path.unlink()


def refused(answer: Answer, status: int, text: str) -> None:
    assert (answer.status, text in answer.error) == (status, True), answer.body


def raw(served: Served, data: bytes) -> bytes:
    with socket.create_connection(place(served.http)) as client:
        client.sendall(data)
        return read_all(client)


def head(*lines: str, path: str = INFER) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def region(offset: int, size: int, key: str = KEY) -> dict[str, Any]:
    return {"key": f"/{key}", "offset": offset, "byte_size": size}


def register(served: Served, name: str, body: dict[str, Any]) -> Answer:
    return ask(served.http, "POST", f"/v2/systemsharedmemory/region/{name}/register", body)


def no_key(served: Served) -> None:
    refused(ask(served.http, "GET", "/v2/trace/setting", None, {"key": "2"}), 403, "restricted")


def large(served: Served) -> None:
    refused(ask(served.http, "POST", INFER, b"x" * (LIMIT + 1)), 400, "exceeds the maximum")


def endless(served: Served) -> None:
    """Announces no length; the server hangs up while chunks still come."""
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with suppress(ConnectionError):
        assert b"exceeds the maximum" in raw(served, head("Transfer-Encoding: chunked") + chunk * 8)


def bomb(served: Served) -> None:
    body = gzip.compress(bytes(LIMIT * 100))
    found = ask(served.http, "POST", INFER, body, {"Content-Encoding": "gzip"})
    refused(found, 400, "Decompressed data size exceeds")


def deep(served: Served) -> None:
    refused(ask(served.http, "POST", INFER, b"[" * 5000), 400, "nesting depth exceeds")


def slow_body(served: Served) -> None:
    assert raw(served, head("Content-Length: 1000") + b"{").startswith(b"HTTP/1.1 408")


def slow_head(served: Served) -> None:
    assert raw(served, b"POST /v2") == b""


def no_http(served: Served) -> None:
    assert raw(served, b"\x16\x03\x01\x02\r\n\r\n").startswith(b"HTTP/1.")


def crowd(served: Served) -> None:
    with ExitStack() as clients:
        for _ in range(OPTIONS["max_connections"]):
            clients.enter_context(socket.create_connection(place(served.http)))
        with suppress(ConnectionError):
            assert b"too many connections" in raw(served, b"")
    wait_for(lambda: ask(served.http, "GET", "/v2/health/live").status == 200)


def load_outside(served: Served) -> None:
    refused(ask(served.http, "POST", f"{LOAD}/..%2fsecret/load"), 400, "path traversal")


def write_outside(served: Served) -> None:
    files = {"file:../../../../tmp/x": base64.b64encode(b"x").decode()}
    body = {"parameters": {"config": "{}", **files}}
    found = ask(served.http, "POST", f"{LOAD}/add_sub/load", body)
    refused(found, 500, "must stay within model directory")


def register_outside(served: Served) -> None:
    refused(register(served, "a", region(200, 100)), 400, "invalid args")


def register_a_path(served: Served) -> None:
    refused(register(served, "b", region(0, 10, "../etc/passwd")), 400, "invalid shm key")


def read_outside(served: Served) -> None:
    register(served, "c", region(64, 128))
    for offset, size in ((128, 64), (100, 64), (1 << 62, 64)):
        entry = {
            "shared_memory_region": "c",
            "shared_memory_byte_size": size,
            "shared_memory_offset": offset,
        }
        tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "parameters": entry}
        found = ask(served.http, "POST", INFER, {"inputs": [tensor, INPUTS[1]]})
        refused(found, 400, "for shared memory region: 'c'")


def of_grpc(work: Callable[[Any], object], text: str) -> Attack:
    def attack(served: Served) -> None:
        with (
            grpc.insecure_channel(served.grpc) as channel,
            pytest.raises(grpc.RpcError, match=text),
        ):
            work(service_pb2_grpc.GRPCInferenceServiceStub(channel))

    return attack


def grpc_message() -> Any:
    message = service_pb2.ModelInferRequest(model_name="add_sub")
    for at in (0, 1):
        entry = message.inputs.add(name=f"INPUT{at}", datatype="FP32", shape=[1, 16])
        entry.parameters["shared_memory_region"].string_param = "c"
        entry.parameters["shared_memory_byte_size"].int64_param = 64
        entry.parameters["shared_memory_offset"].int64_param = 1000
    return message


def grpc_stream_outside(served: Served) -> None:
    register(served, "c", region(64, 128))
    with grpc.insecure_channel(served.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        (found,) = stub.ModelStreamInfer(iter([grpc_message()]), timeout=20)
    assert "Invalid offset" in found.error_message


def grpc_register(stub: Any) -> None:
    stub.SystemSharedMemoryRegister(
        service_pb2.SystemSharedMemoryRegisterRequest(
            name="d", key=f"/{KEY}", offset=0, byte_size=257
        )
    )


ATTACKS: dict[str, tuple[Attack, str]] = {
    "no key": (no_key, "HTTP trace_setting of 127.0.0.1 is refused: no key: key"),
    "large body": (large, "HTTP infer of 127.0.0.1 is refused: OutOfBoundsError: request JSON"),
    "endless body": (endless, "HTTP infer of 127.0.0.1 is refused: OutOfBoundsError: request"),
    "gzip bomb": (bomb, "OutOfBoundsError: Decompressed data size exceeds"),
    "deep JSON": (deep, "OutOfBoundsError: JSON nesting depth"),
    "slow body": (slow_body, "HTTP infer of 127.0.0.1 is refused: slow body: "),
    "slow head": (slow_head, "HTTP connection of 127.0.0.1 is refused: slow head"),
    "no HTTP": (no_http, "HTTP connection of 127.0.0.1 is refused: what is no request"),
    "a crowd": (crowd, "HTTP connection of 127.0.0.1 is refused: too many connections"),
    "a model outside": (load_outside, "HTTP load of 127.0.0.1 is refused: OutOfBoundsError: inv"),
    "a file outside": (write_outside, "HTTP load of 127.0.0.1 is refused: InternalError: failed"),
    "memory outside": (register_outside, "HTTP memory_register of 127.0.0.1 is refused: OutOfB"),
    "a path as a key": (register_a_path, "invalid shm key '/../etc/passwd'"),
    "a slice outside": (read_outside, "OutOfBoundsError: Invalid offset for shared memory region"),
    "gRPC: no key": (
        of_grpc(lambda s: s.TraceSetting(service_pb2.TraceSettingRequest()), "restricted"),
        "gRPC trace of 127.0.0.1 is refused: no key: triton-grpc-protocol-key",
    ),
    "gRPC: a model outside": (
        of_grpc(
            lambda s: s.RepositoryModelLoad(
                service_pb2.RepositoryModelLoadRequest(model_name="../x")
            ),
            "path traversal",
        ),
        "gRPC model-repository of 127.0.0.1 is refused: OutOfBoundsError: invalid model name",
    ),
    "gRPC: memory outside": (
        of_grpc(grpc_register, "invalid args"),
        "gRPC shared-memory of 127.0.0.1 is refused: OutOfBoundsError: failed to register",
    ),
    "gRPC: a slice outside": (grpc_stream_outside, "gRPC inference of 127.0.0.1 is refused: Out"),
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Writes every refusal."""
    models = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusals, "PERIOD_S", 0)
        with serving(models, {"add_sub": Toy(onnx_add_sub())}, **OPTIONS) as served:
            yield served


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_and_in_the_log(
    guarded: Served, caplog: pytest.LogCaptureFixture, memory: Path, name: str
) -> None:
    attack, line = ATTACKS[name]
    attack(guarded)
    wait_for(lambda: bool(warnings(caplog)))
    found = warnings(caplog)
    assert line in found[0], found
    assert len(set(found)) <= 3, found
    assert memory.read_bytes() == CANARY
    assert not Path("/tmp/x").exists()


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As usual, whatever `guarded` wants."""
    monkeypatch.setattr(refusals, "PERIOD_S", PERIOD_S)


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    ("options", "method", "path", "line"),
    [
        (
            {},
            "POST",
            "/v2/systemsharedmemory/region/r/register",
            "HTTP memory_register of 127.0.0.1 is refused: SharedMemoryOffError: Client shared me",
        ),
        (
            {"allow_model_control": False},
            "POST",
            f"{LOAD}/m/load",
            "HTTP load of 127.0.0.1 is refused: ModelControlOffError: model control is not allowed",
        ),
        (
            {"max_request_rate": 0.001},
            "GET",
            "/v2",
            "HTTP of 127.0.0.1 is refused: too many requests",
        ),
    ],
)
def test_what_is_switched_off_is_in_the_log_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    method: str,
    path: str,
    line: str,
) -> None:
    with serving(tmp_path, {}, **options) as served:
        for _ in range(4):
            ask(served.http, method, path)
    (found,) = warnings(caplog)
    assert found.startswith(line)


# nothing else is disturbed -----------------------------------------------------------------------

ROUNDS, PATIENCE_S = 3, 2.0


class Regulars:
    """Clients that do nothing wrong, one a way, until told to stop; the server's own is one."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stop = threading.Event()
        self.slowest = dict.fromkeys(("HTTP", "gRPC", "in process"), 0.0)
        self.answers = dict.fromkeys(self.slowest, 0)
        self.errors: list[str] = []
        works = (self._http, self._grpc, self._in_process)
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> Regulars:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: all(self.answers.values()) or bool(self.errors))
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, name: str, work: Callable[[], bool]) -> None:
        try:
            while not self._stop.wait(0.005):
                began = time.monotonic()
                assert work()
                self.slowest[name] = max(self.slowest[name], time.monotonic() - began)
                self.answers[name] += 1
        except BaseException as error:
            self.errors.append(f"{name}: {error!r}")

    def _http(self) -> None:
        """On one connection, which it had before."""
        body = json.dumps({"inputs": INPUTS}).encode()
        request = head(f"Content-Length: {len(body)}") + body
        with socket.create_connection(place(self._served.http), timeout=20) as client:

            def work() -> bool:
                client.sendall(request)
                found = b""
                while not re.search(rb'"OUTPUT1".*\}', found):
                    part = client.recv(1 << 16)
                    if not part:
                        return False
                    found += part
                return found.startswith(b"HTTP/1.1 200")

            self._repeat("HTTP", work)

    def _grpc(self) -> None:
        message = service_pb2.ModelInferRequest(model_name="add_sub")
        for at in (0, 1):
            message.inputs.add(name=f"INPUT{at}", datatype="FP32", shape=[1, 16])
            message.raw_input_contents.append(bytes(64))
        with grpc.insecure_channel(self._served.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            self._repeat("gRPC", lambda: len(stub.ModelInfer(message, timeout=20).outputs) == 2)

    def _in_process(self) -> None:
        ones = np.ones((1, 16), np.float32)

        def work() -> bool:
            request = InferenceRequest("add_sub", {"INPUT0": ones, "INPUT1": ones})
            return bool((self._served.server.infer(request).outputs["OUTPUT0"] == 2).all())

        self._repeat("in process", work)


def holdings() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.mark.usefixtures("once")
def test_nothing_else_is_disturbed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, memory: Path
) -> None:
    options = {**OPTIONS, "max_connections": 16}
    with serving(tmp_path, {"add_sub": Toy(onnx_add_sub())}, **options) as served:
        ask(served.http, "GET", "/v2/health/ready")
        with Regulars(served) as regulars:
            before = holdings()
            for _ in range(ROUNDS):
                for attack, _ in ATTACKS.values():
                    if attack is not crowd:
                        attack(served)
            during = dict(regulars.answers)
        assert regulars.errors == []
        assert all(count > 50 for count in during.values()), during
        assert max(regulars.slowest.values()) < PATIENCE_S, regulars.slowest
        assert served.in_flight == 0
        assert [entry.name for entry in served.server.repository_index()] == ["add_sub"]
        assert served.server.model_ready("add_sub")
        wait_for(lambda: holdings()[0] <= before[0])
    kinds = {re.sub(r": .*", "", text) for text in warnings(caplog)}
    assert len(warnings(caplog)) < len(ATTACKS) + 2, "once a kind, however often"
    assert len(kinds) > 5
    assert memory.read_bytes() == CANARY
