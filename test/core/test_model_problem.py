# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A loaded model that cannot answer now: what its backend says reaches readiness and index.

And what else a backend may say of a model (its counters, its largest batch), and may know of a
request (deadline, priority, what withdraws it).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_requests import FakeRequestBackend, FakeRequestModel, behaving, only
from toy_models import Toy, write_repository

from triton_ros.core.backend import Signature
from triton_ros.core.config.config_completion import complete
from triton_ros.core.config.model_config import ModelConfig
from triton_ros.core.control.model_state import ModelState
from triton_ros.core.request import Cancellation, InferenceRequest
from triton_ros.core.server import InferenceServer
from triton_ros.core.tensor import TensorSpec

ENSEMBLE = """platform: "ensemble" max_batch_size: 4
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
ensemble_scheduling { step {
  model_name: "m" model_version: -1
  input_map { key: "x" value: "a" } output_map { key: "y" value: "b" }
} }"""


class IllModel(FakeRequestModel):
    """Has a problem while it is told so."""

    problem = ""

    @property
    def counters(self) -> dict[str, int]:
        return {"retries": 3}


class Backend(FakeRequestBackend):
    """Its models may be ill."""

    def load(self, config: ModelConfig, version_dir: Path) -> IllModel:
        plain = super().load(config, version_dir)
        self.models[-1] = IllModel(plain.behaviour)
        return self.models[-1]


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def server(backend: Backend, tmp_path: Path) -> Iterator[InferenceServer]:
    models = {"m": behaving("seen"), "e": Toy(config=ENSEMBLE)}
    write_repository(tmp_path, models)
    with InferenceServer([tmp_path], lambda name: backend) as server:
        yield server


def _rows(server: InferenceServer) -> dict[str, tuple[ModelState, str]]:
    return {row.name: (row.state, row.reason) for row in server.repository_index()}


def test_a_problem_is_seen_in_readiness_and_index_of_the_model_and_its_ensembles(
    server: InferenceServer, backend: Backend
) -> None:
    backend.behaviours["seen"] = only(lambda request: request.finish())
    server.load_model("e").result(10)
    assert server.model_ready("m")
    assert server.model_ready("e")
    ready = (ModelState.READY, "")
    assert _rows(server) == {"e": ready, "m": ready}
    (model,) = backend.models
    model.problem = "the cable is out"
    assert not server.model_ready("m")
    assert not server.model_ready("m", 1)
    assert not server.model_ready("e")
    assert _rows(server) == {
        "e": (ModelState.UNAVAILABLE, "a model of its steps is not ready"),
        "m": (ModelState.UNAVAILABLE, "the cable is out"),
    }
    assert server.describe("m").counters == {"retries": 3}
    assert server.describe("e").counters == {}
    model.problem = ""
    assert server.model_ready("e")
    assert _rows(server) == {"e": ready, "m": ready}


def test_a_request_is_known_with_all_that_it_says(
    server: InferenceServer, backend: Backend
) -> None:
    seen: list[Any] = []

    def see(request: Any) -> None:
        seen.append((request.priority, request.timeout_us, request.deadline_ns))
        seen.append((request.remaining_ns, request.cancellation))
        request.respond({"y": request.inputs["x"].copy()})
        request.finish()

    backend.behaviours["seen"] = only(see)
    server.load_model("m").result(10)
    x, token = np.zeros((1, 4), np.float32), Cancellation()
    server.infer(InferenceRequest("m", {"x": x}))
    assert seen == [(0, 0, None), (None, None)]
    seen.clear()
    far = 1 << 62
    server.infer(
        InferenceRequest(
            "m", {"x": x}, priority=2, timeout_us=5, deadline_ns=far, cancellation=token
        )
    )
    assert seen[0] == (2, 5, far)
    assert 0 < seen[1][0] < far
    assert seen[1][1] is token


def test_the_largest_batch_is_the_models_where_it_says_one() -> None:
    spec = TensorSpec("x", "FP32", (-1, 4))
    signature = Signature((spec,), (spec,), batchable=True, max_batch_size=16)
    assert complete(ModelConfig("m"), signature).max_batch_size == 16
    stated = ModelConfig("m", max_batch_size=2, stated=frozenset({"max_batch_size"}))
    assert complete(stated, signature).max_batch_size == 2
