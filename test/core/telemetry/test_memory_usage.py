# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whose memory is it: measured alone, estimated together, told by the backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from triton_ros.core.telemetry.memory_usage import MemoryMeter, MemoryUsage, resident_bytes


class Process:
    """A process whose memory the test sets."""

    def __init__(self) -> None:
        self.bytes: int | None = 1000

    def __call__(self) -> int | None:
        return self.bytes


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def meter(process: Process) -> MemoryMeter:
    return MemoryMeter(process)


@pytest.fixture
def version_dir(tmp_path: Path) -> Path:
    found = tmp_path / "m" / "1"
    (found / "variables").mkdir(parents=True)
    (found / "model.fake").write_bytes(b"x" * 70)
    (found / "variables" / "data").write_bytes(b"x" * 7)
    (found / "nowhere").symlink_to(tmp_path / "missing")
    return found


def measured(size: int) -> tuple[MemoryUsage, ...]:
    return (MemoryUsage("CPU", 0, size, "measured"),)


FILES = (MemoryUsage("CPU", 0, 77, "estimated"),)


def test_growth_while_a_model_loads_alone(
    meter: MemoryMeter, process: Process, version_dir: Path
) -> None:
    with meter.loading(version_dir) as load:
        process.bytes = 1400
        assert load.result() == measured(400), "so far"
        process.bytes = 1500
    process.bytes = 9000  # of somebody else
    assert load.result() == measured(500)


def test_loads_at_the_same_time_cannot_be_told_apart(
    meter: MemoryMeter, process: Process, version_dir: Path
) -> None:
    with meter.loading(version_dir) as first:
        with meter.loading(version_dir) as second:
            process.bytes = 5000
        assert second.result() == FILES
        process.bytes = 6000
    assert first.result() == FILES
    with meter.loading(version_dir) as third:
        process.bytes = 6001
    assert third.result() == measured(1), "the others were over"


def test_a_failed_load_does_not_stay(
    meter: MemoryMeter, process: Process, version_dir: Path
) -> None:
    with pytest.raises(OSError, match="broken"), meter.loading(version_dir):
        raise OSError("broken")
    with meter.loading(version_dir) as load:
        process.bytes = 1001
    assert load.result() == measured(1)


@pytest.mark.parametrize("after", [1000, 900, None])
def test_without_growth_the_files_count(
    meter: MemoryMeter, process: Process, version_dir: Path, after: int | None
) -> None:
    with meter.loading(version_dir) as load:
        process.bytes = after
    assert load.result() == FILES


def test_without_a_directory_there_is_nothing(meter: MemoryMeter, tmp_path: Path) -> None:
    with meter.loading(tmp_path / "missing") as load:
        pass
    assert load.result() == (MemoryUsage("CPU", 0, 0, "estimated"),)


@dataclass
class Reporting:
    """A backend's model that knows."""

    memory_usage: Sequence[MemoryUsage]


def test_the_backends_word_counts(meter: MemoryMeter, process: Process, version_dir: Path) -> None:
    cpu, gpu = MemoryUsage("CPU", 0, 5, "measured"), MemoryUsage("GPU", 1, 6)
    with meter.loading(version_dir) as load:
        process.bytes = 1100
    assert load.result(Reporting([gpu, cpu])) == (gpu, MemoryUsage("CPU", 0, 5, "backend"))
    assert load.result(Reporting([gpu])) == (gpu, *measured(100))
    assert load.result(Reporting(())) == measured(100)
    assert load.result(object()) == measured(100)


def test_this_process_has_memory() -> None:
    before = resident_bytes()
    block = np.ones(64 << 20, np.uint8)
    after = resident_bytes()
    assert before is not None and after is not None
    assert 32 << 20 < after - before < 128 << 20
    assert block[-1] == 1
