# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plans on a disk that takes no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from full_disk import full_disk

from triton_ros.backends.tensorrt.plan_cache import PlanCache


def test_a_full_disk_costs_the_plan_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = PlanCache(tmp_path / "plans")
    cache.write("small", bytes(10))
    with full_disk():
        cache.write("large", bytes(9000))
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith(f"{cache.path('large', 'plan')} cannot be kept: [Errno")
    assert cache.read("large") is None
    assert [path.name for path in (tmp_path / "plans").iterdir()] == ["small.plan"]
    cache.write("large", bytes(9000))
    assert cache.read("large") == bytes(9000)
