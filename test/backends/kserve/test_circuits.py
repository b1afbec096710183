# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Servers that die and come back, or whose answer is none: what the robot notices."""

from __future__ import annotations

import socket
import threading
from typing import Any

import numpy as np
import pytest
from kserve_faults import QUICK, TENSORS, TIMEOUT, Gate, Times, X, wait_for
from kserve_server import Fault, Remote

from triton_ros.core.control.model_state import ModelState
from triton_ros.core.errors import (
    InternalError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import InferenceRequest

# --- circuits -----------------------------------------------------------------------------------


def test_a_dead_server_is_not_asked_and_a_live_one_is_found_again(
    near: Any, remote: Remote
) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, **QUICK)
    near.ask("affine")
    remote.stop()
    with pytest.raises(UnavailableError):
        near.ask("affine")
    wait_for(lambda: not near.server.model_ready("affine"), "its circuit is open")
    (entry,) = [e for e in near.server.repository_index() if e.name == "affine"]
    assert entry.state is ModelState.UNAVAILABLE
    assert "no server answers (model 'affine': remote 'affine' at 127.0.0.1" in entry.reason
    with pytest.raises(UnavailableError, match=r"'affine'.*127\.0\.0\.1"):
        near.ask("affine")
    remote.start()
    wait_for(lambda: near.server.model_ready("affine"), "a probe finds it")
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
    counters = near.counters("affine")
    assert counters["circuits_open"] == 0
    assert counters["circuits_opened"] >= 1
    assert counters["probes"] >= 1


def test_a_server_that_is_not_ready_is_not_asked(near: Any, remote: Remote) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, **QUICK)
    remote.ready = False
    remote.before = Times(1, Fault(503 if remote.protocol == "http" else "UNAVAILABLE"))
    with pytest.raises(UnavailableError):
        near.ask("affine")
    wait_for(lambda: near.counters("affine").get("probes", 0) >= 2, "no probes")
    assert not near.server.model_ready("affine")
    remote.ready = True
    wait_for(lambda: near.server.model_ready("affine"), "a probe finds it")


def test_a_remote_that_is_down_at_the_load(near: Any, remote: Remote) -> None:
    remote.stop()
    where = {"url": remote.url, "protocol": remote.protocol, **QUICK}
    with pytest.raises(UnavailableError, match=r"does not state input and output.*127\.0\.0\.1"):
        near.load("affine", **where)
    near.load("affine", TENSORS, **where)
    assert near.server.describe("affine").config.max_batch_size == 4
    wait_for(lambda: not near.server.model_ready("affine"), "it says that it is ready")
    with pytest.raises(UnavailableError, match=r"'affine'.*127\.0\.0\.1"):
        near.ask("affine")
    remote.start()
    wait_for(lambda: near.server.model_ready("affine"), "a probe finds it")
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_a_probe_is_the_trial_of_a_server_that_was_restarted(near: Any, remote: Remote) -> None:
    """On the same port, with a connection kept from before."""
    near.load("affine", url=remote.url, protocol=remote.protocol, retries=3, backoff_ms=200)
    near.ask("affine")
    remote.stop()
    remote.start()
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


class Cable:
    """Hands bytes on, until it is cut: connections of before stay open then, and nothing comes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._cut: set[socket.socket] = set()
        self._known: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        self._cut.update(self._known)

    def close(self) -> None:
        for each in (self._listener, *self._known):
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._known += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if source not in self._cut:
                    sink.sendall(data)
            sink.close()
        except OSError:
            pass


def test_a_network_that_was_away_is_used_again_by_new_connections(
    near: Any, remote: Remote
) -> None:
    """Nobody says that the old one is dead: TCP would go on trying for minutes."""
    cable = Cable(remote.port)
    parameters = {**QUICK, "timeout_ms": 300, "connect_timeout_ms": 300}
    where = {"url": f"127.0.0.1:{cable.port}", "protocol": remote.protocol}
    near.load("affine", **where, **parameters)
    near.ask("affine")
    cable.cut()
    with pytest.raises(UnavailableError, match="did not answer in time"):
        near.ask("affine")
    wait_for(lambda: near.server.model_ready("affine"), "a probe connects anew")
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
    near.server.unload_model("affine").result(TIMEOUT)
    cable.close()


def test_a_kept_connection_that_the_server_closed_costs_no_request(near: Any, far: Any) -> None:
    """HTTP: one that is idle for long is closed by most servers."""
    with Remote(far, "http") as remote:
        near.load("affine", url=remote.url, protocol="http", retries=0)
        near.ask("affine")
        remote.stop()
        remote.start()
        np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
        assert near.counters("affine") == {"circuits_open": 0, "circuits_opened": 0}


def test_a_server_killed_while_it_works(near: Any, remote: Remote, gate: Gate) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, retries=0)
    remote.before = gate
    outcomes: list[Any] = []
    done = threading.Event()
    near.server.submit(
        InferenceRequest("affine", {"x": X}),
        lambda outcome: (outcomes.append(outcome), done.set())[-1],
    )
    assert gate.here.wait(TIMEOUT)
    threading.Thread(target=remote.stop).start()
    assert done.wait(TIMEOUT)
    assert isinstance(outcomes[0], UnavailableError), outcomes
    gate.open.set()
    remote.start()


# --- answers that are none ----------------------------------------------------------------------


def test_half_an_answer_is_a_failure_of_the_server(near: Any, far: Any) -> None:
    with Remote(far, "http") as remote:
        near.load("affine", url=remote.url, protocol="http", retries=0)
        remote.half = True
        with pytest.raises(UnavailableError, match="connection ended within the response"):
            near.ask("affine")
        remote.half, remote.before = False, Times(1, Fault(0))
        with pytest.raises(UnavailableError, match="closed connection"):
            near.ask("affine")
        np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_an_answer_larger_than_allowed_is_refused(near: Any, remote: Remote) -> None:
    near.load("text", url=remote.url, protocol=remote.protocol, max_response_mb=1)
    big = np.array([["x" * (1 << 21), "", "", ""]], np.object_)
    with pytest.raises(InternalError, match=r"larger than max"):
        near.ask("text", big)
    near.load("text", url=remote.url, protocol=remote.protocol, max_response_mb=3)
    near.ask("text", big)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\n"
        b"\x1f\x8b\x08\0\0\0\0\0\0",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"",
    ],
)
def test_a_server_that_speaks_something_else(near: Any, protocol: str, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(said)
                    connection.settimeout(0.2)
                    try:
                        while said and connection.recv(4096):
                            pass
                    except OSError:
                        pass

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        with pytest.raises(TritonError, match=r"'affine'.*127\.0\.0\.1"):
            near.load(
                *("affine",),
                **{"url": f"127.0.0.1:{listener.getsockname()[1]}", "protocol": protocol},
                **{"timeout_ms": 500, "connect_timeout_ms": 200},
            )
        socket.socket.shutdown(listener, socket.SHUT_RDWR)
    thread.join(TIMEOUT)
