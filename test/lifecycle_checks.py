# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of load, unload and reload ask a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_backend import (
    TIMEOUT,
    FakeModel,
    loaded,
    request,
    value,
)

from triton_ros.core.errors import (
    TritonError,
)
from triton_ros.core.server import InferenceServer

Serve = Callable[..., InferenceServer]
ServeWith = Callable[..., InferenceServer]


def finalized_once(models: list[FakeModel]) -> None:
    for model in models:
        assert model.finalized == 1
        assert [instance.finalized for instance in model.instances] == [1] * len(model.instances)


def infer(server: InferenceServer, number: float = 0, **fields: Any) -> float:
    return value(server.infer(request("m", number, **fields), TIMEOUT))


def why(server: InferenceServer, name: str = "m") -> TritonError:
    with pytest.raises(TritonError) as caught:
        loaded(server, name)
    return caught.value


def index(server: InferenceServer, name: str = "m") -> dict[int | None, tuple[str, str]]:
    rows = [row for row in server.repository_index() if row.name == name]
    return {row.version: (row.state.value, row.reason) for row in rows}
