# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle publisher that other threads may use while a transition takes it away.

Answers are published by the threads that finish them, and a slow model may finish one after the
node was deactivated or cleaned up.  rclpy drops it without a word in the first case and raises in
the second; here both are a plain False.
"""

from __future__ import annotations

import threading
from typing import Any, Generic, TypeVar

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

M = TypeVar("M")


class GuardedPublisher(Generic[M]):
    """Publishes between activate and deactivate; `close` is for cleanup."""

    def __init__(self, node: LifecycleNode, kind: type[M], topic: str, qos: QoSProfile) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._publisher: Any = node.create_lifecycle_publisher(kind, topic, qos)

    def publish(self, message: M) -> bool:
        """Whether the message went out."""
        with self._lock:
            if self._publisher is None or not self._publisher.is_activated:
                return False
            self._publisher.publish(message)
            return True

    @property
    def listened(self) -> bool:
        """Whether somebody subscribes."""
        with self._lock:
            return self._publisher is not None and self._publisher.get_subscription_count() > 0

    def close(self) -> None:
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            self._node.destroy_lifecycle_publisher(publisher)
