# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node that does nothing: image in, empty detections out.  What the transport costs by itself."""

from __future__ import annotations

import sys

import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from triton_ros.main import tune_process


def main(*topics: str) -> None:
    """Until a signal ends the process."""
    tune_process()
    rclpy.init()
    node = rclpy.create_node("benchmark_echo")
    for topic, detections in zip(topics[::2], topics[1::2], strict=True):
        echo(node, topic, node.create_publisher(Detection2DArray, detections, 10))
    executor = EventsExecutor()
    executor.add_node(node)
    executor.spin_until_future_complete(Future(executor=executor), timeout_sec=3600)


def echo(node: Node, topic: str, publisher: Publisher[Detection2DArray]) -> None:
    """Answer what comes there."""

    def answer(raw: bytes) -> None:
        message = Detection2DArray()
        message.header.stamp.sec = int.from_bytes(raw[4:8], "little")
        publisher.publish(message)

    node.create_subscription(Image, topic, answer, QoSProfile(depth=5), raw=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
