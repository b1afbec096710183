# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole node (camera message to published detections) beside direct calls.

Every figure is a ratio or a difference of things measured in turn in this run, on one real model
(COCO-SSD, ONNX Runtime, one thread an instance) and one real photograph:

- *added latency*: camera message published -> detections received by the publisher's process, less
  preprocess + inference + postprocess called directly at the same rate.  A node beside it that only
  echoes the stamp tells how much of it is the transport.
- *throughput*: answers per second at saturation over what as many threads get from the bare runtime
  (inference only), and from direct calls of the whole frame.  The camera's process runs on the same
  cores: `camera_cpu_ms` a frame is what it took from them, and *over_bare_on_its_cores* is
  throughput over the bare runtime's on the cores that the camera left.
- *CPU*: the node process's time per answer, over the bare runtime's per call.

Goals: 2 ms (640x480) and 5 ms (1920x1080) added at the median; 0.95 of the bare runtime.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import processes
from benchmarks.cameras import Cameras, cameras, picture
from benchmarks.direct import Direct, calls_per_second, paced_ms

MODEL, INSTANCES, HERTZ = "coco_ssd", 2, 30.0
CORES = len(os.sched_getaffinity(0))
SIZES = ((640, 480), (1920, 1080))
ROUNDS, FRAMES, SECONDS = 3, 80, 2.5


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each size."""
    direct = Direct(processes.REPOSITORY, MODEL)
    rows = []
    for width, height in SIZES[:1] if quick else SIZES:
        rows.append(of_size(direct, width, height, 1 if quick else ROUNDS))
        show(rows[-1])
    return rows


def of_size(direct: Direct, width: int, height: int, rounds: int) -> dict[str, Any]:
    """Rounds of everything in turn."""
    bgr = picture(width, height)
    pixels = bgr.tobytes()
    bare = direct.inference(pixels, height, width)
    samples: dict[str, list[float]] = defaultdict(list)

    def frame() -> object:
        return direct.frame(pixels, height, width)

    settings = {"reliability": "reliable", "policy": "queue:8"}
    parameters = {
        "model_repository": [str(processes.REPOSITORY)],
        "load_models": [MODEL],
        "streams": processes.streams("triton_ros", MODEL, 1, **settings),
    }
    ours, echo = processes.topics("triton_ros", 1), processes.topics("echo", 1)
    with processes.run_node(parameters) as node, processes.echo("echo"):  # noqa: SIM117
        with cameras("camera", ours, bgr) as camera, cameras("echoed", echo, bgr) as echoed:
            for _ in range(rounds):
                samples["direct_ms"] += paced_ms(frame, HERTZ, FRAMES)
                samples["node_ms"] += latencies(camera)
                samples["echo_ms"] += latencies(echoed)
                saturate(samples, bare, frame, camera, node)
            found = len(camera.detections.detections)
    return summary(f"{width}x{height}", found, samples)


def latencies(camera: Cameras) -> list[float]:
    """In ms, at the rate."""
    return [float(ms) for ms in camera.at_rate(HERTZ, FRAMES / HERTZ).latencies_ms]


def saturate(
    samples: dict[str, list[float]],
    bare: Callable[[], object],
    frame: Callable[[], object],
    camera: Cameras,
    node: processes.Measured,
) -> None:
    """The bare runtime, the node and direct calls, one after the other."""
    rate, cpu = calls_per_second(bare, INSTANCES, SECONDS)
    used, own = node.cpu_seconds(), time.process_time()
    run = camera.saturated(INSTANCES + 2, SECONDS)
    used, own = node.cpu_seconds() - used, time.process_time() - own
    samples["bare_fps"].append(rate)
    samples["node_fps"].append(run.answered / run.seconds)
    samples["direct_fps"].append(calls_per_second(frame, INSTANCES, SECONDS)[0])
    samples["cpu_over_bare"].append(used / run.answered / cpu)
    samples["bare_cpu_ms"].append(cpu * 1e3)
    samples["node_cpu_ms"].append(used / run.answered * 1e3)
    samples["camera_cpu_ms"].append(own / run.answered * 1e3)
    left = 1 - own / run.seconds / CORES
    samples["over_bare_on_its_cores"].append(run.answered / run.seconds / rate / left)


def summary(size: str, found: int, samples: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, and ratios round by round."""
    row = {name: float(np.median(values)) for name, values in samples.items()}
    over_bare = np.divide(samples["node_fps"], samples["bare_fps"])
    over_direct = np.divide(samples["node_fps"], samples["direct_fps"])
    p95, p99 = np.percentile(samples["node_ms"], (95, 99))
    return {
        "model": MODEL,
        "size": size,
        "hertz": HERTZ,
        "detections": found,
        **row,
        "node_p95_ms": float(p95),
        "node_p99_ms": float(p99),
        "direct_p99_ms": float(np.percentile(samples["direct_ms"], 99)),
        "added_ms": row["node_ms"] - row["direct_ms"],
        "added_beyond_transport_ms": row["node_ms"] - row["direct_ms"] - row["echo_ms"],
        "over_bare": float(np.median(over_bare)),
        "over_direct": float(np.median(over_direct)),
    }


def show(row: dict[str, Any]) -> None:
    """One size in words."""
    print(
        f"{row['size']}: direct {row['direct_ms']:.1f} ms, node {row['node_ms']:.1f} ms"
        f" (p95 {row['node_p95_ms']:.1f}, p99 {row['node_p99_ms']:.1f}):"
        f" added {row['added_ms']:.1f} ms at the median,"
        f" where a node that only echoes takes {row['echo_ms']:.1f} ms\n"
        f"  at saturation {row['node_fps']:.0f} frames/s ="
        f" {row['over_bare']:.2f} of the bare runtime ({row['bare_fps']:.0f}/s;"
        f" {row['over_bare_on_its_cores']:.2f} of it on the cores that the camera leaves),"
        f" {row['over_direct']:.2f} of direct calls of the whole frame ({row['direct_fps']:.0f}/s);"
        f" {row['cpu_over_bare']:.2f} of the bare runtime's CPU per frame"
        f" ({row['node_cpu_ms']:.1f} ms; the camera's: {row['camera_cpu_ms']:.1f})",
        flush=True,
    )
