# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Servers that hang: timeouts, deadlines, and requests that are withdrawn."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import numpy as np
import pytest
from kserve_faults import TIMEOUT, Gate, Times, X, breaker, wait_for
from kserve_server import Fault, Remote, Seen

from triton_ros.core.errors import (
    CancelledError,
    DeadlineError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest

# --- time ---------------------------------------------------------------------------------------


def test_a_server_that_hangs_costs_timeout_ms(near: Any, remote: Remote, gate: Gate) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, timeout_ms=150, retries=0)
    remote.before = gate
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=r"'affine'.*did not answer in time"):
        near.ask("affine")
    assert 0.15 <= time.monotonic() - start < 5
    assert near.counters("affine")["timeouts"] == 1


def test_an_attempt_that_hangs_leaves_time_for_another(
    near: Any, remote: Remote, gate: Gate
) -> None:
    near.load(
        *("affine",),
        **{"url": remote.url, "protocol": remote.protocol},
        **{"timeout_ms": 20000, "attempt_timeout_ms": 150, "backoff_ms": 1},
    )
    first = [True]

    def before(seen: Seen) -> None:
        if first:
            first.pop()
            gate(seen)

    remote.before = before
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
    assert near.counters("affine")["timeouts"] == near.counters("affine")["retries"] == 1


def test_the_requests_own_deadline_is_earlier_and_says_nothing_of_the_server(
    near: Any, remote: Remote, gate: Gate
) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, **breaker(1))
    remote.before = gate
    with pytest.raises(DeadlineError, match=r"deadline is over.*'affine'"):
        near.ask("affine", deadline_ns=time.monotonic_ns() + 150_000_000)
    assert near.counters("affine")["circuits_opened"] == 0
    gate.open.set()
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_a_drop_every_now_and_then_is_no_answer_in_time(near: Any) -> None:
    """HTTP: each byte comes in time, the answer does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        stop = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                while not stop.wait(0.02):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        start = time.monotonic()
        with pytest.raises(UnavailableError, match="did not answer in time"):
            near.load("affine", url=f"127.0.0.1:{port}", protocol="http", timeout_ms=200)
        assert time.monotonic() - start < 5
        stop.set()
        thread.join(TIMEOUT)


def test_a_connection_that_does_not_come_costs_connect_timeout_ms(near: Any, protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        full = []
        for _ in range(4):  # more than the backlog: the next SYN gets no answer
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            full.append(sock)
        start = time.monotonic()
        with pytest.raises(UnavailableError, match=r"no server answers.*'affine'"):
            near.load(
                *("affine",),
                **{"url": f"127.0.0.1:{port}", "protocol": protocol},
                **{"connect_timeout_ms": 200, "timeout_ms": 20000},
            )
        assert 0.15 < time.monotonic() - start < 10
        for sock in full:
            sock.close()


# --- cancellation -------------------------------------------------------------------------------


def test_a_withdrawn_request_is_withdrawn_there_too(near: Any, remote: Remote, gate: Gate) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, **breaker(1))
    remote.before = gate
    token, outcomes, done = Cancellation(), [], threading.Event()
    near.server.submit(
        InferenceRequest("affine", {"x": X}, cancellation=token),
        lambda outcome: (outcomes.append(outcome), done.set())[-1],
    )
    assert gate.here.wait(TIMEOUT)
    token.cancel()
    assert done.wait(TIMEOUT)
    assert isinstance(outcomes[0], CancelledError), outcomes
    if remote.protocol == "grpc":  # this HTTP server does not look
        assert remote.cancelled.wait(TIMEOUT)
    assert near.counters("affine") == {"circuits_open": 0, "circuits_opened": 0}
    gate.open.set()
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)


def test_a_withdrawn_request_does_not_wait_out_its_pause(
    near: Any, remote: Remote, unavailable: Fault
) -> None:
    near.load(
        *("affine",),
        **{"url": remote.url, "protocol": remote.protocol, "timeout_ms": 60_000},
        **{"backoff_ms": 50_000, "backoff_max_ms": 50_000},
    )
    token, outcomes, done = Cancellation(), [], threading.Event()
    remote.before = Times(1, unavailable)
    near.server.submit(
        InferenceRequest("affine", {"x": X}, cancellation=token),
        lambda outcome: (outcomes.append(outcome), done.set())[-1],
    )
    wait_for(lambda: near.counters("affine").get("failures") == 1, "no failure")
    token.cancel()
    assert done.wait(5)
    assert isinstance(outcomes[0], CancelledError), outcomes
