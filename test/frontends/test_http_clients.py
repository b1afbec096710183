# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""HTTP clients that are rude, slow, gone or not known; and how the servers start and stop."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from frontend_server import Keys, Served, serving, toys
from http_client import INFER, Answer, ask, chunks, place, read_all, wait_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_models import Toy, onnx_add_sub, onnx_identity, onnx_slow

from triton_ros.core.errors import ConfigError
from triton_ros.core.server_options import ServerOptions


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v2/models/add_sub/infer HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /v2/models/add_sub/infer HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2/models/add_sub/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\nab",
        b"POST /v2/models/add_sub/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"zz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(1000),
    ],
)
def test_what_is_no_http_is_refused_and_disturbs_nobody(served: Served, data: bytes) -> None:
    answer = b""
    # it may be refused before it has sent all of it
    with socket.create_connection(place(served.http)) as client, suppress(ConnectionError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert not answer or b" 400 " in answer.split(b"\r\n")[0]
    assert ask(served.http, "GET", "/v2/health/live").status == 200


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300), st.sampled_from(["", "chunked", "3", "0", "9"]))
def test_no_bytes_bring_it_down(served: Served, data: bytes, length: str) -> None:
    kind = "Transfer-Encoding" if length == "chunked" else "Content-Length"
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n{kind}: {length}\r\n\r\n" if length else ""
    with socket.create_connection(place(served.http)) as client:
        client.sendall(head.encode() + data)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert b"HTTP/1.1 5" not in answer


def test_truncated_bodies_are_no_requests(served: Served) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    with socket.create_connection(place(served.http)) as client:
        client.sendall(head + b"{")
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert b"200 OK" not in answer
    assert served.in_flight == 0


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Served]:
    """Small limits, and a model that takes its time."""
    models = {
        "add_sub": Toy(onnx_add_sub()),
        "identity": Toy(onnx_identity("UINT8", ("N", None))),
        "slow": Toy(onnx_slow(300_000), "instance_group [{ count: 1 kind: KIND_CPU }]"),
    }
    limits: dict[str, Any] = {"http_max_input_size": 10_000, "max_connections": 4}
    limits |= {"http_header_timeout_secs": 0.2, "http_idle_timeout_secs": 0.4}
    with serving(tmp_path, models, **limits) as found:
        yield found


def test_bodies_beyond_the_limit_are_refused_before_they_are_read(strict: Served) -> None:
    found = ask(strict.http, "POST", INFER, bytes(10_001))
    assert found.status == 400
    assert "10001 bytes exceeds the maximum allowed input size of 10000 bytes" in found.error
    found = ask(strict.http, "POST", INFER, bytes(10_001), {"Inference-Header-Content-Length": "0"})
    assert "Raw input has a byte_size (10001 bytes) that exceeds the maximum" in found.error
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n\r\n".encode()
    with socket.create_connection(place(strict.http)) as client:
        client.sendall(head)
        assert b" 400 " in client.recv(1000)
    connection = http.client.HTTPConnection(strict.http, timeout=20)
    headers = {"Transfer-Encoding": "chunked"}
    connection.request("POST", INFER, chunks(bytes(20_000), 999), headers, encode_chunked=True)
    assert "exceeds the maximum allowed" in Answer(connection.getresponse()).error
    connection.close()


@pytest.mark.parametrize("data", [b"", b"GET /v2 HTT", b"GET /v2 HTTP/1.1\r\nHost: x\r\n"])
def test_clients_that_never_finish_a_head_are_cut_off(strict: Served, data: bytes) -> None:
    with socket.create_connection(place(strict.http)) as client:
        client.sendall(data)
        assert read_all(client) == b""


def test_clients_that_never_finish_a_body_are_told_so(strict: Served) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    with socket.create_connection(place(strict.http)) as client:
        client.sendall(head + b"{")
        assert read_all(client).startswith(b"HTTP/1.1 408")


def test_connections_beyond_the_limit_are_refused(strict: Served) -> None:
    held = [socket.create_connection(place(strict.http)) for _ in range(4)]
    try:
        for client in held:
            client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        with socket.create_connection(place(strict.http)) as client:
            assert read_all(client).startswith(b"HTTP/1.1 503")
    finally:
        for client in held:
            client.close()


