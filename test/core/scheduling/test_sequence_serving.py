# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sequences through a whole server: its threads, its clock, its configuration files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fake_backend import TIMEOUT, Outcomes, loaded, value
from fake_sequence_models import CONTROLS, STATE, SequenceBackend, sequence_model
from toy_models import Toy, write_repository

from triton_ros.core.errors import CancelledError, InternalError, InvalidArgumentError
from triton_ros.core.request import Cancellation, InferenceRequest
from triton_ros.core.server import InferenceServer

Serve = Callable[[Toy], InferenceServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers: list[InferenceServer] = []

    def build(toy: Toy) -> InferenceServer:
        (tmp_path / "m" / "initial_state").mkdir(parents=True)
        write_repository(tmp_path, {"m": toy})
        servers.append(InferenceServer([tmp_path], lambda name: SequenceBackend()))
        loaded(servers[-1], "m")
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()


def request(sequence: int, x: float, flags: str = "", **fields: object) -> InferenceRequest:
    return InferenceRequest(
        "m",
        {"x": np.full((1, 1), x, np.float32)},
        correlation_id=sequence,
        sequence_start="s" in flags,
        sequence_end="e" in flags,
        **fields,  # type: ignore[arg-type]
    )


def client(server: InferenceServer, sequence: int, count: int = 20) -> list[float]:
    """The answers to one sequence of ones."""
    answers = []
    for n in range(count):
        flags = ("s" if n == 0 else "") + ("e" if n == count - 1 else "")
        answers.append(value(server.infer(request(sequence, 1, flags), TIMEOUT)))
    return answers


@pytest.mark.parametrize("strategy", ["direct {}", "oldest { max_candidate_sequences: 3 }"])
def test_every_client_gets_the_sum_of_its_own(serve: Serve, strategy: str) -> None:
    server = serve(sequence_model("sum", f"{strategy} {STATE}", instances=2))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client(server, n), range(1, 9)))
    assert answers == [[100.0 + n for n in range(1, 21)]] * 8
    assert server.infer(request(1, 1, "se"), TIMEOUT).outputs.keys() == {"y"}


def test_a_model_that_keeps_state_by_row_sees_it_in_its_row(serve: Serve) -> None:
    server = serve(sequence_model("rows", f"direct {{}} {CONTROLS}", rows=3, instances=2))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client(server, n), range(1, 9)))
    assert answers == [[float(n) for n in range(1, 21)]] * 8


def test_a_failed_request_leaves_sequence_and_state(serve: Serve) -> None:
    server = serve(sequence_model("sum", f"oldest {{}} {STATE}"))
    assert value(server.infer(request(7, 5, "s"), TIMEOUT)) == 105
    with pytest.raises(InternalError, match="x is negative"):
        server.infer(request(7, -1), TIMEOUT)
    assert value(server.infer(request(7, 1), TIMEOUT)) == 106


def test_an_idle_sequence_makes_room(serve: Serve) -> None:
    idle = "max_sequence_idle_microseconds: 20000"
    server = serve(sequence_model("sum", f"direct {{}} {STATE} {idle}", rows=1))
    server.infer(request(1, 1, "s"), TIMEOUT)
    assert value(server.infer(request(2, 1, "s"), TIMEOUT)) == 101, "sequence 1 never ended"
    with pytest.raises(InvalidArgumentError, match="must specify the START flag"):
        server.infer(request(1, 1), TIMEOUT)


def test_a_cancelled_sequence_is_answered_whole(serve: Serve) -> None:
    long = "max_sequence_idle_microseconds: 60000000"
    server = serve(sequence_model("sum", f"direct {{}} {STATE} {long}", rows=1))
    server.infer(request(1, 1, "s"), TIMEOUT)
    outcomes, token = Outcomes(), Cancellation()
    server.submit(request(2, 1, "s"), outcomes)
    server.submit(request(2, 1, cancellation=token), outcomes)
    server.submit(request(2, 1), outcomes)
    token.cancel()
    assert [type(outcome) for outcome in outcomes.wait(3)] == [CancelledError] * 3
    assert value(server.infer(request(1, 1, "e"), TIMEOUT)) == 102


def test_iterative_requests_run_until_they_are_done(serve: Serve) -> None:
    toy = sequence_model("countdown", "oldest {} iterative_sequence: true", rows=4)
    server = serve(toy)
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda n: value(server.infer(request(0, n), TIMEOUT)), range(1, 7))
        assert list(found) == [1, 2, 3, 4, 5, 6]


def test_an_unload_does_not_wait_for_sequences_that_nobody_continues(serve: Serve) -> None:
    hour = "max_sequence_idle_microseconds: 3600000000"
    server = serve(sequence_model("sum", f"direct {{}} {STATE} {hour}", rows=1))
    server.infer(request(1, 1, "s"), TIMEOUT)
    waiting = Outcomes()
    server.submit(request(2, 1, "s"), waiting)
    name = request(1, 1).model_name
    server.unload_model(name).result(TIMEOUT)
    assert value(waiting.one()) == 101, "its turn came when nobody could go on with sequence 1"
