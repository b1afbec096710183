# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clients that want what they may not have: refused, in the log, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frontend_attacks import ATTACKS, CANARY, LOAD, OPTIONS, warnings
from frontend_server import Served, serving
from http_client import ask, wait_for
from toy_models import Toy, onnx_add_sub

from triton_ros.core.errors import InvalidArgumentError, OutOfBoundsError
from triton_ros.frontends import refusals
from triton_ros.frontends.refusals import PERIOD_S, Refusals

# the log -----------------------------------------------------------------------------------------


def test_each_kind_is_written_once_a_period(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    told = Refusals(lambda: now[0])
    for _ in range(3):
        told.tell("HTTP infer", "1.2.3.4", "no key", "authorization")
        told.tell("HTTP load", None, "no key")
    now[0] += PERIOD_S / 2
    told.tell("HTTP infer", "1.2.3.5", "slow body")
    now[0] += PERIOD_S / 2
    told.tell("HTTP infer", "1.2.3.6", "no key", "authorization")
    now[0] += PERIOD_S
    told.tell("HTTP infer", "1.2.3.6", "no key", "authorization")
    assert warnings(caplog) == [
        "HTTP infer of 1.2.3.4 is refused: no key: authorization",
        "HTTP load of somebody is refused: no key",
        "HTTP infer of 1.2.3.5 is refused: slow body",
        "HTTP infer of 1.2.3.6 is refused: no key: authorization (and 2 more in the 10 s before)",
        "HTTP infer of 1.2.3.6 is refused: no key: authorization",
    ]


def test_a_clients_words_are_one_line_of_text(caplog: pytest.LogCaptureFixture) -> None:
    error = OutOfBoundsError("\n[FATAL] \x1b[31m \ud800 " + "x" * 10_000)
    Refusals().tell_error("HTTP load", "::1", error)
    (line,) = warnings(caplog)
    line.encode()
    assert line.startswith("HTTP load of ::1 is refused: OutOfBoundsError: \\n[FATAL] \\x1b[31m")
    assert len(line) < 500


def test_what_is_merely_wrong_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    Refusals().tell_error("HTTP infer", "::1", InvalidArgumentError("no"))
    assert warnings(caplog) == []
    placed = OutOfBoundsError("no").within("in ensemble 'e'")
    assert placed.forbidden


# attacks -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Writes every refusal."""
    models = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusals, "PERIOD_S", 0)
        with serving(models, {"add_sub": Toy(onnx_add_sub())}, **OPTIONS) as served:
            yield served


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_and_in_the_log(
    guarded: Served, caplog: pytest.LogCaptureFixture, memory: Path, name: str
) -> None:
    attack, line = ATTACKS[name]
    attack(guarded)
    wait_for(lambda: bool(warnings(caplog)))
    found = warnings(caplog)
    assert line in found[0], found
    assert len(set(found)) <= 3, found
    assert memory.read_bytes() == CANARY
    assert not Path("/tmp/x").exists()


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As usual, whatever `guarded` wants."""
    monkeypatch.setattr(refusals, "PERIOD_S", PERIOD_S)


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    ("options", "method", "path", "line"),
    [
        (
            {},
            "POST",
            "/v2/systemsharedmemory/region/r/register",
            "HTTP memory_register of 127.0.0.1 is refused: SharedMemoryOffError: Client shared me",
        ),
        (
            {"allow_model_control": False},
            "POST",
            f"{LOAD}/m/load",
            "HTTP load of 127.0.0.1 is refused: ModelControlOffError: model control is not allowed",
        ),
        (
            {"max_request_rate": 0.001},
            "GET",
            "/v2",
            "HTTP of 127.0.0.1 is refused: too many requests",
        ),
    ],
)
def test_what_is_switched_off_is_in_the_log_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    method: str,
    path: str,
    line: str,
) -> None:
    with serving(tmp_path, {}, **options) as served:
        for _ in range(4):
            ask(served.http, method, path)
    (found,) = warnings(caplog)
    assert found.startswith(line)
