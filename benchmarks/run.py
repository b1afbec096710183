# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the whole node (camera message to published detections) beside direct calls.

Every figure is a ratio or a difference of things measured in turn in this run, on one real model
(COCO-SSD, ONNX Runtime, one thread an instance) and one real photograph:

- *added latency*: camera message published -> detections received by the publisher's process, less
  preprocess + inference + postprocess called directly at the same rate.  A node beside it that only
  echoes the stamp tells how much of it is the transport.
- *throughput*: answers per second at saturation over what as many threads get from the bare runtime
  (inference only), and from direct calls of the whole frame.  The camera's process runs on the same
  cores.
- *CPU*: the node process's time per answer, over the bare runtime's per call.

Goals: 2 ms (640x480) and 5 ms (1920x1080) added at the median; 0.95 of the bare runtime.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import skimage.data

from benchmarks import processes
from benchmarks.camera import Camera
from benchmarks.direct import Direct, calls_per_second, paced_ms
from triton_ros.main import tune_process

CHECKOUT = Path(__file__).resolve().parent.parent
REPOSITORY = CHECKOUT / "build" / "model_repository"
OUTPUT = CHECKOUT / "build" / "bench" / "results.json"
MODEL, INSTANCES = "coco_ssd", 2
SIZES = ((640, 480), (1920, 1080))
ROUNDS, FRAMES, HERTZ, SECONDS = 3, 60, 15.0, 4.0
PROFILE = CHECKOUT / "config" / "fastdds_shared_memory.xml"


def main() -> int:
    """Measure, print, write `build/bench/results.json`."""
    if not (REPOSITORY / MODEL / "1" / "model.onnx").exists():
        print(f"{MODEL} is not there (make models needs npm for it)", file=sys.stderr)
        return 1
    tune_process()
    direct = Direct(REPOSITORY, MODEL)
    results = []
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(PROFILE)
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
    rclpy.init()
    try:
        for width, height in SIZES:
            results.append(measure(direct, width, height))
            show(results[-1])
    finally:
        rclpy.shutdown()
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(results, indent=1))
    print(f"written: {OUTPUT.relative_to(CHECKOUT)}")
    return 0


def measure(direct: Direct, width: int, height: int) -> dict[str, Any]:
    """One size: rounds of everything in turn."""
    bgr = cv2.resize(skimage.data.astronaut()[:, :, ::-1], (width, height))
    pixels = bgr.tobytes()
    bare = direct.inference(pixels, height, width)
    samples: dict[str, list[float]] = defaultdict(list)

    def frame() -> object:
        return direct.frame(pixels, height, width)

    with processes.node(REPOSITORY, MODEL) as node, processes.echo():
        camera = Camera(processes.TOPIC, processes.DETECTIONS, bgr)
        echoed = Camera(processes.ECHO_TOPIC, processes.ECHO_DETECTIONS, bgr)
        for one in (camera, echoed):
            one.connect()
        for _ in range(ROUNDS):
            samples["direct_ms"] += paced_ms(frame, HERTZ, FRAMES)
            samples["node_ms"] += camera.at_rate(HERTZ, FRAMES)
            samples["echo_ms"] += echoed.at_rate(HERTZ, FRAMES)
            rate, cpu = calls_per_second(bare, INSTANCES, SECONDS)
            used = node.cpu_seconds()
            answers, seconds = camera.saturated(INSTANCES + 2, SECONDS)
            used = node.cpu_seconds() - used
            samples["bare_fps"].append(rate)
            samples["node_fps"].append(answers / seconds)
            samples["direct_fps"].append(calls_per_second(frame, INSTANCES, SECONDS)[0])
            samples["cpu_over_bare"].append(used / answers / cpu)
        found = camera.found
        camera.close()
        echoed.close()
    return summary(f"{width}x{height}", found, samples)


def summary(size: str, found: int, samples: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, and ratios round by round."""
    row = {name: float(np.median(values)) for name, values in samples.items()}
    over_bare = np.divide(samples["node_fps"], samples["bare_fps"])
    over_direct = np.divide(samples["node_fps"], samples["direct_fps"])
    return {
        "size": size,
        "detections": found,
        **row,
        "node_p95_ms": float(np.percentile(samples["node_ms"], 95)),
        "node_p99_ms": float(np.percentile(samples["node_ms"], 99)),
        "added_ms": row["node_ms"] - row["direct_ms"],
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
        f" {row['over_bare']:.2f} of the bare runtime ({row['bare_fps']:.0f}/s),"
        f" {row['over_direct']:.2f} of direct calls of the whole frame ({row['direct_fps']:.0f}/s);"
        f" {row['cpu_over_bare']:.2f} of the bare runtime's CPU per frame",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
