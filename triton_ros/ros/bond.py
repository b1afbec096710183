# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The heartbeat that Nav2's lifecycle manager expects of an active node, on the topic ``bond``.

A bond is two parties that publish `bond/msg/Status` with one id (the node's name): each lives while
it hears the other.  This is the node's half.  The message comes with bondpy and bondcpp; where it
is not installed there is no bond, and the manager needs ``bond_timeout: 0.0``.
"""

from __future__ import annotations

import uuid
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

TIMEOUT_S = 4.0
"""After so long without a heartbeat the other party may give up; bond's own default."""


def status_type() -> Any | None:
    """`bond.msg.Status`, None where it is not installed."""
    try:
        from bond.msg import Status  # noqa: PLC0415 (who has no Nav2 need not have it)
    except ImportError:
        return None
    return Status


class Bond:
    """Formed by `start`, broken by `stop`; all on the executor's thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._status = status_type()
        self._publisher: Any = None
        self._timer: Any = None
        self._period_s = 0.0
        self._instance = ""
        self._said = False

    def start(self, period_s: float) -> None:
        """Beat every `period_s` seconds from now on; 0 for no bond."""
        if not period_s:
            return
        if self._status is None:
            if not self._said:
                self._said = True
                self._node.get_logger().info(
                    "no bond with a lifecycle manager: the package bond (bondpy) is not installed"
                )
            return
        self._period_s, self._instance = period_s, str(uuid.uuid4())
        self._publisher = self._node.create_publisher(self._status, "bond", QoSProfile(depth=100))
        # In real time, as the other party counts; also while a simulation is paused.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self._node.create_timer(period_s, lambda: self._beat(True), clock=clock)
        self._beat(True)

    def stop(self) -> None:
        """Say that this party goes; nothing where there is no bond."""
        if self._publisher is None:
            return
        self._node.destroy_timer(self._timer)
        self._beat(False)
        self._node.destroy_publisher(self._publisher)
        self._publisher = self._timer = None

    def _beat(self, active: bool) -> None:
        if self._status is None:
            return
        status = self._status(
            id=self._node.get_name(),
            instance_id=self._instance,
            active=active,
            heartbeat_timeout=TIMEOUT_S,
            heartbeat_period=self._period_s,
        )
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(status)
