# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two servers in this process: a far one, behind a V2 protocol, and a near one that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fake_sequence_models
import numpy as np
import pytest
from fake_requests import FakeRequestBackend, behaving
from kserve_faults import Gate
from kserve_server import Fault, Remote
from toy_models import (
    Toy,
    onnx_add_sub,
    onnx_affine,
    onnx_failing,
    onnx_identity,
    write_model,
    write_repository,
)

from triton_ros.backends.registry import BackendRegistry
from triton_ros.core.backend import Backend
from triton_ros.core.request import InferenceRequest, InferenceResponse
from triton_ros.core.server import InferenceServer

TIMEOUT = 30
X = np.arange(8, dtype=np.float32).reshape(2, 4)
FAR = {
    "add_sub": Toy(onnx_add_sub()),
    "affine": Toy(onnx_affine(), versions={1: onnx_affine(), 2: onnx_affine(3.0, 5.0)}),
    "failing": Toy(onnx_failing()),
    "text": Toy(onnx_identity("BYTES")),
    "echo": behaving("echo", "max_batch_size: 16"),
    "repeat": behaving("repeat", "model_transaction_policy { decoupled: true }"),
    "sum": fake_sequence_models.sequence_model("sum", fake_sequence_models.STATE),
}
"""The remote's models."""


def far_backends() -> Callable[[str], Backend]:
    """Of the toys, whatever they are of."""
    registry, requests = BackendRegistry(), FakeRequestBackend()

    def load(name: str) -> Backend:
        if name == "requests":
            return requests
        if name == "fake":
            return fake_sequence_models.SequenceBackend()
        return registry.load_backend(name)

    return load


@pytest.fixture(scope="package")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServer]:
    """Serves `FAR`; nobody changes it."""
    path = write_repository(tmp_path_factory.mktemp("far"), FAR)
    with InferenceServer([path], far_backends()) as server:
        for future in [server.load_model(name) for name in FAR]:
            future.result(TIMEOUT)
        yield server


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def remote(far: InferenceServer, protocol: str) -> Iterator[Remote]:
    with Remote(far, protocol) as remote:
        yield remote


@dataclass
class Near:
    """The robot's own server: writes and loads models of the kserve backend."""

    server: InferenceServer
    path: Path
    written: list[str] = field(default_factory=list)

    def load(self, name: str, config: str = "", **parameters: Any) -> None:
        """Load a model with those parameters, over what was there."""
        self.write(name, config, **parameters)
        self.server.load_model(name).result(TIMEOUT)

    def write(self, name: str, config: str = "", **parameters: Any) -> None:
        text = f'backend: "kserve" {config}'
        for key, value in parameters.items():
            value_text = str(value).lower() if isinstance(value, bool) else value
            name_text = key.replace("header_env_", "header_env.")
            text += (
                f' parameters {{ key: "{name_text}" value: {{ string_value: "{value_text}" }} }}'
            )
        write_model(self.path / name, Toy(config=text))

    def ask(self, name: str, inputs: Any = X, **fields: Any) -> InferenceResponse:
        """The answer to `x` (or to the inputs by name)."""
        named = inputs if isinstance(inputs, dict) else {"x": inputs}
        return self.server.infer(InferenceRequest(name, named, **fields), TIMEOUT)

    def counters(self, name: str) -> dict[str, int]:
        return dict(self.server.describe(name).counters)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[Near]:
    path = write_repository(tmp_path / "near", {"local": Toy(onnx_affine(10.0, 0.0))})
    with InferenceServer([path], BackendRegistry().load_backend) as server:
        yield Near(server, path)


@pytest.fixture
def unavailable(protocol: str) -> Fault:
    return Fault("UNAVAILABLE" if protocol == "grpc" else 503, "busy")


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()