def slow_request() -> bytes:
    head = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0, 0, 0, 0]}]}
    body = json.dumps(head).encode()
    line = f"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return line.encode() + body


def test_a_client_that_hangs_up_withdraws_its_request(strict: Served) -> None:
    running = socket.create_connection(place(strict.http))
    running.sendall(slow_request())
    wait_for(lambda: strict.in_flight == 1)
    waiting = socket.create_connection(place(strict.http))
    waiting.sendall(slow_request())
    wait_for(lambda: strict.in_flight == 2)
    waiting.close()
    wait_for(lambda: strict.in_flight == 1)
    assert running.recv(1000).startswith(b"HTTP/1.1 200")
    running.close()
    failed = strict.server.describe("slow").statistics.failures
    assert {reason.value: count for reason, count in failed.items()} == {"CANCELED": 1}


# TLS, start and stop -----------------------------------------------------------------------------


def test_tls_and_mutual_tls(tmp_path: Path, keys: Keys) -> None:
    models = {"add_sub": Toy(onnx_add_sub())}
    for mutual in (False, True):
        options = keys.mutual if mutual else keys.server
        with serving(tmp_path, models, **options) as found:
            context = ssl.create_default_context(cafile=keys.file("ca.pem"))
            url = f"https://{found.http}/v2/health/live"
            if mutual:
                with pytest.raises((OSError, http.client.HTTPException)):
                    urllib.request.urlopen(url, context=context, timeout=10).read()
                context.load_cert_chain(keys.file("client.pem"), keys.file("client.key"))
            assert urllib.request.urlopen(url, context=context, timeout=10).status == 200
            with pytest.raises((OSError, http.client.HTTPException)):
                urllib.request.urlopen(f"http://{found.http}/v2", timeout=10).read()
            scrape = f"https://{found.metrics}/metrics"
            assert urllib.request.urlopen(scrape, context=context, timeout=10).status == 200


def test_stopping_finishes_what_runs_and_refuses_what_comes(tmp_path: Path) -> None:
    models = {"slow": Toy(onnx_slow(300_000), "instance_group [{ count: 1 kind: KIND_CPU }]")}
    options = ServerOptions(load_model=("*",), exit_timeout_secs=20.0)
    with serving(tmp_path, models, server_options=options) as found:
        kept = http.client.HTTPConnection(found.http, timeout=20)
        kept.request("GET", "/v2/health/live")
        assert Answer(kept.getresponse()).status == 200
        running = socket.create_connection(place(found.http))
        running.sendall(slow_request())
        wait_for(lambda: found.in_flight == 1)
        closing = threading.Thread(target=found.frontends.close)
        closing.start()
        wait_for(lambda: found.frontends.plane.inference.stopped)
        kept.request("GET", "/v2/health/live")
        late = Answer(kept.getresponse())
        assert (late.status, late.error) == (503, "Server exiting")
        assert running.recv(1000).startswith(b"HTTP/1.1 200")
        running.close()
        kept.close()
        closing.join(30)
        assert not closing.is_alive()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"http_address": "203.0.113.1"}, "http_address '203.0.113.1'"),
        ({"http_address": "no such host"}, "http_address 'no such host'"),
        ({"grpc_address": "203.0.113.1"}, "grpc_address '203.0.113.1'"),
        ({"metrics_address": "203.0.113.1"}, "metrics_address '203.0.113.1'"),
    ],
)
def test_addresses_that_cannot_be_had_are_named(
    tmp_path: Path, options: dict[str, str], text: str
) -> None:
    with pytest.raises(ConfigError) as error, serving(tmp_path, {}, **options):
        pass
    assert text in str(error.value)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as found:
        for protocol in ("http", "grpc", "metrics"):
            port = int(found.frontends.addresses[protocol].rpartition(":")[2])
            taken = {f"{protocol}_port": port}
            with pytest.raises(ConfigError) as error, serving(tmp_path, {}, **taken):
                pass
            assert f"{protocol}_port {port}" in str(error.value)


def test_all_toys_load(tmp_path: Path) -> None:
    with serving(tmp_path, toys()) as found:
        assert ask(found.http, "GET", "/v2/health/ready").status == 200
