# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Many callers, two servers that come and go: every answer is right or an honest error."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from kserve_server import Fault, Remote, Seen

from triton_ros.core.errors import TritonError, UnavailableError
from triton_ros.core.request import Cancellation, InferenceRequest

CALLERS = 6
REQUESTS = 20


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.002)


def test_nothing_is_lost_or_mixed_up_while_servers_die_and_come_back(
    near: Any, far: Any, protocol: str
) -> None:
    chance = random.Random(5)
    lock = threading.Lock()

    def before(seen: Seen) -> None:
        with lock:
            ill = chance.random() < 0.2
        if ill:
            raise Fault(503 if protocol == "http" else "UNAVAILABLE")

    with (
        Remote(far, protocol, before=before) as one,
        Remote(far, protocol, before=before) as two,
    ):
        near.load(
            *("affine",),
            **{"url": f"{one.url},{two.url}", "protocol": protocol, "retries": 2, "backoff_ms": 1},
            **{"breaker_failures": 3, "breaker_open_ms": 20, "connect_timeout_ms": 300},
        )
        outcomes: Counter[str] = Counter()
        over = threading.Event()
        wrong: list[str] = []

        def work(caller: int) -> None:
            turn = 0
            while not over.is_set() or turn < REQUESTS:
                turn += 1
                x = np.full((1 + turn % 3, 4), 1000 * caller + turn % 1000, np.float32)
                try:
                    y = near.ask("affine", x).outputs["y"]
                except UnavailableError:
                    found = "unavailable"
                    over.wait(0.001)  # or one who is refused at once keeps all others from a turn
                else:
                    found = "answered"
                    if not np.array_equal(y, 3 * x + 5):
                        wrong.append(f"{x} {y}")
                with lock:
                    outcomes[found] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        for remote in (one, two, one, two):
            remote.stop()
            remote.start()
            _wait(lambda: near.server.model_ready("affine"))
            before_now = outcomes["answered"]
            _wait(lambda: outcomes["answered"] > before_now + 20)  # noqa: B023
        over.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert not wrong
        assert outcomes["answered"] > 80, outcomes
        one.before = two.before = lambda seen: None
        _wait(lambda: not near.counters("affine")["circuits_open"])
        for _ in range(10):
            near.ask("affine")
        near.server.unload_model("affine").result(30)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("kserve_", "probe_"))]


def test_requests_that_are_withdrawn_at_any_moment_leave_nothing_behind(
    near: Any, far: Any, protocol: str
) -> None:
    with Remote(far, protocol) as remote:
        near.load("affine", url=remote.url, protocol=protocol, max_in_flight=4)
        outcomes: Counter[str] = Counter()
        lock = threading.Lock()

        def work(caller: int) -> None:
            chance = random.Random(caller)
            for turn in range(100):
                x = np.full((1, 4), turn, np.float32)
                token, done = Cancellation(), threading.Event()
                found: list[Any] = []
                near.server.submit(
                    InferenceRequest("affine", {"x": x}, cancellation=token),
                    lambda outcome, f=found, d=done: (f.append(outcome), d.set())[-1],
                )
                if chance.random() < 0.7:
                    done.wait(chance.random() * 0.003)
                    token.cancel()
                assert done.wait(30)
                if not isinstance(found[0], TritonError):
                    np.testing.assert_array_equal(found[0].outputs["y"], 3 * x + 5)
                with lock:
                    outcomes[type(found[0]).__name__] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(outcomes) == {"InferenceResponse", "CancelledError"}, outcomes
        assert sum(outcomes.values()) == CALLERS * 100
        assert near.counters("affine") == {"circuits_open": 0, "circuits_opened": 0}
        for _ in range(8):  # every slot came back
            near.ask("affine", np.zeros((1, 4), np.float32))
