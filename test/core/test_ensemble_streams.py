# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decoupled ensembles in a server: real schedulers, executors and threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_backend import TIMEOUT, FakeBackend, Outcomes, ensemble, fake, loaded, row, step, value
from fake_requests import FakeRequestBackend, behaving
from toy_models import write_repository

from triton_ros.core.errors import UnsupportedError
from triton_ros.core.request import InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

REPEAT = "max_batch_size: 4 model_transaction_policy { decoupled: true }"
PLAIN = "instance_group { count: 2 } max_batch_size: 4 dynamic_batching {}"


def limited(toy: Any, limit: int) -> Any:
    """The ensemble with `max_inflight_requests`."""
    scheduling = f"ensemble_scheduling {{ max_inflight_requests: {limit}"
    return replace(toy, config=toy.config.replace("ensemble_scheduling {", scheduling, 1))


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_many_streams_at_once(tmp_path: Path, limit: int) -> None:
    """Each response of `d` goes through two instances of `b`, and comes in order."""
    backends: dict[str, Any] = {"fake": FakeBackend(), "requests": FakeRequestBackend()}
    chain = ensemble(step("d", "x:X", "y:M"), step("b", "x:M", "y:Y"))
    models = {"d": behaving("repeat", REPEAT), "b": fake(10, PLAIN), "e": limited(chain, limit)}
    write_repository(tmp_path, models)
    with InferenceServer([tmp_path], backends.__getitem__) as server:
        loaded(server, "e")
        assert server.describe("e").config.decoupled
        streams = []
        for count in (0, 1, 7, 40):
            came, done = [], Outcomes()
            request = InferenceRequest("e", {"X": row(count)}, on_response=came.append)
            server.submit(request, done)
            streams.append((count, came, done))
        for count, came, done in streams:
            outcome = done.one()
            assert isinstance(outcome, InferenceResponse), outcome
            assert outcome.outputs == {}
            assert [value(response, "Y") for response in came] == [10 + n for n in range(count)]
        with pytest.raises(UnsupportedError, match="give the request an on_response"):
            server.infer(InferenceRequest("e", {"X": row(1)}), TIMEOUT)
        assert server.close(TIMEOUT) == ()
