# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All image streams of a node, from configure to cleanup."""

from __future__ import annotations

import time
from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from triton_ros.core.server import InferenceServer
from triton_ros.ros import diagnostics
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.image_stream import ImageStream
from triton_ros.ros.parameters import StreamSettings, stream_names

DRAIN_S = 2.0


class Streams:
    """The streams by name; control is on the executor's thread."""

    def __init__(
        self,
        node: LifecycleNode,
        server: InferenceServer,
        settings: Iterable[StreamSettings],
    ) -> None:
        self._node = node
        self._annotator = Annotator(self._picture_failed)
        self._by_name = {s.name: ImageStream(node, server, self._annotator, s) for s in settings}

    def start(self) -> None:
        for stream in self._by_name.values():
            stream.start()

    def stop(self) -> None:
        """Take no more frames; answer those that run, within `DRAIN_S` for all together."""
        for stream in self._by_name.values():
            stream.stop()
        deadline = time.monotonic() + DRAIN_S
        for name, stream in self._by_name.items():
            left = stream.drain(max(0.0, deadline - time.monotonic()))
            if left:
                self._node.get_logger().warning(
                    f"stream '{name}': {left} frames still run after {DRAIN_S:g} s"
                )

    def destroy(self) -> None:
        self._annotator.stop()
        for stream in self._by_name.values():
            stream.destroy()

    def _picture_failed(self, error: Exception) -> None:
        self._node.get_logger().error(f"annotated image: {error!r}", throttle_duration_sec=5.0)

    def touched(self, names: Iterable[str]) -> list[ImageStream]:
        """The streams that parameter names speak of."""
        return [self._by_name[name] for name in stream_names(names) if name in self._by_name]

    def announce(self, model: str) -> None:
        """A model came or went: the streams that use it say so.  Any thread."""
        for stream in self._by_name.values():
            if stream.settings.model == model:
                stream.announce()

    def statuses(self, node: str, active: bool) -> list[DiagnosticStatus]:
        """For /diagnostics; follows which models answer, too."""
        for stream in self._by_name.values():
            stream.follow()
        return [
            diagnostics.stream_status(
                node, name, stream.settings.model, active, stream.statistics.snapshot()
            )
            for name, stream in self._by_name.items()
        ]
