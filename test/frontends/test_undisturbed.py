# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clients that do nothing wrong do not notice those that do."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from frontend_attacks import ATTACKS, CANARY, OPTIONS, head, warnings
from frontend_server import Served, serving
from http_client import INPUTS, ask, place, wait_for
from toy_models import Toy, onnx_add_sub
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triton_ros.core.request import InferenceRequest

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


def test_nothing_else_is_disturbed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, memory: Path
) -> None:
    with serving(tmp_path, {"add_sub": Toy(onnx_add_sub())}, **OPTIONS) as served:
        ask(served.http, "GET", "/v2/health/ready")
        with Regulars(served) as regulars:
            before = holdings()
            for _ in range(ROUNDS):
                for attack, _ in ATTACKS.values():
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
