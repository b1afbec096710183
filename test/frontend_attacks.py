# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What clients do that want more than they may have; each checks that it is refused.

The server has the model `add_sub` and `OPTIONS`; `KEY` is the name of a shared memory object that
says where its bytes are.
"""

from __future__ import annotations

import base64
import gzip
import logging
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import grpc
import pytest
from frontend_server import Served
from http_client import INFER, INPUTS, Answer, ask, place, read_all, wait_for
from tritonclient.grpc import service_pb2, service_pb2_grpc

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
KEY = f"test_attacks_{os.getpid()}"
CANARY = bytes(range(256))
Attack = Callable[[Served], object]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log has for whoever runs the server."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


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
