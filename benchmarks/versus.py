# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The node beside the usual way, taking turns: 1 to 16 cameras on one model.

Beside it are the two nodes of `benchmarks.peers` (see there), with the same model, pictures,
middleware, cameras and threads.  Throughput is what comes back when every answer sends the next
frame (four on their way in all, one a camera from four on).  Latency (by stamp) and CPU a frame of
the process are taken at a rate that all can follow.  Ratios are ours over theirs, of each turn,
then the median (latencies: of all turns together); `same_detections` tells that all three found
the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cameras import Cameras, cameras, picture
from benchmarks.figures import percentiles, performance
from benchmarks.processes import REPOSITORY, Measured, peer, run_node, streams, topics

OURS, WAYS = "triton_ros", ("spin", "threads")
CASES = {"blazeface": (1, 2, 4, 8, 16), "coco_ssd": (4,)}
QUICK_CASES = {"blazeface": (1, 4)}
HERTZ = {"blazeface": 15.0, "coco_ssd": 4.0}
ON_THEIR_WAY, TURNS, SATURATED_S, PACED_S = 4, 3, 1.2, 2.5
MEDIANS = ("frames_per_second", "cpu_ms_saturated", "cpu_ms_paced")
COUNTED = ("NUM_FRAMES_SENT", "NUM_MISSED_FRAMES")
Rig = tuple[Cameras, Measured]


def measure(quick: bool) -> list[dict[str, Any]]:
    """A row of each model and number of cameras."""
    rows = []
    for model, counts in (QUICK_CASES if quick else CASES).items():
        for count in counts:
            rows.append(of_cameras(model, count, 1 if quick else TURNS))
            show(rows[-1])
    return rows


def of_cameras(model: str, count: int, turns: int) -> dict[str, Any]:
    """All three, `turns` times in turn."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with systems(model, count, depth=10, policy="queue:8") as rigs:
        same = alike([rig.detections for rig, _ in rigs.values()])
        for _ in range(turns):
            for name, rig in rigs.items():
                saturated(rig, count, found[name])
    with systems(model, count, depth=1, policy="latest") as rigs:
        for _ in range(turns):
            for name, rig in rigs.items():
                paced(rig, HERTZ[model], found[name])
    figures = {name: figures_of(each) for name, each in found.items()}
    row = {"model": model, "cameras": count, "hertz": HERTZ[model], "same_detections": same}
    ratios = {way: ratios_of(found[OURS], found[way]) for way in WAYS}
    return {**row, **figures, "ratios": ratios}


def figures_of(found: dict[str, list[float]]) -> dict[str, Any]:
    """The medians of the turns; counts and latencies of all turns together."""
    late = {"latency_ms": percentiles(np.array(found["latencies_ms"]))}
    counted = {name: sum(found[name]) for name in COUNTED}
    return {**{name: median(found[name]) for name in MEDIANS}, **late, **counted}


def ratios_of(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> dict[str, float]:
    """Turn by turn, then the median; of latencies, of all turns together."""
    both = [figures_of(found)["latency_ms"] for found in (ours, theirs)]
    late = {f"{name}_ms": both[0][name] / both[1][name] for name in ("p50", "p99")}
    each = {name: float(np.median(np.divide(ours[name], theirs[name]))) for name in MEDIANS}
    return {**each, **late}


@contextmanager
def systems(model: str, count: int, depth: int, policy: str) -> Iterator[dict[str, Rig]]:
    """The processes and their cameras; who has no turn waits for frames."""
    with ExitStack() as stack:
        settings = {"reliability": "reliable", "depth": depth, "policy": policy}
        parameters = {
            "model_repository": [str(REPOSITORY)],
            "load_models": [model],
            "streams": streams(OURS, model, count, **settings),
        }
        processes = {OURS: stack.enter_context(run_node(parameters))}
        for way in WAYS:
            processes[way] = stack.enter_context(peer(way, model, count, depth))
        bgr = picture(640, 480)
        yield {
            name: (
                stack.enter_context(cameras(f"{name}_cameras", topics(name, count), bgr)),
                process,
            )
            for name, process in processes.items()
        }


def saturated(rig: Rig, count: int, found: dict[str, list[float]]) -> None:
    """As fast as it goes."""
    cameras_, process = rig
    used = process.cpu_seconds()
    run = cameras_.saturated(max(ON_THEIR_WAY, count), SATURATED_S)
    used = process.cpu_seconds() - used
    answered = max(run.answered, 1)  # with threads, the peer may answer none for a second
    found["frames_per_second"].append(answered / run.seconds)
    found["cpu_ms_saturated"].append(used / answered * 1e3)


def paced(rig: Rig, hertz: float, found: dict[str, list[float]]) -> None:
    """At a rate."""
    cameras_, process = rig
    used = process.cpu_seconds()
    run = cameras_.at_rate(hertz, PACED_S)
    used = process.cpu_seconds() - used
    figures = performance(run)
    found["cpu_ms_paced"].append(used / run.answered * 1e3)
    found["latencies_ms"] += run.latencies_ms.tolist()
    for name in COUNTED:
        found[name].append(figures[name])


def alike(answers: list[Any]) -> bool:
    """Whether all found the same boxes, within a pixel."""
    boxes = [
        [
            (d.bbox.center.position.x, d.bbox.center.position.y, d.bbox.size_x, d.bbox.size_y)
            for d in answer.detections
        ]
        for answer in answers
    ]
    first = np.array(boxes[0])
    return len(first) > 0 and all(
        first.shape == np.shape(other) and bool(np.abs(first - other).max() < 1.0)
        for other in boxes[1:]
    )


def show(row: dict[str, Any]) -> None:
    """A line of each system."""
    print(f"{row['model']}, {row['cameras']} cameras, same detections: {row['same_detections']}")
    for name in (OURS, *WAYS):
        f = row[name]
        late, ratio = f["latency_ms"], row["ratios"].get(name, {})
        words = ", ".join(f"{key} {value:.2f}" for key, value in ratio.items())
        print(
            f"  {name:10} {f['frames_per_second']:5.0f} frames/s at {f['cpu_ms_saturated']:.2f} ms"
            f" CPU; at {row['hertz']:.0f} Hz p50 {late['p50']:.1f} p99 {late['p99']:.1f} ms, missed"
            f" {f['NUM_MISSED_FRAMES']:.0f} of {f['NUM_FRAMES_SENT']:.0f}, CPU"
            f" {f['cpu_ms_paced']:.2f} ms" + (f"; ours over theirs: {words}" if words else ""),
            flush=True,
        )
