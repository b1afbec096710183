# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the whole node (camera message to published detections) beside direct calls.

Every figure is a ratio or a difference of two things measured in turn in this run, on one real
model (COCO-SSD, ONNX Runtime, one thread an instance) and one real photograph:

- *added latency*: camera message published -> detections received by the publisher's process, less
  preprocess + inference + postprocess called directly.  The transport both ways is in it.
- *throughput*: answers per second at saturation over what as many threads get from the bare runtime
  (inference only), and from direct calls of the whole frame.

Goals: 2 ms (640x480) and 5 ms (1920x1080) added at the median; 0.95 of the bare runtime.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import skimage.data

from benchmarks.camera import Camera
from benchmarks.direct import Direct, calls_per_second, median_ms

CHECKOUT = Path(__file__).resolve().parent.parent
REPOSITORY = CHECKOUT / "build" / "model_repository"
OUTPUT = CHECKOUT / "build" / "bench" / "results.json"
MODEL, INSTANCES = "coco_ssd", 2
SIZES = ((640, 480), (1920, 1080))
ROUNDS, FRAMES, HERTZ, SECONDS = 3, 60, 15.0, 4.0
# Fast DDS carries an image through shared memory only if it fits its segment (512 kB by default).
PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com"><profiles><transport_descriptors><transport_descriptor>
<transport_id>shm</transport_id><type>SHM</type><segment_size>67108864</segment_size>
</transport_descriptor></transport_descriptors><participant profile_name="benchmark"
is_default_profile="true"><rtps><userTransports><transport_id>shm</transport_id></userTransports>
<useBuiltinTransports>false</useBuiltinTransports></rtps></participant></profiles></dds>
"""


def main() -> int:
    """Measure, print, write `build/bench/results.json`."""
    if not (REPOSITORY / MODEL / "1" / "model.onnx").exists():
        print(f"{MODEL} is not there (make models needs npm for it)", file=sys.stderr)
        return 1
    direct = Direct(REPOSITORY, MODEL)
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        profile = Path(scratch) / "shm.xml"
        profile.write_text(PROFILE)
        os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
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
    """One size: rounds of direct and node in turn."""
    bgr = cv2.resize(skimage.data.astronaut()[:, :, ::-1], (width, height))
    pixels = bgr.tobytes()
    bare = direct.inference(pixels, height, width)
    direct_ms, node_ms, bare_fps, direct_fps, node_fps = [], [], [], [], []
    with running_node():
        camera = Camera("/camera/image_raw", "/triton_ros/front/detections", bgr)
        camera.connect()
        for _ in range(ROUNDS):
            direct_ms.append(median_ms(lambda: direct.frame(pixels, height, width), FRAMES))
            node_ms += camera.at_rate(HERTZ, FRAMES)
            bare_fps.append(calls_per_second(bare, INSTANCES, SECONDS))
            node_fps.append(camera.saturated(INSTANCES + 2, SECONDS))
            direct_fps.append(
                calls_per_second(lambda: direct.frame(pixels, height, width), INSTANCES, SECONDS)
            )
        found = camera.found
        camera.close()
    p50, p95, p99 = np.percentile(node_ms, (50, 95, 99))
    return {
        "size": f"{width}x{height}",
        "detections": found,
        "direct_ms": float(np.median(direct_ms)),
        "node_p50_ms": p50,
        "node_p95_ms": p95,
        "node_p99_ms": p99,
        "added_p50_ms": p50 - float(np.median(direct_ms)),
        "bare_fps": float(np.median(bare_fps)),
        "direct_fps": float(np.median(direct_fps)),
        "node_fps": float(np.median(node_fps)),
        "over_bare": float(np.median(np.divide(node_fps, bare_fps))),
        "over_direct": float(np.median(np.divide(node_fps, direct_fps))),
    }


def show(row: dict[str, Any]) -> None:
    """One size in words."""
    print(
        f"{row['size']}: direct {row['direct_ms']:.1f} ms, node {row['node_p50_ms']:.1f} ms"
        f" (p95 {row['node_p95_ms']:.1f}, p99 {row['node_p99_ms']:.1f}):"
        f" added {row['added_p50_ms']:.1f} ms at the median\n"
        f"  at saturation {row['node_fps']:.0f} frames/s ="
        f" {row['over_bare']:.2f} of the bare runtime ({row['bare_fps']:.0f}/s),"
        f" {row['over_direct']:.2f} of direct calls of the whole frame ({row['direct_fps']:.0f}/s)",
        flush=True,
    )


@contextmanager
def running_node() -> Iterator[None]:
    """The node in a process of its own, active."""
    parameters = {
        "autostart": "true",
        "model_repository": f"[{REPOSITORY}]",
        "load_models": f"[{MODEL}]",
        "streams.front.model": MODEL,
        "streams.front.topic": "/camera/image_raw",
        "streams.front.reliability": "reliable",
        "streams.front.queue_depth": "8",
    }
    command = [sys.executable, "-m", "triton_ros.main", "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    process = subprocess.Popen([*command, "--log-level", "warn"])
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
