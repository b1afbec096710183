# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the kserve backend plant, and how they wait for what follows."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import numpy as np
from kserve_server import Fault, Seen

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


class Gate:
    """Holds every request until it is opened, and tells when one is there."""

    def __init__(self) -> None:
        self.here = threading.Event()
        self.open = threading.Event()

    def __call__(self, seen: Seen) -> None:
        self.here.set()
        self.open.wait(TIMEOUT)


def breaker(failures: int, open_ms: int = 60_000) -> dict[str, int]:
    """Parameters: one that stays open for the time of a test."""
    return {"breaker_failures": failures, "breaker_open_ms": open_ms}
