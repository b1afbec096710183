# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A run's figures, by the names that ros2_benchmark has for them, and what it lacks.

Names in capitals are those of ros2_benchmark's `BasicPerformanceMetrics`, with its definitions, of
each camera's topic by itself; of several cameras the counts and rates are added up, of latencies
and jitters the largest, smallest or mean is taken, as the name says.  Milliseconds and frames a
second throughout.  What it lacks is in small letters: percentiles of the latency by stamp, and the
age of the newest result (how old the frame is that the newest answer belongs to, seen at any moment
of the run: it grows until the next answer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.cameras import Run

TOTALS = ("MEAN_PLAYBACK_FRAME_RATE", "MEAN_FRAME_RATE", "NUM_MISSED_FRAMES", "NUM_FRAMES_SENT")


def performance(run: Run) -> dict[str, Any]:
    """Of all cameras of a run."""
    each = [
        camera_performance(sent, received)
        for sent, received in zip(run.sent, run.received, strict=True)
    ]
    names = dict.fromkeys(name for row in each for name in row)
    found = {name: combine(name)([row[name] for row in each if name in row]) for name in names}
    latencies = run.latencies_ms
    found["latency_ms"] = percentiles(latencies)
    found["newest_result_age_ms"] = ages(run)
    return found


def combine(name: str) -> Callable[[list[float]], float]:
    """How a metric of several topics becomes one."""
    if name in TOTALS:
        return lambda values: float(sum(values))
    kind = {"MAX": max, "MIN": min}.get(name.partition("_")[0], np.mean)
    return lambda values: float(kind(values))


def camera_performance(sent: Mapping[int, float], received: Mapping[int, float]) -> dict[str, Any]:
    """`BasicPerformanceCalculator.calculate_performance`, with message_key_match.

    The counts alone of a camera with less than three answers.
    """
    starts, ends = np.array(list(sent.values())) * 1e3, np.array(sorted(received.values())) * 1e3
    found = {"NUM_MISSED_FRAMES": len(starts) - len(ends), "NUM_FRAMES_SENT": len(starts)}
    if len(ends) < 3:
        return found
    latencies = np.array([(received[key] - sent[key]) * 1e3 for key in sent if key in received])
    jitters = np.abs(np.diff(np.diff(ends)))
    return {
        **found,
        "RECEIVED_DURATION": ends[-1] - ends[0],
        "MEAN_PLAYBACK_FRAME_RATE": len(starts) / (starts[-1] - starts[0]) * 1e3,
        "MEAN_FRAME_RATE": len(ends) / (ends[-1] - ends[0]) * 1e3,
        "FIRST_SENT_RECEIVED_LATENCY": ends[0] - starts[0],
        "LAST_SENT_RECEIVED_LATENCY": ends[-1] - starts[-1],
        "FIRST_INPUT_LATENCY": latencies[0],
        "LAST_INPUT_LATENCY": latencies[-1],
        "MAX_LATENCY": latencies.max(),
        "MIN_LATENCY": latencies.min(),
        "MEAN_LATENCY": latencies.mean(),
        "MAX_JITTER": jitters.max(),
        "MIN_JITTER": jitters.min(),
        "MEAN_JITTER": jitters.mean(),
        "STD_DEV_JITTER": jitters.std(),
    }


def percentiles(values_ms: np.ndarray) -> dict[str, float]:
    """mean, p50, p95, p99, max."""
    p50, p95, p99 = np.percentile(values_ms, (50, 95, 99))
    named = {"mean": values_ms.mean(), "p50": p50, "p95": p95, "p99": p99, "max": values_ms.max()}
    return {name: float(value) for name, value in named.items()}


def ages(run: Run) -> dict[str, float]:
    """Of the newest result: its mean over the time, and the mean and largest of its peaks."""
    area = length = 0.0
    peaks: list[float] = []
    for sent, received in zip(run.sent, run.received, strict=True):
        order = sorted((at, sent[stamp]) for stamp, at in received.items())
        if len(order) < 2:
            continue
        newest, before = order[0][1], order[0][0]
        for at, start in order[1:]:
            young, old = before - newest, at - newest
            area += (young + old) / 2 * (at - before)
            length += at - before
            peaks.append(old)
            newest, before = max(newest, start), at
    return {
        "mean": area / length * 1e3,
        "mean_peak": float(np.mean(peaks)) * 1e3,
        "max": max(peaks) * 1e3,
    }
