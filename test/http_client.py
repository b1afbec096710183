# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A plain HTTP client for tests of the HTTP frontend."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

X = list(range(16))
INPUTS = [{"name": f"INPUT{at}", "datatype": "FP32", "shape": [1, 16], "data": X} for at in (0, 1)]
INFER = "/v2/models/add_sub/infer"


class Answer:
    """One response, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


def ask(
    address: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=20)
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    try:
        connection.request(method, path, data, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def place(address: str) -> tuple[str, int]:
    """Of ``host:port``."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def read_all(client: socket.socket) -> bytes:
    client.settimeout(20)
    data = b""
    while part := client.recv(1 << 16):
        data += part
    return data


def wait_for(condition: Callable[[], bool]) -> None:
    """Look again and again; a test's own time limit ends it."""
    event = threading.Event()
    while not condition():
        event.wait(0.005)
