# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A thread with an executor and a node of its own, for a subscription whose callback may wait.

While it waits, the middleware holds what comes: a reliable subscription that keeps all lets Fast
DDS hold 5000 messages.  So every frame is answered if the publisher is reliable and keeps all, or
keeps at least as many as it sends in one burst.  A publisher with a short history overwrites what
did not get through yet, which is beyond anybody's reach: of 500 frames of 640x480, sent at once,
105 came with a history of 1, and all with one of 1000 or that keeps all (this process then grows by
about 370 MB, the frames' bytes).  A best-effort publisher is not heard at all.  `triton_ros replay`
needs no publisher and loses nothing.
"""

from __future__ import annotations

import threading

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


class OwnExecutor:
    """`node` is beside `owner`, in its namespace and context; it has no parameters, no services."""

    def __init__(self, owner: Node, name: str) -> None:
        self.node = rclpy.create_node(
            f"{owner.get_name()}_{name}",
            namespace=owner.get_namespace(),
            context=owner.context,
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=owner.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._run, name=f"stream {name}", daemon=True)

    def spin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def close(self) -> None:
        """End the thread (if it was started) and the node; the callback must not be waiting."""
        self._executor.shutdown()
        if self._thread.ident is not None:
            self._thread.join()
        self.node.destroy_node()
