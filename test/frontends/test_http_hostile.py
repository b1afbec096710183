# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""HTTP clients that cost more than they should: each must be cut off, and nobody else notice."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from frontend_server import IN_PROCESS, Served, python_toy, serving
from http_client import INFER, INPUTS, ask, place, read_all, wait_for
from toy_models import Toy, onnx_add_sub, onnx_identity

from triton_ros.core.server_options import ServerOptions

LARGE = 30 << 20
WAITS_CONFIG = f"""
backend: "python"
input [{{ name: "IN" data_type: TYPE_INT32 dims: [1] }}]
output [{{ name: "OUT" data_type: TYPE_INT32 dims: [1] }}]
{IN_PROCESS}
"""
WAITS = """
class TritonPythonModel:
    def execute(self, requests):
        open({path!r}).read()
        return [None for _ in requests]
"""
"""Runs until somebody writes to a pipe."""


def large_request() -> bytes:
    """Asks for as much as it brings."""
    tensor = {"name": "x", "datatype": "UINT8", "shape": [1, LARGE]}
    head: dict[str, Any] = {"inputs": [{**tensor, "parameters": {"binary_data_size": LARGE}}]}
    head["parameters"] = {"binary_data_output": True}
    text = json.dumps(head).encode()
    lines = [
        "POST /v2/models/identity/infer HTTP/1.1",
        "Host: x",
        f"Inference-Header-Content-Length: {len(text)}",
        f"Content-Length: {len(text) + LARGE}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + text + bytes(LARGE)


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(tmp_path: Path) -> None:
    models = {"identity": Toy(onnx_identity("UINT8", ("N", None)))}
    limits: dict[str, Any] = {"max_connections": 1, "http_idle_timeout_secs": 0.3}
    with (
        serving(tmp_path, models, **limits) as found,
        socket.create_connection(place(found.http)) as client,
    ):
        client.sendall(large_request())
        assert client.recv(12) == b"HTTP/1.1 200"
        # its place is free again
        wait_for(lambda: ask(found.http, "GET", "/v2/health/live").status == 200)
        assert len(read_all(client)) < LARGE


def test_a_client_that_pauses_in_its_body_is_no_error_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = {"add_sub": Toy(onnx_add_sub())}
    with serving(tmp_path, models, http_header_timeout_secs=0.2) as found:
        head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
        with socket.create_connection(place(found.http)) as client:
            client.sendall(head + b"{")
            assert read_all(client).startswith(b"HTTP/1.1 408")
        assert ask(found.http, "POST", INFER, {"inputs": INPUTS}).status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_tens_of_thousands_of_inputs_are_refused_in_no_time(served: Served) -> None:
    entry = {"datatype": "INT8", "shape": [0], "data": []}
    body = {"inputs": [{**entry, "name": str(number)} for number in range(50_000)]}
    found = ask(served.http, "POST", INFER, body)
    assert found.status == 400
    assert "unexpected inference input '0' for model 'add_sub'" in found.error


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_tensor_cannot_be_named_twice(served: Served, side: str) -> None:
    body: dict[str, Any] = {"inputs": INPUTS, "outputs": [{"name": "OUTPUT0"}]}
    body[f"{side}s"] = [*body[f"{side}s"], body[f"{side}s"][0]]
    found = ask(served.http, "POST", INFER, body)
    assert (found.status, found.error) == (
        400,
        f"{side} '{side.upper()}0' already exists in request",
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"IN": 1, "IN": 2}', "input 'IN' already exists in request"),
        (b'{"IN": 1, "parameters": {"a": 1, "a": 2}}', "parameter 'a' already exists in request"),
        (b'{"IN": 1, "parameters": 5}', "Expected JSON object for keyword: 'parameters'"),
        (b'{"IN": 1, "parameters": {"a": {}}}', "Converting keyword: 'parameters': parameter 'a'"),
        (b'{"IN": "1"}', "attempt to access JSON non-signed-integer as signed-integer"),
        (b'{"IN": [[1], [2]', "failed to parse the request JSON buffer"),
        (b"", "Got input(s) [], but missing required input(s) ['IN']"),
    ],
)
@pytest.mark.parametrize("streaming", ["", "_stream"])
def test_what_generate_refuses_is_json(
    served: Served, body: bytes, text: str, streaming: str
) -> None:
    found = ask(served.http, "POST", f"/v2/models/repeat/generate{streaming}", body)
    assert (found.status, found.headers["Content-Type"]) == (400, "application/json")
    assert text in found.error


def test_stopping_does_not_wait_for_what_never_ends(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    models = {"waits": python_toy(WAITS_CONFIG, WAITS.format(path=str(pipe)))}
    options = ServerOptions(load_model=("*",), exit_timeout_secs=0.0)
    body = {"inputs": [{"name": "IN", "datatype": "INT32", "shape": [1], "data": [1]}]}
    data = json.dumps(body).encode()
    line = "POST /v2/models/waits/infer HTTP/1.1"
    head = f"{line}\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with (
        serving(tmp_path / "models", models, server_options=options) as found,
        socket.create_connection(place(found.http)) as client,
    ):
        client.sendall(head + data)
        wait_for(lambda: found.in_flight == 1)
        closing = threading.Thread(target=found.frontends.close)
        closing.start()
        closing.join(20)
        stopped = not closing.is_alive()
        pipe.write_text("")  # let the model end, whatever became of the rest
        closing.join(20)
        assert stopped
        assert read_all(client) == b""
