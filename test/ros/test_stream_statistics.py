# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every frame is in exactly one number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triton_ros.core.telemetry.stream_figures import StreamFigures
from triton_ros.ros.stream_statistics import StreamStatistics, Throttle, percentile


@given(st.lists(st.sampled_from(["answered", "superseded", "bad_size", "none yet"])))
def test_received_is_the_sum_of_all_fates(fates: list[str]) -> None:
    statistics = StreamStatistics()
    for fate in fates:
        statistics.received()
        if fate == "answered":
            statistics.answered(detections=2, latency_ns=1_000_000, batch_size=1)
        elif fate != "none yet":
            statistics.dropped(fate)
    found = statistics.snapshot()
    assert found.received == len(fates)
    assert found.answered == fates.count("answered")
    assert found.detections == 2 * found.answered
    assert found.dropped == {f: fates.count(f) for f in ("superseded", "bad_size") if f in fates}
    assert found.waiting == fates.count("none yet")


def test_latencies_and_batch_sizes() -> None:
    statistics = StreamStatistics(window=100)
    for ms in range(1000, 0, -1):  # the window holds 100 .. 1
        statistics.answered(0, ms * 1_000_000, batch_size=4 if ms % 2 else 1)
    found = statistics.snapshot()
    assert found.latency_ms == (50.0, 95.0, 100.0)
    assert found.batch_sizes == {1: 500, 4: 500}


def test_the_last_error_stays_until_it_is_over() -> None:
    statistics = StreamStatistics()
    statistics.dropped("bad_size", "too small")
    statistics.dropped("superseded")
    assert statistics.snapshot().last_error == "too small"
    statistics.note("the model is gone")
    assert statistics.snapshot().last_error == "the model is gone"
    statistics.note("")
    assert statistics.snapshot().last_error == ""


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(1, 100))
def test_percentile_is_the_nearest_rank(values: list[int], percent: int) -> None:
    values.sort()
    found = percentile(values, percent) * 1e6
    at_most = sum(value <= found * (1 + 1e-12) for value in values)
    assert at_most * 100 >= percent * len(values)
    less = sum(value < found * (1 - 1e-12) for value in values)
    assert less * 100 < percent * len(values)


def test_percentile_of_nothing() -> None:
    assert percentile([], 50) == 0.0


def test_throttle_lets_one_a_period_through_for_each_key() -> None:
    now = [100.0]
    throttle = Throttle(5.0, lambda: now[0])
    assert throttle.due("a")
    assert throttle.due("b")
    now[0] += 4.9
    assert not throttle.due("a")
    now[0] += 0.2
    assert throttle.due("a")
    assert not throttle.due("a")


def test_figures_leave_the_rates_of_the_next_snapshot_as_they_are() -> None:
    now = [0.0]
    statistics = StreamStatistics(clock=lambda: now[0])
    for _ in range(4):
        statistics.received()
    statistics.answered(1, 5, 1)
    statistics.dropped("too_old")
    now[0] = 2.0
    figures = statistics.figures("front")
    assert figures == StreamFigures("front", 4, 1, {"too_old": 1}, 2.0)
    assert figures.waiting == 2
    assert statistics.snapshot().rates_hz == (2.0, 0.5)
