# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the models of these tests run."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["process", "in process"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """The parameters that say where the model runs."""
    return {"IN_PROCESS": "true"} if request.param == "in process" else {}
