# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node under a load that does not wait: 1 to 8 cameras at 10, 30 and 60 Hz.

The node as a robot would have it: best-effort subscriptions, the newest frame wins, BlazeFace as
it is shipped (one instance), 640x480.  What does not fit is dropped and counted:
`dropped_by_reason` by the node, and `lost_in_transport` is what the cameras sent and the node never
saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.cameras import Cameras, cameras, picture
from benchmarks.figures import performance
from benchmarks.node_counters import NodeCounters, since
from benchmarks.processes import REPOSITORY, Measured, run_node, streams, topics
from benchmarks.resources import Watch

MODEL = "blazeface"
COUNTS, RATES, SECONDS = (1, 2, 4, 8), (10.0, 30.0, 60.0), 5.0
QUICK_COUNTS, QUICK_SECONDS = (1, 4), 2.0


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each number of cameras and rate."""
    counts, seconds = (QUICK_COUNTS, QUICK_SECONDS) if quick else (COUNTS, SECONDS)
    rows = []
    for count in counts:
        for row in of_cameras(count, seconds):
            show(row)
            rows.append(row)
    return rows


def of_cameras(count: int, seconds: float) -> Iterator[dict[str, Any]]:
    """One node, all rates in turn."""
    counters = NodeCounters(MODEL)
    bgr = picture(640, 480)
    parameters = {
        "model_repository": [str(REPOSITORY)],
        "load_models": [MODEL],
        "streams": streams("triton_ros", MODEL, count),
        **counters.parameters,
    }
    with run_node(parameters) as node, cameras("load", topics("triton_ros", count), bgr) as rig:
        for hertz in RATES:
            row = cell(rig, node, counters, hertz, seconds)
            yield {"cameras": count, "hertz": hertz, "image_size": [640, 480], **row}


def cell(
    rig: Cameras, node: Measured, counters: NodeCounters, hertz: float, seconds: float
) -> dict[str, Any]:
    """One rate."""
    before = counters.snapshot()
    with Watch(node.pid) as watch:
        run = rig.at_rate(hertz, seconds)
    counted = since(counters.snapshot(), before)
    return {
        **performance(run),
        **counted,
        "lost_in_transport": run.frames - counted["received"],
        "cpu_ms_per_frame": watch.cpu_seconds / run.answered * 1e3,
        "cpu_percent_of_a_core": watch.cpu_seconds / run.seconds * 100,
        **watch.figures(),
    }


def show(row: dict[str, Any]) -> None:
    """One line."""
    late, age = row["latency_ms"], row["newest_result_age_ms"]
    print(
        f"{row['cameras']} x {row['hertz']:.0f} Hz: {row['MEAN_FRAME_RATE']:.0f} frames/s of"
        f" {row['MEAN_PLAYBACK_FRAME_RATE']:.0f}, latency mean {late['mean']:.1f} p50"
        f" {late['p50']:.1f} p95 {late['p95']:.1f} p99 {late['p99']:.1f} max {late['max']:.1f} ms,"
        f" age {age['mean']:.0f} ms (peaks {age['mean_peak']:.0f}, at most {age['max']:.0f}), CPU"
        f" {row['cpu_ms_per_frame']:.1f} ms a frame, batches {row['batch_sizes']}; dropped"
        f" {row['dropped_by_reason']}, in transport {row['lost_in_transport']}",
        flush=True,
    )
