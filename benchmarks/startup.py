# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From the start of the process to the first detections: cold, and warm.

The cameras run already.  *cold*: no compiled Python (an empty `PYTHONPYCACHEPREFIX`), and the files
that the node maps are dropped from the kernel's cache as far as nobody else maps them.  *warm*: the
starts after it, with the caches that it left.  *floor*: `import rclpy, numpy, cv2` and the runtime
in a process of their own, warm: what no node in Python is faster than.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.cameras import Cameras, picture
from benchmarks.processes import REPOSITORY, run_node, streams, topics

MODELS, WARM, PERIOD_S = ("blazeface", "coco_ssd"), 3, 0.02
FLOOR = "import rclpy, numpy, cv2, {}; from sensor_msgs.msg import Image; rclpy.init()"
RUNTIMES = {"blazeface": "ai_edge_litert.interpreter", "coco_ssd": "onnxruntime"}


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each model."""
    rows = []
    for model in MODELS[:1] if quick else MODELS:
        with TemporaryDirectory() as compiled:
            environment = {"PYTHONPYCACHEPREFIX": compiled}
            mapped = start(model, {})[1]
            for path in mapped:
                drop(path)
            cold = start(model, environment)[0]
            warm = [start(model, environment)[0] for _ in range(1 if quick else WARM)]
        row = {"model": model, "cold_s": cold, "warm_s": median(warm), "floor_s": floor(model)}
        rows.append(row)
        print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def start(model: str, environment: dict[str, str]) -> tuple[float, list[str]]:
    """Seconds to the first detections, and the files that the node has mapped by then."""
    parameters = {
        "model_repository": [str(REPOSITORY)],
        "load_models": [model],
        "streams": streams("triton_ros", model, 1),
    }
    camera = Cameras("starting", topics("triton_ros", 1), picture(640, 480))
    try:
        begin = time.perf_counter()
        with run_node(parameters, env=environment) as node:
            first = camera.connect(1, PERIOD_S)
            lines = Path(f"/proc/{node.pid}/maps").read_text().splitlines()
    finally:
        camera.close()
    files = {line.split()[-1] for line in lines if "/" in line.split()[-1]}
    return first - begin, [path for path in files if Path(path).is_file()]


def drop(path: str) -> None:
    """From the kernel's cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def floor(model: str) -> float:
    """What the imports alone take."""
    code = FLOOR.format(RUNTIMES[model])
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begin
