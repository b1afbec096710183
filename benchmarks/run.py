# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: everything in one run, one JSON file and one picture.

`build/bench/bench.json` (schema 1) is an object of:

- ``schema``, ``machine`` (cores, model name, Python, ROS's middleware), ``quick``;
- ``seconds``: how long each part took;
- ``load``: rows of (cameras, hertz), see `benchmarks.load`: ros2_benchmark's metrics in capitals
  (`benchmarks.figures`, `benchmarks.resources`), ``latency_ms`` {mean p50 p95 p99 max},
  ``newest_result_age_ms`` {mean mean_peak max}, ``received``, ``published``,
  ``dropped_by_reason`` {reason: frames}, ``lost_in_transport``, ``batch_sizes`` {size: executions},
  ``cpu_ms_per_frame``, ``resident_mb``, ``memory_slope_mb_per_min``;
- ``versus``: rows of (model, cameras): by system (``triton_ros``, ``spin``, ``threads``) the
  medians of ``frames_per_second``, ``cpu_ms_saturated``, ``cpu_ms_paced``, and ``latency_ms``, and
  ``ratios`` of ours over theirs (and ``p50_ms``, ``p99_ms``); see `benchmarks.versus`;
- ``scale``: rows of a picture's size, by number of cameras: ``cpu_ms`` a frame, its ratio
  ``over_one_camera``, ``frames_per_second``; see `benchmarks.scale`;
- ``efficiency``: rows of a picture's size, see `benchmarks.efficiency`;
- ``server``: what the server costs without ROS, see `benchmarks.server_cost`;
- ``swap``: ``before`` and ``during`` {frames, lost, latency_ms}, ``p99_ratio``;
- ``startup``: rows of a model: ``cold_s``, ``warm_s``, ``floor_s``;
- ``copies``: rows of a picture's size, see `benchmarks.copies`;
- ``idle``: rows of a number of models: ``cpu_percent``, ``resident_mb``, ``threads``.

All of it takes about ten minutes, `--quick` one or two.  `--parts` measures some parts and leaves
the others in the file as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    copies,
    efficiency,
    idle,
    load,
    scale,
    server_cost,
    startup,
    swap,
    versus,
)
from benchmarks.charts import draw
from benchmarks.processes import CHECKOUT, REPOSITORY, ros

SCHEMA = 1
OUTPUT = CHECKOUT / "build" / "bench"
PARTS: dict[str, Callable[[bool], Any]] = {
    "load": load.measure,
    "versus": versus.measure,
    "scale": scale.measure,
    "efficiency": efficiency.measure,
    "server": server_cost.measure,
    "swap": swap.measure,
    "startup": startup.measure,
    "copies": copies.measure,
    "idle": idle.measure,
}
NEEDED = ("blazeface/1/model.tflite", "coco_ssd/1/model.onnx")


def main() -> int:
    """Measure, print, write, draw."""
    parser = argparse.ArgumentParser(description="The node and its peers, measured.")
    parser.add_argument("--quick", action="store_true", help="fewer cameras, shorter")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    missing = [path for path in NEEDED if not (REPOSITORY / path).exists()]
    if missing:
        print(f"{', '.join(missing)}: not there (make models needs npm)", file=sys.stderr)
        return 1
    file = OUTPUT / "bench.json"
    found = before(file, given.quick)
    with ros():
        for name in given.parts:
            print(f"== {name}", flush=True)
            start = time.monotonic()
            found[name] = PARTS[name](given.quick)
            found["seconds"][name] = round(time.monotonic() - start, 1)
            save(file, found)
    draw(found, OUTPUT / "bench.png")
    print(f"written: {file.relative_to(CHECKOUT)} and bench.png")
    return 0


def before(file: Path, quick: bool) -> dict[str, Any]:
    """What was measured earlier in the same manner, on this machine."""
    fresh = {"schema": SCHEMA, "quick": quick, "machine": machine(), "seconds": {}}
    if file.exists():
        old: dict[str, Any] = json.loads(file.read_text())
        if all(old.get(key) == fresh[key] for key in ("schema", "quick", "machine")):
            return old
    return fresh


def machine() -> dict[str, Any]:
    """What it ran on."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": names[0].partition(":")[2].strip() if names else platform.machine(),
        "python": platform.python_version(),
        "middleware": os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"),
    }


def save(file: Path, found: dict[str, Any]) -> None:
    """After each part, so that an interrupted run keeps what it has."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.exit(main())
