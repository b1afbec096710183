# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishers that other threads may use while a transition takes them away.

Answers are published by the threads that finish them, and a slow model may finish one after the
node was deactivated or cleaned up.  rclpy's own lifecycle publisher drops it without a word in the
first case and raises in the second; here both are a plain False.  A publisher may also come while
the node is active, when a stream gets a model that answers something else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from rclpy.node import Node
from rclpy.qos import QoSProfile


class Publisher(Protocol):
    """Where a stream's messages go: a topic, or a bag."""

    def publish(self, message: Any) -> bool:
        """Whether the message went out."""
        ...

    @property
    def active(self) -> bool:
        """Whether messages go out now."""
        ...

    @property
    def listened(self) -> bool:
        """Whether somebody wants them."""
        ...

    def close(self) -> None: ...


MakePublisher: TypeAlias = Callable[[type[Any], str, QoSProfile], Publisher]
"""Of a message type, a topic below the stream's own place, and a quality of service."""


class Gate:
    """Open between activate and deactivate, for all publishers of a node."""

    def __init__(self) -> None:
        self.is_open = False


class GuardedPublisher:
    """Publishes while the gate is open; `close` is for cleanup."""

    def __init__(
        self, node: Node, gate: Gate, kind: type[Any], topic: str, qos: QoSProfile
    ) -> None:
        self._node = node
        self._gate = gate
        self._lock = threading.Lock()
        self._publisher: Any = node.create_publisher(kind, topic, qos)

    def publish(self, message: Any) -> bool:
        with self._lock:
            if self._publisher is None or not self._gate.is_open:
                return False
            self._publisher.publish(message)
            return True

    @property
    def active(self) -> bool:
        return self._publisher is not None and self._gate.is_open

    @property
    def listened(self) -> bool:
        with self._lock:
            return self._publisher is not None and self._publisher.get_subscription_count() > 0

    def close(self) -> None:
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            self._node.destroy_publisher(publisher)
