# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A server of fake models; closing it must leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    TIMEOUT,
    FakeBackend,
    serving,
)
from lifecycle_checks import Serve, ServeWith, finalized_once
from toy_models import Toy

from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def serve_with(root: Path, backend: FakeBackend) -> Iterator[ServeWith]:
    """``serve_with({"m": fake(1)}, rate_limit=True)``: with `ServerOptions`."""
    servers: list[InferenceServer] = []

    def build(models: Mapping[str, Toy], **options: Any) -> InferenceServer:
        servers.append(serving(root, backend, models, options=ServerOptions(**options)))
        return servers[-1]

    yield build
    for server in servers:
        assert server.close(TIMEOUT) == ()
    finalized_once(backend.models)


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
