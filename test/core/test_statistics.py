# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counters and durations."""

from __future__ import annotations

from triton_ros.core.request import Timing
from triton_ros.core.statistics import Duration, Statistics, StatisticsCollector


def test_counts_rows_batches_and_durations() -> None:
    collector = StatisticsCollector()
    collector.executed(3)
    collector.executed(3)
    collector.executed(1)
    collector.succeeded(Timing(1, 20, 300, 4000, 3), 5000)
    collector.succeeded(Timing(2, 20, 300, 4000, 3), 6000)
    collector.failed(70)
    assert collector.snapshot() == Statistics(
        inference_count=7,
        execution_count=3,
        success=Duration(2, 11000),
        fail=Duration(1, 70),
        queue=Duration(2, 3),
        compute_input=Duration(2, 40),
        compute_infer=Duration(2, 600),
        compute_output=Duration(2, 8000),
        batch_sizes={1: 1, 3: 2},
    )


def test_a_snapshot_is_a_value() -> None:
    collector = StatisticsCollector()
    before = collector.snapshot()
    collector.executed(1)
    assert before == Statistics()
    assert collector.snapshot() != before
