# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Servers that are gone, hang, refuse, lie or die: what the robot notices, and how it recovers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from kserve_server import Fault, Remote, Seen

from triton_ros.core.control.model_state import ModelState
from triton_ros.core.errors import (
    CancelledError,
    DeadlineError,
    InternalError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import Cancellation, InferenceRequest

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TIMEOUT = 30
TENSORS = (
    'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: [4] }'
    ' output { name: "y" data_type: TYPE_FP32 dims: [4] }'
)
QUICK = {"retries": 0, "breaker_failures": 1, "breaker_open_ms": 50, "connect_timeout_ms": 500}


def wait_for(condition: Callable[[], bool], why: str) -> None:
    """Until it holds; nothing here tells when."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, why
        threading.Event().wait(0.005)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Times:
    """Raises the fault the first so many times."""

    def __init__(self, count: int, fault: Fault) -> None:
        self.left = count
        self._fault = fault
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> None:
        with self._lock:
            self.left -= 1
            if self.left >= 0:
                raise self._fault


@pytest.fixture
def unavailable(protocol: str) -> Fault:
    return Fault("UNAVAILABLE" if protocol == "grpc" else 503, "busy")


class Gate:
    """Holds every request until it is opened, and tells when one is there."""

    def __init__(self) -> None:
        self.here = threading.Event()
        self.open = threading.Event()

    def __call__(self, seen: Seen) -> None:
        self.here.set()
        self.open.wait(TIMEOUT)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


# --- retries ------------------------------------------------------------------------------------


def test_a_busy_server_is_asked_again_after_a_pause(
    near: Any, remote: Remote, unavailable: Fault
) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, retries=2, backoff_ms=200)
    remote.before = Times(2, unavailable)
    start = time.monotonic()
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
    assert time.monotonic() - start >= 0.1 + 0.2, "half of 200 ms and half of 400 ms at least"
    assert len(remote.seen) == 3
    assert near.counters("affine") == {
        **{"retries": 2, "failures": 2, "circuits_open": 0, "circuits_opened": 0}
    }


def test_backoff_is_bounded(near: Any, remote: Remote, unavailable: Fault) -> None:
    near.load(
        *("affine",),
        **{"url": remote.url, "protocol": remote.protocol, "retries": 3},
        **{"backoff_ms": 20000, "backoff_max_ms": 10},
    )
    remote.before = Times(3, unavailable)
    near.ask("affine")
    assert len(remote.seen) == 4


def test_after_so_many_retries_the_error_says_what_the_server_said(
    near: Any, remote: Remote, unavailable: Fault
) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, retries=1, backoff_ms=1)
    remote.before = Times(99, unavailable)
    with pytest.raises(UnavailableError, match=r"'affine'.*at 127\.0\.0\.1:\d+.*busy"):
        near.ask("affine")
    assert len(remote.seen) == 2


def test_retry_on_connection_does_not_repeat_what_was_sent(
    near: Any, remote: Remote, unavailable: Fault
) -> None:
    near.load("affine", url=remote.url, protocol=remote.protocol, retries=5, retry_on="connection")
    remote.before = Times(1, unavailable)
    with pytest.raises(UnavailableError, match="busy"):
        near.ask("affine")
    assert len(remote.seen) == 1


def test_a_sequence_is_never_sent_twice(near: Any, remote: Remote, unavailable: Fault) -> None:
    near.load("sum", "sequence_batching {}", url=remote.url, protocol=remote.protocol, retries=5)
    one = np.ones((1, 1), np.float32)
    near.ask("sum", one, correlation_id=3, sequence_start=True)
    remote.before = Times(1, unavailable)
    with pytest.raises(UnavailableError, match=r"busy.*begin it anew"):
        near.ask("sum", one, correlation_id=3)
    assert len(remote.seen) == 2


# --- failover -----------------------------------------------------------------------------------


def test_the_next_server_is_asked_at_once(near: Any, remote: Remote) -> None:
    urls = f"127.0.0.1:{free_port()},{remote.url}"
    near.load("affine", url=urls, protocol=remote.protocol, retries=0, backoff_ms=20000)
    np.testing.assert_array_equal(near.ask("affine").outputs["y"], 3 * X + 5)
    assert near.counters("affine")["failovers"] == 1
    assert near.counters("affine")["circuits_open"] == 1, "it was down at the load"
    assert near.server.model_ready("affine"), "one is enough"


def test_a_server_that_dies_is_left_for_the_next(near: Any, far: Any, protocol: str) -> None:
    with Remote(far, protocol) as one, Remote(far, protocol) as two:
        near.load(
            *("affine",), url=f"{one.url},{two.url}", protocol=protocol, retries=0, **_breaker(1)
        )
        near.ask("affine")
        one.stop()
        for _ in range(3):
            near.ask("affine")
        assert (len(one.seen), len(two.seen)) == (1, 3)
        counters = near.counters("affine")
        assert (counters["failovers"], counters["failures"]) == (3, 1)
        one.start()


def _breaker(failures: int, open_ms: int = 60_000) -> dict[str, int]:
    return {"breaker_failures": failures, "breaker_open_ms": open_ms}


def test_a_sequence_stays_on_its_server(near: Any, far: Any, protocol: str) -> None:
    one_row = np.ones((1, 1), np.float32)
    with Remote(far, protocol) as one, Remote(far, protocol) as two:
        near.load(
            *("sum", "sequence_batching {}"),
            **{"url": f"{one.url},{two.url}", "protocol": protocol, "retries": 0},
            **_breaker(0),
        )
        one.before = Times(1, Fault(503 if protocol == "http" else "UNAVAILABLE"))
        with pytest.raises(UnavailableError):
            near.ask("sum", one_row, correlation_id=5, sequence_start=True)
        near.ask("sum", one_row, correlation_id=5, sequence_start=True)
        near.ask("sum", one_row, correlation_id=5)
        assert (len(one.seen), len(two.seen)) == (3, 0)
        one.stop()
        with pytest.raises(UnavailableError, match="begin it anew"):
            near.ask("sum", one_row, correlation_id=5)
        near.ask("sum", one_row, correlation_id=5, sequence_start=True)
        near.ask("sum", one_row, correlation_id=5, sequence_end=True)
        assert len(two.seen) == 2
        one.start()


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
    near.load("affine", url=remote.url, protocol=remote.protocol, **_breaker(1))
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
    near.load("affine", url=remote.url, protocol=remote.protocol, **_breaker(1))
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
    with pytest.raises(UnavailableError, match="no server answers"):
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
    with pytest.raises(UnavailableError, match="no server answers"):
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
    "said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b""]
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
