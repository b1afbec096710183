# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server of fake models; closing it must leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    serving,
)
from lifecycle_checks import Serve, finalized_once
from toy_models import Toy

from triton_ros.core.server import InferenceServer


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def serve(root: Path, backend: FakeBackend) -> Iterator[Serve]:
    servers: list[InferenceServer] = []

    def build(**models: Toy) -> InferenceServer:
        servers.append(serving(root, backend, models))
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()
    finalized_once(backend.models)
