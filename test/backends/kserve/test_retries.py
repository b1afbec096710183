# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Servers that are busy or gone: asked again, or another one is asked."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from kserve_faults import Times, X, breaker, free_port
from kserve_server import Fault, Remote

from triton_ros.core.errors import (
    UnavailableError,
)

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
            *("affine",), url=f"{one.url},{two.url}", protocol=protocol, retries=0, **breaker(1)
        )
        near.ask("affine")
        one.stop()
        for _ in range(3):
            near.ask("affine")
        assert (len(one.seen), len(two.seen)) == (1, 3)
        counters = near.counters("affine")
        assert (counters["failovers"], counters["failures"]) == (3, 1)
        one.start()


def test_a_sequence_stays_on_its_server(near: Any, far: Any, protocol: str) -> None:
    one_row = np.ones((1, 1), np.float32)
    with Remote(far, protocol) as one, Remote(far, protocol) as two:
        near.load(
            *("sum", "sequence_batching {}"),
            **{"url": f"{one.url},{two.url}", "protocol": protocol, "retries": 0},
            **breaker(0),
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
