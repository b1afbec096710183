# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cameras and their listener in one process: publishes frames, matches answers by stamp.

All cameras show one picture, serialized once; a frame is that with another stamp (whose seconds
are its number).  Answers stay serialized as well: only their stamp is read.  So this process takes
as little of the shared cores as it can.  Publication and reception have one clock, this process'.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import rclpy
import skimage.data
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

LIMIT_S, LATE_S = 30.0, 3.0
Topics = Sequence[tuple[str, str]]
"""Of each camera: where its frames go, and where its answers come from."""


@dataclass
class Run:
    """What became of the frames of a part of a run, one mapping a camera: stamp -> seconds."""

    sent: list[dict[int, float]]
    received: list[dict[int, float]]
    seconds: float = 0.0
    """From the first frame to the last answer that was waited for."""
    publishing_s: float = 0.0
    """How long frames were published."""
    answered: int = field(default=0)

    @property
    def frames(self) -> int:
        """How many were sent."""
        return sum(map(len, self.sent))

    @property
    def latencies_ms(self) -> np.ndarray:
        """Of all frames that were answered."""
        return np.array(
            [
                (at - sent[stamp]) * 1e3
                for sent, received in zip(self.sent, self.received, strict=True)
                for stamp, at in received.items()
            ]
        )


class Cameras:
    """Publishes under new stamps; one run after the other."""

    def __init__(self, name: str, topics: Topics, bgr: np.ndarray, depth: int = 10) -> None:
        self._node = rclpy.create_node(name, enable_rosout=False, start_parameter_services=False)
        self._executor: Any = EventsExecutor()
        self._executor.add_node(self._node)
        self._publishers = []
        for number, (topic, answers) in enumerate(topics):
            qos = QoSProfile(depth=depth)
            self._publishers.append(self._node.create_publisher(Image, topic, qos))
            listen: Any = lambda raw, number=number: self._on_answer(number, raw)  # noqa: E731
            self._node.create_subscription(Detection2DArray, answers, listen, qos, raw=True)
        self._serialized = bytearray(serialize_message(image_message(bgr)))
        self._stamp = 0
        self._run = self._empty()
        self._answered: Callable[[int], None] | None = None
        self._last = b""

    @property
    def node(self) -> Any:
        """For clients of services; its callbacks run in `spin_for`."""
        return self._node

    @property
    def detections(self) -> Detection2DArray:
        """The newest answer."""
        return deserialize_message(self._last, Detection2DArray)

    def close(self) -> None:
        """Take the topics away."""
        self._executor.shutdown()
        self._node.destroy_node()

    def connect(self, frames: int = 5, period_s: float = 0.1) -> float:
        """Wait until every camera is heard and answered some times; when the first answer came.

        Until then each publishes a frame a period.
        """
        heard = lambda: all(p.get_subscription_count() > 0 for p in self._publishers)  # noqa: E731
        self._until(heard, "the subscriptions")
        run = self._run = self._empty()

        def answered() -> bool:
            for number, received in enumerate(run.received):
                if len(received) < frames:
                    self._publish(number)
            self.spin_for(period_s)
            return all(len(received) >= frames for received in run.received)

        self._until(answered, "an answer of each camera")
        self.spin_for(0.5)
        return min(at for received in run.received for at in received.values())

    def at_rate(
        self, hertz: float, seconds: float, between: Callable[[], None] | None = None
    ) -> Run:
        """Every camera at that rate, one after the other within a period.

        `between` is called after each frame.  Ends when every frame is answered or late.
        """
        run = self._run = self._empty()
        count, start = len(self._publishers), time.perf_counter()
        for index in range(round(seconds * hertz) * count):
            self.spin_for(start + index / (hertz * count) - time.perf_counter())
            self._publish(index % count)
            if between:
                between()
        run.publishing_s = time.perf_counter() - start
        limit = time.perf_counter() + LATE_S
        while run.answered < run.frames and time.perf_counter() < limit:
            before = run.answered
            self.spin_for(0.05)
            if run.answered == before and time.perf_counter() > limit - LATE_S + 1.0:
                break  # nothing has come for long: what is missing was dropped
        run.seconds = time.perf_counter() - start
        return run

    def saturated(self, on_their_way: int, seconds: float) -> Run:
        """That many frames always on their way, from each camera in its turn: an answer sends the
        next frame.
        """
        run = self._run = self._empty()
        start = time.perf_counter()
        count = len(self._publishers)
        self._answered = lambda number: self._publish((number + on_their_way) % count)
        for index in range(on_their_way):
            self._publish(index % count)
        self.spin_for(seconds)
        self._answered = None
        run.publishing_s = run.seconds = time.perf_counter() - start
        answered = run.answered
        self._until(lambda: run.answered == run.frames, "the last answer")
        run.answered = answered
        return run

    def spin_for(self, seconds: float) -> None:
        """Take answers for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _empty(self) -> Run:
        number = len(self._publishers)
        return Run([{} for _ in range(number)], [{} for _ in range(number)])

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        limit = time.perf_counter() + LIMIT_S
        while not condition():
            if time.perf_counter() > limit:
                raise TimeoutError(f"{what} did not come within {LIMIT_S:g} s")
            self._executor.spin_once(timeout_sec=0.1)

    def _publish(self, number: int) -> None:
        self._stamp += 1
        self._serialized[4:8] = self._stamp.to_bytes(4, "little")
        publisher = self._publishers[number]
        message = bytes(self._serialized)
        self._run.sent[number][self._stamp] = time.perf_counter()
        with publisher.handle:
            publisher.handle.publish_raw(message)

    def _on_answer(self, number: int, raw: bytes) -> None:
        now, stamp = time.perf_counter(), int.from_bytes(raw[4:8], "little")
        self._last = raw
        if stamp in self._run.sent[number]:
            self._run.received[number][stamp] = now
            self._run.answered += 1
            if self._answered:
                self._answered(number)


def picture(width: int, height: int) -> np.ndarray:
    """A photograph with a face, BGR."""
    return cv2.resize(skimage.data.astronaut()[:, :, ::-1], (width, height))


def image_message(bgr: np.ndarray) -> Image:
    """As a driver would publish it."""
    height, width = bgr.shape[:2]
    message = Image(height=height, width=width, encoding="bgr8", step=width * 3)
    message.header.frame_id = "camera"
    message.data = bgr.tobytes()
    return message


@contextmanager
def cameras(name: str, topics: Topics, bgr: np.ndarray) -> Iterator[Cameras]:
    """Connected; closed at the end."""
    found = Cameras(name, topics, bgr)
    try:
        found.connect()
        yield found
    finally:
        found.close()
