# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's counters and durations of one model version; a snapshot is a value."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from triton_ros.core.request import Timing


@dataclass(frozen=True, slots=True)
class Duration:
    """How often, and how long in all (nanoseconds)."""

    count: int = 0
    ns: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """`ModelStatistics`: `inference_count` counts rows, `execution_count` batches."""

    inference_count: int = 0
    execution_count: int = 0
    success: Duration = Duration()
    fail: Duration = Duration()
    queue: Duration = Duration()
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()
    batch_sizes: dict[int, int] = field(default_factory=dict)
    """Executions by batch size."""


class StatisticsCollector:
    """Adds up; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._ns: Counter[str] = Counter()
        self._batch_sizes: Counter[int] = Counter()

    def executed(self, rows: int) -> None:
        """One batch of `rows` went through the model."""
        with self._lock:
            self._counts["execution"] += 1
            self._counts["inference"] += rows
            self._batch_sizes[rows] += 1

    def succeeded(self, timing: Timing, total_ns: int) -> None:
        with self._lock:
            for name, ns in (
                ("success", total_ns),
                ("queue", timing.queue_ns),
                ("compute_input", timing.compute_input_ns),
                ("compute_infer", timing.compute_infer_ns),
                ("compute_output", timing.compute_output_ns),
            ):
                self._counts[name] += 1
                self._ns[name] += ns

    def failed(self, total_ns: int) -> None:
        with self._lock:
            self._counts["fail"] += 1
            self._ns["fail"] += total_ns

    def snapshot(self) -> Statistics:
        with self._lock:
            counts, ns = Counter(self._counts), Counter(self._ns)
            sizes = dict(sorted(self._batch_sizes.items()))

        def duration(name: str) -> Duration:
            return Duration(counts[name], ns[name])

        return Statistics(
            inference_count=counts["inference"],
            execution_count=counts["execution"],
            success=duration("success"),
            fail=duration("fail"),
            queue=duration("queue"),
            compute_input=duration("compute_input"),
            compute_infer=duration("compute_infer"),
            compute_output=duration("compute_output"),
            batch_sizes=sizes,
        )
