# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag into ROS topics: the recorded bytes as they are, in the bag's own time.

It has no thread: `play` yields before every frame until that is due, and whoever iterates does
something useful meanwhile, for instance spins a node.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CompressedImage, Image

_KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


class Player:
    """The bag's image topics, published by `node`."""

    def __init__(self, node: Node, bag: Path) -> None:
        self._reader = Reader(bag)
        self._reader.open()
        self.total = self._reader.message_count
        self.sent: dict[str, list[int]] = defaultdict(list)
        """Stamps of the frames that are published, by topic."""
        self.sent_at: dict[tuple[str, int], float] = {}
        """When, on the monotonic clock, by topic and stamp."""
        self._publishers = {
            connection.topic: node.create_publisher(
                _KINDS[connection.msgtype], connection.topic, _QOS
            )
            for connection in self._reader.connections
        }

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def subscribers(self, topic: str) -> int:
        """How many listen; a frame that is published before is lost."""
        count: int = self._publishers[topic].get_subscription_count()
        return count

    @property
    def share(self) -> float:
        """How much of the bag is published, 0..1."""
        return sum(map(len, self.sent.values())) / self.total

    def frames(self) -> Iterator[tuple[str, int, bytes]]:
        """(topic, nanoseconds, serialized message) in the bag's order."""
        for connection, stamp, raw in self._reader.messages():
            yield connection.topic, stamp, bytes(raw)

    def publish(self, topic: str, stamp: int, raw: bytes) -> None:
        self.sent_at[topic, stamp] = time.monotonic()
        self._publishers[topic].publish(raw)
        self.sent[topic].append(stamp)

    def play(self) -> Iterator[float]:
        """Publish everything in time; yields the seconds until the next frame is due."""
        begin = time.monotonic()
        for topic, stamp, raw in self.frames():
            due = begin + (stamp - self._reader.start_time) / 1e9
            while (left := due - time.monotonic()) > 0:
                yield left
            self.publish(topic, stamp, raw)
