# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counters and durations, as Triton counts them."""

from __future__ import annotations

import json
import threading

import pytest

from triton_ros.core.errors import (
    CancelledError,
    DeadlineError,
    DroppedError,
    InternalError,
    InvalidArgumentError,
    QueueFullError,
    TimeoutExpiredError,
    TritonError,
    UnavailableError,
)
from triton_ros.core.request import Timing
from triton_ros.core.telemetry.memory_usage import MemoryUsage
from triton_ros.core.telemetry.statistics import (
    BatchStatistics,
    Duration,
    FailureReason,
    ResponseFate,
    ResponseStatistics,
    Statistics,
    StatisticsCollector,
    failure_reason,
)


class Wall:
    """A wall clock that the test sets, in nanoseconds since the epoch."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_123_456_789

    def __call__(self) -> int:
        return self.ns


def test_counts_rows_batches_and_durations() -> None:
    collector = StatisticsCollector(Wall())
    collector.executed(3, 20, 300, 4000)
    collector.executed(3, 21, 301, 4001)
    collector.executed(1, 5, 6, 7)
    collector.succeeded(Timing(1, 20, 300, 4000, 3), 5000, rows=2)
    collector.succeeded(Timing(2, 20, 300, 4000, 3), 6000, rows=1)
    collector.failed(70, InternalError("broken"))
    assert collector.snapshot() == Statistics(
        last_inference=1_700_000_000_123,
        inference_count=3,
        execution_count=3,
        success=Duration(2, 11000),
        fail=Duration(1, 70),
        queue=Duration(2, 3),
        compute_input=Duration(2, 40),
        compute_infer=Duration(2, 600),
        compute_output=Duration(2, 8000),
        batch_stats={
            1: BatchStatistics(Duration(1, 5), Duration(1, 6), Duration(1, 7)),
            3: BatchStatistics(Duration(2, 41), Duration(2, 601), Duration(2, 8001)),
        },
        failures={FailureReason.BACKEND: 1},
    )


def test_batch_sizes_ascend() -> None:
    collector = StatisticsCollector()
    for rows in (8, 1, 4, 8):
        collector.executed(rows, 0, 0, 0)
    assert list(collector.snapshot().batch_sizes.items()) == [(1, 1), (4, 1), (8, 2)]


def test_a_snapshot_is_a_value() -> None:
    collector = StatisticsCollector()
    before = collector.snapshot()
    collector.executed(1, 0, 0, 0)
    collector.responded(0, ResponseFate.SUCCESS, 1)
    middle = collector.snapshot()
    collector.executed(1, 0, 0, 0)
    collector.responded(0, ResponseFate.SUCCESS, 1)
    assert before == Statistics()
    assert middle.batch_sizes == {1: 1}
    assert middle.response_stats[0].success.count == 1


def test_last_inference_never_goes_back() -> None:
    wall = Wall()
    collector = StatisticsCollector(wall)
    wall.ns = 5_000_000
    collector.executed(1, 0, 0, 0)
    wall.ns = 4_000_000  # somebody set the clock
    collector.executed(1, 0, 0, 0)
    assert collector.snapshot().last_inference == 5


def test_a_cache_hit_is_a_success_without_an_inference() -> None:
    collector = StatisticsCollector()
    collector.executed(1, 20, 300, 4000)
    collector.succeeded(Timing(1, 20, 300, 4000, 1), 5000, rows=1)
    collector.cache_missed(90)
    collector.cache_hit(lookup_ns=30, total_ns=50, queue_ns=2)
    found = collector.snapshot()
    assert (found.inference_count, found.execution_count) == (1, 1)
    assert found.success == Duration(2, 5050)
    assert found.queue == Duration(2, 3)
    assert found.compute_input == Duration(1, 20)
    assert found.compute_infer == Duration(1, 300)
    assert found.compute_output == Duration(1, 4000)
    assert found.cache_hit == Duration(1, 30)
    assert found.cache_miss == Duration(1, 90)


def test_responses_by_index() -> None:
    collector = StatisticsCollector()
    for fate in (ResponseFate.SUCCESS, ResponseFate.FAIL, ResponseFate.EMPTY, ResponseFate.CANCEL):
        collector.responded(1, fate, 100)
    collector.responded(0, ResponseFate.SUCCESS, 5, 7)
    collector.responded(0, ResponseFate.FAIL, 50, 70)
    found = collector.snapshot().response_stats
    assert list(found) == [0, 1]
    assert found[0] == ResponseStatistics(
        compute_infer=Duration(2, 55),
        compute_output=Duration(2, 77),
        success=Duration(1, 12),
        fail=Duration(1, 120),
    )
    assert found[1] == ResponseStatistics(
        compute_infer=Duration(3, 300),
        compute_output=Duration(1, 0),
        success=Duration(1, 100),
        fail=Duration(1, 100),
        empty_response=Duration(1, 100),
        cancel=Duration(1, 100),
    )


class UnheardOf(TritonError):
    """Of a kind that nobody counts."""

    reason = "WEATHER"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CancelledError("gone"), FailureReason.CANCELED),
        (QueueFullError("Exceeds maximum queue size"), FailureReason.REJECTED),
        (TimeoutExpiredError("late"), FailureReason.TIMEOUT),
        (DeadlineError("too late"), FailureReason.DEADLINE),
        (DroppedError("old"), FailureReason.DROPPED),
        (DroppedError("old").within("in ensemble 'e'"), FailureReason.DROPPED),
        (InternalError("model 'm' failed"), FailureReason.BACKEND),
        (UnavailableError("model 'm' is unloading"), FailureReason.OTHER),
        (InvalidArgumentError("shape"), FailureReason.OTHER),
        (UnheardOf("x"), FailureReason.OTHER),
    ],
)
def test_failures_by_reason(error: TritonError, reason: FailureReason) -> None:
    assert failure_reason(error) is reason
    collector = StatisticsCollector()
    collector.failed(1, error)
    collector.failed(1, error)
    assert collector.snapshot().failures == {reason: 2}


def test_triton_knows_four_reasons() -> None:
    names = {reason.value: reason.triton.value for reason in FailureReason}
    assert names == {
        "REJECTED": "REJECTED",
        "CANCELED": "CANCELED",
        "BACKEND": "BACKEND",
        "OTHER": "OTHER",
        "TIMEOUT": "REJECTED",
        "DEADLINE": "REJECTED",
        "DROPPED": "REJECTED",
    }


def test_json_is_tritons_entry() -> None:
    collector = StatisticsCollector(lambda: 7_000_000)
    collector.loaded(1.5, (MemoryUsage("CPU", 0, 1024, "measured"), MemoryUsage("GPU", 1, 2048)))
    collector.executed(2, 1, 2, 3)
    collector.succeeded(Timing(9, 1, 2, 3, 2), 15, rows=2)
    collector.responded(0, ResponseFate.SUCCESS, 2, 3)
    found = collector.snapshot()
    assert found.load_seconds == 1.5
    none = {"count": 0, "ns": 0}
    entry = found.as_json("m", 3)
    assert entry == {
        "name": "m",
        "version": "3",
        "last_inference": 7,
        "inference_count": 2,
        "execution_count": 1,
        "inference_stats": {
            "success": {"count": 1, "ns": 15},
            "fail": none,
            "queue": {"count": 1, "ns": 9},
            "compute_input": {"count": 1, "ns": 1},
            "compute_infer": {"count": 1, "ns": 2},
            "compute_output": {"count": 1, "ns": 3},
            "cache_hit": none,
            "cache_miss": none,
        },
        "response_stats": {
            "0": {
                "compute_infer": {"count": 1, "ns": 2},
                "compute_output": {"count": 1, "ns": 3},
                "success": {"count": 1, "ns": 5},
                "fail": none,
                "empty_response": none,
                "cancel": none,
            }
        },
        "batch_stats": [
            {
                "batch_size": 2,
                "compute_input": {"count": 1, "ns": 1},
                "compute_infer": {"count": 1, "ns": 2},
                "compute_output": {"count": 1, "ns": 3},
            }
        ],
        "memory_usage": [
            {"type": "CPU", "id": 0, "byte_size": 1024},
            {"type": "GPU", "id": 1, "byte_size": 2048},
        ],
    }
    assert json.loads(json.dumps(entry)) == entry


def test_many_threads_lose_nothing() -> None:
    collector = StatisticsCollector()
    error = QueueFullError("full")

    def count() -> None:
        for _ in range(500):
            collector.executed(2, 1, 1, 1)
            collector.succeeded(Timing(1, 1, 1, 1, 2), 4, rows=2)
            collector.failed(1, error)
            collector.responded(0, ResponseFate.SUCCESS, 1, 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = collector.snapshot()
    assert found.inference_count == 4000
    assert found.batch_stats[2].compute_output == Duration(2000, 2000)
    assert found.success == Duration(2000, 8000)
    assert found.failures == {FailureReason.REJECTED: 2000}
    assert found.response_stats[0].success == Duration(2000, 4000)
