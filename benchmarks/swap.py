# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.swap`: models swapped under fire, and no frame lost.

Four cameras at 30 Hz in one process, the node in another, a real face detector (BlazeFace) under
two names.  First nothing is swapped; then, every second in turn, the model that serves is loaded
anew and all streams are set to the other one.  Every frame has to be answered; latency is from a
frame's publication to its detections, matched by stamp, before and during the swaps in one run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from benchmarks import processes, repositories
from benchmarks.cameras import Cameras, Run, cameras, picture
from benchmarks.figures import percentiles
from benchmarks.resources import Watch

CAMERAS, HERTZ, PERIOD_S = 4, 30.0, 1.0
MODELS = ("faces_a", "faces_b")
BEFORE_S, DURING_S, QUICK_S = 10.0, 30.0, 5.0


class Swapper:
    """Swaps once in a period; `between` is for `Cameras.at_rate`."""

    def __init__(self, rig: Cameras) -> None:
        self.swaps = 0
        self.refused: list[str] = []
        self._model = 0
        self._next = time.perf_counter() + PERIOD_S
        self._set = rig.node.create_client(SetParameters, "/triton_ros/set_parameters")
        self._loads = {
            name: rig.node.create_client(Trigger, f"/triton_ros/models/{name}/load")
            for name in MODELS
        }
        while not self._set.service_is_ready():
            rig.spin_for(0.05)

    def between(self) -> None:
        """By turns: the model that serves anew; the other one for all streams."""
        if time.perf_counter() < self._next:
            return
        self._next += PERIOD_S
        self.swaps += 1
        if self.swaps % 2:
            future = self._loads[MODELS[self._model]].call_async(Trigger.Request())
            future.add_done_callback(lambda done: self._told(done.result().success, ""))
            return
        self._model = 1 - self._model
        values = [
            Parameter(f"streams.stream_{n}.model", value=MODELS[self._model]).to_parameter_msg()
            for n in range(CAMERAS)
        ]
        future = self._set.call_async(SetParameters.Request(parameters=values))
        future.add_done_callback(
            lambda done: [self._told(r.successful, r.reason) for r in done.result().results]
        )

    def _told(self, good: bool, reason: str) -> None:
        if not good:
            self.refused.append(reason or "a load failed")


@contextmanager
def serving(**more: Any) -> Iterator[tuple[Cameras, processes.Measured]]:
    """Cameras that are answered, and the node; `more` are further parameters of it."""
    settings = {"reliability": "reliable", "policy": "queue:30", "depth": 20}
    streams = processes.streams("triton_ros", MODELS[0], CAMERAS, **settings)
    topics = processes.topics("triton_ros", CAMERAS)
    with ExitStack() as stack:
        root = stack.enter_context(repositories.copies(dict.fromkeys(MODELS, "blazeface")))
        parameters = {"model_repository": [str(root)], "streams": streams, **more}
        node = stack.enter_context(processes.run_node(parameters))
        yield stack.enter_context(cameras("swapping", topics, picture(320, 240))), node


def swapped(rig: Cameras, seconds: float) -> dict[str, Any]:
    """The figures of so many seconds with swaps."""
    swapper = Swapper(rig)
    found = figures(rig.at_rate(HERTZ, seconds, swapper.between))
    return {**found, "swaps": swapper.swaps, "refused": swapper.refused}


def figures(run: Run) -> dict[str, Any]:
    """Frames, losses and latencies."""
    lost = run.frames - run.answered
    return {"frames": run.frames, "lost": lost, "latency_ms": percentiles(run.latencies_ms)}


def measure(quick: bool) -> dict[str, Any]:
    """For `make bench`; the long run is this module's own."""
    return run_both(*((QUICK_S, QUICK_S) if quick else (BEFORE_S, DURING_S)))


def run_both(before_s: float, during_s: float) -> dict[str, Any]:
    """Without, and with swaps; what the node's memory did meanwhile."""
    with serving() as (rig, node), Watch(node.pid) as watch:
        found = {"before": figures(rig.at_rate(HERTZ, before_s))}
        found["during"] = swapped(rig, during_s)
    late = [found[part]["latency_ms"]["p99"] for part in ("during", "before")]
    result = {**found, "p99_ratio": late[0] / late[1], **watch.figures()}
    print(json.dumps(found), f"\np99 during over before: {result['p99_ratio']:.2f}", flush=True)
    return result


def main() -> int:
    """Measure and print; 1 if a frame was lost."""
    parser = argparse.ArgumentParser(description="Models swapped under fire.")
    parser.add_argument("--seconds", type=float, default=120.0, help="of swapping (120)")
    parser.add_argument("--before", type=float, default=30.0, help="seconds without (30)")
    given = parser.parse_args()
    with processes.ros():
        found = run_both(given.before, given.seconds)
    return int(
        any(found[part]["lost"] for part in ("before", "during"))
        or bool(found["during"]["refused"])
    )


if __name__ == "__main__":
    sys.exit(main())
