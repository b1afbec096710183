# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that change while the node runs: checked as a whole, then handed on.

A stream comes when any parameter below ``streams.<name>.`` is set for the first time (it runs as
soon as its `model` is set), and goes when its `model` is deleted; all with `ros2 param`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from triton_ros.core.errors import TritonError
from triton_ros.ros import parameters
from triton_ros.ros.qos import overridden_topic
from triton_ros.ros.stream_settings import stream_names
from triton_ros.ros.streams import Streams


class LiveParameters:
    """Declares everything; `streams` gives those of the configured node, or None."""

    def __init__(self, node: LifecycleNode, streams: Callable[[], Streams | None]) -> None:
        self._node = node
        self._streams = streams
        self._declaring = False
        self.refused = parameters.declare(node)
        """What was wrong with what the node was started with: a message for each name."""
        node.add_pre_set_parameters_callback(parameters.coerced)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def _check(self, changes: list[Parameter[Any]]) -> SetParametersResult:
        if self._declaring:
            return SetParametersResult(successful=True)
        values = {change.name: change.value for change in changes}
        streams = self._streams()
        try:
            parameters.check_changes(self._node, values, unconfigured=streams is None)
            if streams is not None:
                self._check_streams(streams, values)
        except TritonError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _check_streams(self, streams: Streams, values: dict[str, Any]) -> None:
        for name in stream_names(values):
            settings = parameters.changed_stream(self._node, name, values)
            if settings is not None:
                streams.check(settings)

    def _apply(self, changes: list[Parameter[Any]]) -> None:
        if self._declaring:
            return
        names = [change.name for change in changes]
        for name in names:
            self.refused.pop(name, None)
        self._declaring = True
        try:
            if "pipelines_file" in names:
                parameters.adopt_pipelines(self._node)
                names = list(self._node.get_parameters_by_prefix(""))
            parameters.complete(self._node, stream_names(names))
        finally:
            self._declaring = False
        self._change_streams(stream_names(names))
        self._change_qualities(names)

    def _change_qualities(self, names: Iterable[str]) -> None:
        streams = self._streams()
        if streams is None:
            return
        for topic in {overridden_topic(name) for name in names} - {""}:
            streams.subscribe_anew(topic)

    def _change_streams(self, names: Iterable[str]) -> None:
        streams = self._streams()
        if streams is None:
            return
        for name in names:
            if not parameters.has_stream(self._node, name):
                streams.remove(name)
                continue
            settings = parameters.changed_stream(self._node, name, {})
            if settings is None:
                streams.lacks_model(name)
            else:
                streams.put(settings)
