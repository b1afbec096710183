# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera and its listener in one process: publishes frames, matches answers by stamp."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

LIMIT_S = 30.0


class Camera:
    """Publishes one picture under new stamps; `answers` maps a stamp to its latency in seconds."""

    def __init__(self, topic: str, detections: str, bgr: np.ndarray) -> None:
        self._node = rclpy.create_node("benchmark_camera" + topic.replace("/", "_"))
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._publisher = self._node.create_publisher(Image, topic, QoSProfile(depth=10))
        self._node.create_subscription(Detection2DArray, detections, self._on_answer, 10)
        height, width = bgr.shape[:2]
        message = Image(height=height, width=width, encoding="bgr8", step=width * 3)
        message.data = bgr.tobytes()
        message.header.frame_id = "camera"
        self._serialized = bytearray(serialize_message(message))
        self._sent: dict[int, float] = {}
        self._next = 1
        self.answers: dict[int, float] = {}
        self.found = 0

    def connect(self) -> None:
        """Wait until the node listens and its answers reach us."""
        self._spin(lambda: self._publisher.get_subscription_count() > 0, "the node's subscription")
        while not self.answers:
            self.publish()
            self.spin_for(0.2)
        self.spin_for(1.0)

    def close(self) -> None:
        self._node.destroy_node()

    def publish(self) -> int:
        """One more frame; its stamp (the seconds field)."""
        stamp, self._next = self._next, self._next + 1
        self._serialized[4:8] = stamp.to_bytes(4, "little")
        self._sent[stamp] = time.perf_counter()
        with self._publisher.handle:
            self._publisher.handle.publish_raw(bytes(self._serialized))
        return stamp

    def at_rate(self, hertz: float, count: int) -> list[float]:
        """Latencies in ms of `count` frames published at a rate."""
        start, stamps = time.perf_counter(), []
        for index in range(count):
            self.spin_for(start + index / hertz - time.perf_counter())
            stamps.append(self.publish())
        self._spin(lambda: stamps[-1] in self.answers, "the last answer")
        return [self.answers[stamp] * 1e3 for stamp in stamps if stamp in self.answers]

    def saturated(self, outstanding: int, seconds: float) -> tuple[int, float]:
        """Answers, and the seconds they took, with that many frames always on their way."""
        begin = len(self.answers)
        first = self._next
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            while self._next - first - (len(self.answers) - begin) < outstanding:
                self.publish()
            self._executor.spin_once(timeout_sec=0.5)
        return len(self.answers) - begin, time.perf_counter() - start

    def spin_for(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _spin(self, condition: Callable[[], bool], what: str) -> None:
        until = time.perf_counter() + LIMIT_S
        while not condition():
            if time.perf_counter() > until:
                raise TimeoutError(f"{what} did not come within {LIMIT_S:g} s")
            self._executor.spin_once(timeout_sec=0.1)

    def _on_answer(self, message: Detection2DArray) -> None:
        stamp = message.header.stamp.sec
        if stamp in self._sent:
            self.answers[stamp] = time.perf_counter() - self._sent.pop(stamp)
            self.found = len(message.detections)
