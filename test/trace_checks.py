# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A tracer whose traces stay in memory, on a clock that counts its readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from triton_ros.core.telemetry.trace import Trace
from triton_ros.core.telemetry.trace_file import Entry
from triton_ros.core.telemetry.trace_settings import TraceLevel, TraceSettings
from triton_ros.core.telemetry.tracer import Tracer

BOTH = TraceLevel.TIMESTAMPS | TraceLevel.TENSORS


class Clock:
    """Counts its readings."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += 1
        return self.ns


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, list[Entry], bool]] = []
        self.closed = 0

    def save(self, file: str, entries: Sequence[Entry], numbered: bool) -> None:
        assert not self.closed
        self.saved.append((file, list(entries), numbered))

    def close(self) -> None:
        self.closed += 1


def tracer(sink: Kept | None = None, level: TraceLevel = BOTH, **settings: Any) -> Tracer:
    known: dict[str, Any] = {"rate": 1, "file": "t.json", "log_frequency": 1} | settings
    return Tracer(TraceSettings(level, **known), sink or Kept(), Clock())


def started(tracer: Tracer, model: str = "m", **request: Any) -> Trace:
    trace = tracer.start(model, **request)
    assert trace is not None
    return trace
