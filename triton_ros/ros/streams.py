# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All image streams of a node, from configure to cleanup; they come, change and go meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from triton_ros.core.server import InferenceServer
from triton_ros.core.telemetry.stream_figures import StreamFigures
from triton_ros.ros import diagnostics
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.guarded_publisher import Gate
from triton_ros.ros.image_stream import ImageStream, check_settings, quality_of
from triton_ros.ros.stream_settings import StreamSettings

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
        self._server = server
        self._annotator = Annotator(self._picture_failed)
        self._gate = Gate()
        self._by_name: dict[str, ImageStream] = {}
        self._removed: list[ImageStream] = []
        """Gone, but for frames that still run."""
        self._incomplete: set[str] = set()
        self._running = False
        for one in settings:
            self.put(one)

    def start(self) -> None:
        self._running = self._gate.is_open = True
        for stream in self._by_name.values():
            stream.start()

    def stop(self) -> None:
        """Take no more frames; answer those that run, within `DRAIN_S` for all together."""
        self._running = False
        for stream in self._by_name.values():
            stream.stop()
        deadline = time.monotonic() + DRAIN_S
        for stream in (*self._by_name.values(), *self._removed):
            left = stream.frames.drain(max(0.0, deadline - time.monotonic()))
            if left:
                self._node.get_logger().warning(
                    f"stream '{stream.settings.name}': {left} frames still run after {DRAIN_S:g} s"
                )
        self._gate.is_open = False

    def destroy(self) -> None:
        self._annotator.stop()
        for stream in (*self._by_name.values(), *self._removed):
            stream.destroy()

    def _picture_failed(self, error: Exception) -> None:
        self._node.get_logger().error(f"annotated image: {error!r}", throttle_duration_sec=5.0)

    # streams that come, change and go --------------------------------------------------------

    def check(self, settings: StreamSettings) -> None:
        """Whether a stream could have these settings now.  Raises `TritonError`."""
        stream = self._by_name.get(settings.name)
        if stream is None:
            quality_of(self._node, settings)
            check_settings(self._server, settings)
        else:
            stream.check(settings)

    def put(self, settings: StreamSettings) -> None:
        """A new stream, or other settings of one that is there."""
        self._incomplete.discard(settings.name)
        stream = self._by_name.get(settings.name)
        if stream is not None:
            stream.apply(settings)
            return
        stream = ImageStream(self._node, self._server, self._annotator, self._gate, settings)
        self._by_name[settings.name] = stream
        if self._running:
            stream.start()

    def subscribe_anew(self, topic: str) -> None:
        """The quality of service of a topic (resolved) was overridden otherwise."""
        for stream in self._by_name.values():
            if stream.topic == topic:
                stream.subscribe_anew()

    def lacks_model(self, name: str) -> None:
        """A stream was begun, but nobody said which model answers it."""
        self._incomplete.add(name)

    def remove(self, name: str) -> None:
        """Take no more frames; what runs is still answered, then its publishers go."""
        self._incomplete.discard(name)
        stream = self._by_name.pop(name, None)
        if stream is not None:
            stream.stop()
            self._removed.append(stream)
            self._sweep()

    def _sweep(self) -> None:
        idle = [stream for stream in self._removed if stream.frames.idle]
        for stream in idle:
            self._removed.remove(stream)
            stream.destroy()

    # seeing them -----------------------------------------------------------------------------

    def announce(self, model: str) -> None:
        """A model came or went: the streams that use it say so.  Any thread."""
        for stream in list(self._by_name.values()):
            if stream.settings.model == model:
                stream.announce()

    def figures(self) -> list[StreamFigures]:
        """Of every stream.  Any thread."""
        return [s.statistics.figures(name) for name, s in list(self._by_name.items())]

    def statuses(self, node: str, active: bool) -> list[DiagnosticStatus]:
        """For /diagnostics; follows which models answer, too."""
        self._sweep()
        for stream in self._by_name.values():
            stream.follow()
        return [
            *(diagnostics.stream_status(node, stream, active) for stream in self._by_name.values()),
            *(diagnostics.incomplete_status(node, name) for name in sorted(self._incomplete)),
        ]
