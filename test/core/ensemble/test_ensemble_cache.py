# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An ensemble's answers in the response cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_backend import (
    CHAIN,
    TIMEOUT,
    FakeBackend,
    Gate,
    Outcomes,
    ensemble,
    fake,
    loaded,
    row,
    serving,
    step,
    value,
)
from toy_models import Toy, write_repository

from triton_ros.core.request import InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions

CACHED = Toy(config=f"{CHAIN.config} response_cache {{ enable: true }}")

OUTER = Toy(config=f"{ensemble(step('e', 'X:X', 'Y:Y')).config} response_cache {{ enable: true }}")


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def server(tmp_path: Path, backend: FakeBackend) -> Iterator[InferenceServer]:
    models = {"a": fake(1), "b": fake(10), "e": CACHED, "outer": OUTER}
    options = ServerOptions(cache_byte_size=100_000)
    with serving(tmp_path / "models", backend, models, options=options) as made:
        loaded(made, "e")
        backend.batches.clear()
        yield made


def asked(server: InferenceServer, number: float, name: str = "e") -> InferenceResponse:
    return server.infer(InferenceRequest(name, {"X": row(number)}), TIMEOUT)


def test_the_same_request_runs_no_step(server: InferenceServer, backend: FakeBackend) -> None:
    answers = [asked(server, 5), asked(server, 5), asked(server, 6)]
    assert [value(answer, "Y") for answer in answers] == [16, 16, 17]
    assert [answer.cached for answer in answers] == [False, True, False]
    assert backend.sizes("a") == [1, 1]
    counted = server.describe("e").statistics
    assert (counted.cache_hit.count, counted.cache_miss.count) == (1, 2)
    assert (counted.success.count, counted.inference_count) == (3, 2)


def test_an_exchanged_step_makes_the_answers_old(server: InferenceServer, tmp_path: Path) -> None:
    assert value(asked(server, 5), "Y") == 16
    write_repository(tmp_path / "models", {"b": fake(20)})
    loaded(server, "b")
    fresh = asked(server, 5)
    assert (value(fresh, "Y"), fresh.cached) == (26, False)
    assert asked(server, 5).cached


def test_an_exchanged_step_of_an_ensemble_among_the_steps_does_too(
    server: InferenceServer, tmp_path: Path
) -> None:
    loaded(server, "outer")
    assert value(asked(server, 5, "outer"), "Y") == 16
    assert asked(server, 5, "outer").cached
    write_repository(tmp_path / "models", {"b": fake(20)})
    loaded(server, "b")
    fresh = asked(server, 5, "outer")
    assert (value(fresh, "Y"), fresh.cached) == (26, False)
    assert asked(server, 5, "outer").cached


def test_what_an_old_step_still_answers_is_not_for_requests_to_the_new_one(
    server: InferenceServer, tmp_path: Path, backend: FakeBackend
) -> None:
    gate = backend.on_execute = Gate("b", offset=10.0)
    old, new = Outcomes(), Outcomes()
    server.submit(InferenceRequest("e", {"X": row(5)}), old)
    gate.wait_entered()
    write_repository(tmp_path / "models", {"b": fake(20)})
    loaded(server, "b")
    server.submit(InferenceRequest("e", {"X": row(5)}), new)
    assert value(new.one(), "Y") == 26
    gate.open()
    assert value(old.one(), "Y") == 16
    assert value(asked(server, 5), "Y") == 26
