# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: wiring of parameters, server, streams, services and diagnostics.

unconfigured -configure-> inactive: parameters are read, the repository is opened, models load in
the background (configure waits for them a few seconds, not longer), publishers and services are
there.  inactive -activate-> active: the streams subscribe.  The way back releases in reverse.

Whatever a transition raises is logged, kept for /diagnostics and answered as FAILURE; rclpy itself
would swallow it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from triton_ros.core.errors import ConfigError, TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.ros import diagnostics, parameters, startup
from triton_ros.ros.annotator import Annotator
from triton_ros.ros.image_stream import ImageStream
from triton_ros.ros.model_services import ModelServices
from triton_ros.ros.parameters import StreamSettings

MakeServer = Callable[[Sequence[Path]], InferenceServer]
CLOSE_S = 5.0


class TritonNode(LifecycleNode):
    """Hosts one inference server; `make_server` builds it for the given repositories."""

    def __init__(self, make_server: MakeServer, **node_arguments: Any) -> None:
        super().__init__(
            "triton_ros", automatically_declare_parameters_from_overrides=True, **node_arguments
        )
        self._make_server = make_server
        self._server: InferenceServer | None = None
        self._annotator: Annotator | None = None
        self._model_services: ModelServices | None = None
        self._streams: dict[str, ImageStream] = {}
        self._timer: Timer | None = None
        self._active = False
        self._problem = ""
        self._refused_parameters = parameters.declare(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

    # transitions -----------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def activate() -> None:
            LifecycleNode.on_activate(self, state)  # the publishers, before the first answer
            for stream in self._streams.values():
                stream.start()
            self._active = True

        return self._transition("activate", activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def deactivate() -> None:
            self._stop_streams()
            LifecycleNode.on_deactivate(self, state)

        return self._transition("deactivate", deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("shutdown", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("error", self._release)

    def _transition(self, name: str, work: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            work()
        except Exception as error:  # rclpy would swallow it; see above
            self._problem = f"{name}: {error}"
            self.get_logger().error(self._problem)
            if not isinstance(error, TritonError):
                self.get_logger().error("".join(traceback.format_exception(error)))
            if name == "configure":
                self._release()
            self._report()
            return TransitionCallbackReturn.FAILURE
        self._problem = ""
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        if self._refused_parameters:
            raise ConfigError("; ".join(self._refused_parameters))
        settings = parameters.read_node(self)
        streams = parameters.read_streams(self)
        self._server = server = self._make_server(settings.model_repository)
        for stream in streams.values():
            server.repository.find(stream.model)
        used = [stream.model for stream in streams.values()]
        models = startup.models_to_load(server, settings.load_models, used)
        loads = startup.start_loading(server, models, self.get_logger(), self._announce)
        self._annotator = Annotator(self._picture_failed)
        self._streams = {
            name: ImageStream(self, server, self._annotator, stream)
            for name, stream in streams.items()
        }
        self._model_services = ModelServices(self, server, self._announce)
        self._timer = self.create_timer(
            settings.diagnostics_period_s,
            self._report,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        startup.wait(loads, settings.configure_wait_s, self.get_logger())

    def _stop_streams(self) -> None:
        self._active = False
        for stream in self._streams.values():
            stream.stop()

    def _release(self) -> None:
        """Everything that configure acquired, in reverse; any part of it may be missing."""
        self._stop_streams()
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        if self._model_services is not None:
            self._model_services.destroy()
            self._model_services = None
        for stream in self._streams.values():
            stream.destroy()
        self._streams = {}
        if self._annotator is not None:
            self._annotator.stop()
            self._annotator = None
        if self._server is not None:
            for name in self._server.close(CLOSE_S):
                self.get_logger().error(f"{name} did not end within {CLOSE_S:g} s")
            self._server = None

    # parameters ------------------------------------------------------------------------------

    def _check_parameters(self, changes: list[Parameter[Any]]) -> SetParametersResult:
        try:
            self._touched({change.name: change.value for change in changes})
        except TritonError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self, changes: list[Parameter[Any]]) -> None:
        for name, settings in self._touched({c.name: c.value for c in changes}).items():
            if name in self._streams:
                self._streams[name].apply(settings)

    def _touched(self, changes: dict[str, Any]) -> dict[str, StreamSettings]:
        def check(settings: StreamSettings) -> None:
            stream = self._streams.get(settings.name)
            if stream is not None and settings.model != stream.settings.model:
                stream.check(settings)

        return parameters.changed_streams(self, changes, self._server is None, check)

    # seeing it -------------------------------------------------------------------------------

    def _announce(self, model: str) -> None:
        """A model was (re)loaded: the streams that use it say so, if they are active."""
        for stream in list(self._streams.values()):
            if self._active and stream.settings.model == model:
                stream.announce()

    def _picture_failed(self, error: Exception) -> None:
        self.get_logger().error(f"annotated image: {error!r}", throttle_duration_sec=5.0)

    def _report(self) -> None:
        """Publish /diagnostics, and follow what is on disk."""
        name, statuses = self.get_name(), []
        refused = self._model_services.refused if self._model_services else {}
        statuses.append(diagnostics.node_status(name, self._problem, refused))
        if self._server is not None and self._model_services is not None:
            self._model_services.refresh()
            statuses += [
                diagnostics.model_status(name, self._server, entry)
                for entry in self._server.repository_index()
            ]
        for stream, wired in self._streams.items():
            snapshot = wired.statistics.snapshot()
            statuses.append(
                diagnostics.stream_status(
                    name, stream, wired.settings.model, self._active, snapshot
                )
            )
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics.diagnostic_array(stamp, statuses))
