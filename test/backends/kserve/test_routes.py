# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Without servers: their order, a trial that tells nothing, sequences that are forgotten."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kserve_faults import wait_for

from triton_ros.backends.kserve import forwarding
from triton_ros.backends.kserve.breaker import Circuit, State
from triton_ros.backends.kserve.exchange import Withdrawal
from triton_ros.backends.kserve.failure import RemoteFailure, withdrawn
from triton_ros.backends.kserve.forwarding import Places
from triton_ros.backends.kserve.routes import Errand, Route, Routes
from triton_ros.backends.kserve.settings import RemoteSettings
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.errors import CancelledError, InternalError

OPEN_NS = 1_000_000_000


class Server:
    """A transport whose readiness is counted."""

    def __init__(self) -> None:
        self.probes = 0

    def ready(self, deadline: float) -> None:
        self.probes += 1

    def close(self) -> None:
        pass


def _routes(tmp_path: Path, *circuits: Circuit, **parameters: str) -> Routes:
    config = ModelConfig("m", parameters={"url": "h:1", **parameters})
    settings = RemoteSettings.of(config, tmp_path)
    made: Any = [Route(f"h:{n}", Server(), circuit) for n, circuit in enumerate(circuits)]  # type: ignore[arg-type]
    return Routes(settings, made, jitter=lambda: 0.0)


def _errand() -> Errand:
    return Errand(time.monotonic() + 30, False, Withdrawal())


def test_a_trial_that_was_withdrawn_is_followed_by_a_probe(tmp_path: Path) -> None:
    now = [0]
    circuit = Circuit(1, OPEN_NS, lambda: now[0])
    routes = _routes(tmp_path, circuit, retries="0")
    circuit.failed()
    now[0] = OPEN_NS

    def ask(transport: Any, deadline: float) -> None:
        assert circuit.state is State.HALF_OPEN
        raise withdrawn("the trial")

    with pytest.raises(CancelledError):
        routes.ask(ask, _errand())
    wait_for(lambda: circuit.state is State.CLOSED, "no probe followed")
    (route,) = routes.routes
    assert route.transport.probes == 1  # type: ignore[attr-defined]
    routes.close()


def test_servers_are_asked_in_order_and_again_in_the_next_turn(tmp_path: Path) -> None:
    circuits = [Circuit(0, OPEN_NS, lambda: 0) for _ in range(3)]
    routes = _routes(tmp_path, *circuits, retries="1", backoff_ms="0")
    asked: list[Any] = []

    def ask(transport: Any, deadline: float) -> str:
        asked.append(transport)
        if len(asked) < 5:
            raise RemoteFailure("busy")
        return "answer"

    answer, route = routes.ask(ask, _errand())
    servers = [each.transport for each in routes.routes]
    assert asked == [*servers, *servers[:2]]
    assert (answer, route) == ("answer", routes.routes[1])
    counters = routes.counters
    assert (counters["failures"], counters["retries"], counters["failovers"]) == (4, 1, 3)
    routes.close()


def test_a_definite_error_says_that_the_server_lives(tmp_path: Path) -> None:
    circuit = Circuit(2, OPEN_NS, lambda: 0)
    routes = _routes(tmp_path, circuit)
    circuit.failed()

    def ask(transport: Any, deadline: float) -> None:
        raise InternalError("the model broke")

    with pytest.raises(InternalError):
        routes.ask(ask, _errand())
    circuit.failed()
    assert circuit.state is State.CLOSED, "not two in a row"
    routes.close()


def test_the_oldest_sequences_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "_MOST_SEQUENCES", 2)
    places = Places()

    def request(key: int, **marks: bool) -> Any:
        marks = {"sequence_start": False, "sequence_end": False, **marks}
        return SimpleNamespace(correlation_id=key, **marks)

    for key in (1, 2, 3):
        places.note(request(key, sequence_start=True), None)
    assert [places.of(request(key)) for key in (1, 2, 3)] == [
        *((False, None), (True, None), (True, None))
    ]
    assert places.of(request(2, sequence_start=True)) == (False, None), "it begins anew"
    places.note(request(2, sequence_end=True), None)
    assert places.of(request(2)) == (False, None)
    assert places.of(request(0)) == (False, None), "no sequence"
