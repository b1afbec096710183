# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a process and the machine use meanwhile: sampled by a thread that sleeps in between.

`OVERALL_CPU_UTILIZATION` and `RESOURCE_PROFILING_SAMPLING_RATE` are ros2_benchmark's
`ResourceMetrics`: of the whole machine, cameras included, in percent of all its cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PERIOD_S = 0.25


def resident_mb(pid: int) -> float:
    """Of a process now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """From `with` to its end: CPU of the process, load of the machine, growth of memory."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._memory_mb: list[float] = []
        self._busy: list[float] = []
        self.cpu_seconds = 0.0
        """Of the process; known at the end."""

    def __enter__(self) -> Watch:
        self.cpu_seconds = -cpu_seconds(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu_seconds += cpu_seconds(self._pid)
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        before = _machine()
        while not self._done.wait(PERIOD_S):
            now = _machine()
            spent = now - before
            before = now
            self._memory_mb.append(resident_mb(self._pid))
            self._busy.append(100.0 * (1.0 - spent[1] / max(spent[0], 1)))

    def figures(self) -> dict[str, Any]:
        """Of the machine's load, and of the process' memory."""
        busy = np.array(self._busy)
        return {
            "RESOURCE_PROFILING_SAMPLING_RATE": 1 / PERIOD_S,
            "MAX_OVERALL_CPU_UTILIZATION": float(busy.max()),
            "MIN_OVERALL_CPU_UTILIZATION": float(busy.min()),
            "MEAN_OVERALL_CPU_UTILIZATION": float(busy.mean()),
            "STDDEV_OVERALL_CPU_UTILIZATION": float(busy.std()),
            "resident_mb": self._memory_mb[-1],
            "memory_slope_mb_per_min": slope(self._memory_mb) * 60 / PERIOD_S,
        }


def slope(values: Sequence[float]) -> float:
    """Of the least-squares line, a step."""
    if len(values) < 2:
        return 0.0
    return float(np.polyfit(range(len(values)), values, 1)[0])


def _machine() -> np.ndarray:
    """Ticks of all cores so far: in all, and idle."""
    fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return np.array([sum(fields), fields[3] + fields[4]])
