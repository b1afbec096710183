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
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import rclpy
import skimage.data
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from benchmarks import processes

CHECKOUT = Path(__file__).resolve().parent.parent
BLAZEFACE = CHECKOUT / "build" / "model_repository" / "blazeface"
OUTPUT = CHECKOUT / "build" / "bench" / "swap.json"
CAMERAS, HERTZ, LATE_S = 4, 30.0, 5.0
MODELS = ("faces_a", "faces_b")


@dataclass
class Phase:
    """What became of the frames of a part of the run."""

    sent: dict[tuple[int, int], float] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    swaps: int = 0
    refused: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Frames, losses and latencies."""
        found = np.array(self.latencies_ms)
        p50, p99 = (float(np.percentile(found, p)) for p in (50, 99))
        lost = len(self.sent)
        return {
            "frames": len(found) + lost,
            "lost": lost,
            "swaps": self.swaps,
            "p50_ms": p50,
            "p99_ms": p99,
            "max_ms": float(found.max()),
            "refused": self.refused,
        }


class Rig:
    """The cameras, who listens, and who swaps: one node on one executor."""

    def __init__(self) -> None:
        self._node = rclpy.create_node("swap_rig")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        qos = QoSProfile(depth=20)
        self._publishers = [
            self._node.create_publisher(Image, f"/camera_{n}", qos) for n in range(CAMERAS)
        ]
        for number in range(CAMERAS):
            self._node.create_subscription(
                Detection2DArray,
                f"/triton_ros/stream_{number}/detections",
                lambda message, number=number: self._answered(number, message),
                qos,
            )
        self._set = self._node.create_client(SetParameters, "/triton_ros/set_parameters")
        self._loads = {
            name: self._node.create_client(Trigger, f"/triton_ros/models/{name}/load")
            for name in MODELS
        }
        picture = cv2.resize(skimage.data.astronaut()[:, :, ::-1], (320, 240))
        message = Image(height=240, width=320, encoding="bgr8", step=960, data=picture.tobytes())
        message.header.frame_id = "camera"
        self._frame = bytearray(serialize_message(message))
        self._stamp = 0
        self._model = 0
        self.phase = Phase()

    def connect(self) -> None:
        """Until every camera is heard and answered."""
        while not self._set.service_is_ready() or any(
            publisher.get_subscription_count() < 1 for publisher in self._publishers
        ):
            self._spin(0.05)
        answered = Phase()
        self.phase = answered
        while len(answered.latencies_ms) < 10 * CAMERAS:
            for number in range(CAMERAS):
                self._publish(number)
            self._spin(0.1)
        self._spin(1.0)

    def run(self, seconds: float, swap_every: float | None) -> Phase:
        """One part of the run; ends when every frame is answered or late."""
        phase = self.phase = Phase()
        start = time.perf_counter()
        next_swap = start + (swap_every or seconds + 1)
        for index in range(int(seconds * HERTZ * CAMERAS)):
            due = start + index / (HERTZ * CAMERAS)
            self._spin(due - time.perf_counter())
            self._publish(index % CAMERAS)
            if swap_every and time.perf_counter() >= next_swap:
                next_swap += swap_every
                self._swap(phase)
        limit = time.perf_counter() + LATE_S
        while phase.sent and time.perf_counter() < limit:
            self._spin(0.05)
        return phase

    def _swap(self, phase: Phase) -> None:
        """By turns: the model that serves anew; the other one for all streams."""
        phase.swaps += 1
        if phase.swaps % 2:
            future = self._loads[MODELS[self._model]].call_async(Trigger.Request())
            future.add_done_callback(lambda done: self._told(phase, done.result().success, ""))
            return
        self._model = 1 - self._model
        values = [
            Parameter(f"streams.stream_{n}.model", value=MODELS[self._model]).to_parameter_msg()
            for n in range(CAMERAS)
        ]
        future = self._set.call_async(SetParameters.Request(parameters=values))
        future.add_done_callback(
            lambda done: [self._told(phase, r.successful, r.reason) for r in done.result().results]
        )

    @staticmethod
    def _told(phase: Phase, good: bool, reason: str) -> None:
        if not good:
            phase.refused.append(reason or "a load failed")

    def _publish(self, number: int) -> None:
        self._stamp += 1
        self._frame[4:8] = self._stamp.to_bytes(4, "little")
        self.phase.sent[number, self._stamp] = time.perf_counter()
        publisher = self._publishers[number]
        with publisher.handle:
            publisher.handle.publish_raw(bytes(self._frame))

    def _answered(self, number: int, message: Detection2DArray) -> None:
        sent = self.phase.sent.pop((number, message.header.stamp.sec), None)
        if sent is not None:
            self.phase.latencies_ms.append((time.perf_counter() - sent) * 1e3)

    def _spin(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left)


def copy_models(root: Path, names: Iterable[str]) -> None:
    """The face detector under other names."""
    for name in names:
        shutil.copytree(BLAZEFACE, root / name)
        config = root / name / "config.pbtxt"
        config.write_text(config.read_text().replace('"blazeface"', f'"{name}"'))


@contextmanager
def rig(**more: Any) -> Iterator[tuple[Rig, processes.Measured]]:
    """Cameras that are answered, and the node; `more` are further parameters of it."""
    profile = CHECKOUT / "config" / "fastdds_shared_memory.xml"
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
    stream = {"model": MODELS[0], "reliability": "reliable", "policy": "queue:30", "depth": 20}
    streams = {f"stream_{n}": {**stream, "topic": f"/camera_{n}"} for n in range(CAMERAS)}
    with TemporaryDirectory() as root:
        copy_models(Path(root), MODELS)
        parameters = {"model_repository": [root], "streams": streams, **more}
        with processes.run_node(parameters) as node:
            rclpy.init()
            try:
                cameras = Rig()
                cameras.connect()
                yield cameras, node
            finally:
                rclpy.shutdown()


def main() -> int:
    """Measure, print, write `build/bench/swap.json`; 1 if a frame was lost."""
    parser = argparse.ArgumentParser(description="Models swapped under fire.")
    parser.add_argument("--seconds", type=float, default=120.0, help="of swapping (120)")
    parser.add_argument("--before", type=float, default=30.0, help="seconds without (30)")
    given = parser.parse_args()
    with rig() as (cameras, _):
        found = {"before": cameras.run(given.before, None).figures()}
        found["during"] = cameras.run(given.seconds, 1.0).figures()
    ratio = found["during"]["p99_ms"] / found["before"]["p99_ms"]
    for name, row in found.items():
        print(name, json.dumps(row))
    print(f"p99 during over before: {ratio:.2f}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({**found, "p99_ratio": ratio}, indent=1))
    return int(any(row["lost"] or row["refused"] for row in found.values()))


if __name__ == "__main__":
    sys.exit(main())
