# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the n-th response of a request is counted for."""

from __future__ import annotations

from triton_ros.core.errors import CancelledError, InternalError
from triton_ros.core.request import Timing
from triton_ros.core.telemetry.response_times import ResponseTimes
from triton_ros.core.telemetry.statistics import Duration, ResponseStatistics, StatisticsCollector


def after(infer_ns: int, output_ns: int = 0) -> Timing:
    """The request has executed for so long."""
    return Timing(compute_infer_ns=infer_ns, compute_output_ns=output_ns)


def test_each_counts_from_the_one_before() -> None:
    collector = StatisticsCollector()
    for _ in range(2):
        times = ResponseTimes(collector)
        times.sent(after(100, 7))
        times.sent(after(350), empty=True)
        times.ended(after(1000))
    assert collector.snapshot().response_stats == {
        0: ResponseStatistics(
            compute_infer=Duration(2, 200), compute_output=Duration(2, 14), success=Duration(2, 214)
        ),
        1: ResponseStatistics(compute_infer=Duration(2, 500), empty_response=Duration(2, 500)),
    }


def test_an_error_is_the_last_response() -> None:
    collector = StatisticsCollector()
    times = ResponseTimes(collector)
    times.sent(after(100))
    times.ended(after(130), InternalError("broken"))
    times = ResponseTimes(collector)
    times.ended(after(40), CancelledError("gone"))
    found = collector.snapshot().response_stats
    assert found[0].cancel == Duration(1, 40)
    assert found[0].success == Duration(1, 100)
    assert found[1] == ResponseStatistics(compute_infer=Duration(1, 30), fail=Duration(1, 30))


def test_nothing_at_all_is_one_empty_response() -> None:
    collector = StatisticsCollector()
    ResponseTimes(collector).ended(after(60))
    assert collector.snapshot().response_stats == {
        0: ResponseStatistics(compute_infer=Duration(1, 60), empty_response=Duration(1, 60))
    }


def test_a_clock_that_stands_still_takes_nothing_away() -> None:
    collector = StatisticsCollector()
    times = ResponseTimes(collector)
    times.sent(after(100))
    times.ended(Timing(), InternalError("rejected: no execution, so no timing"))
    assert collector.snapshot().response_stats[1].fail == Duration(1, 0)
