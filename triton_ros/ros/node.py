# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: wiring of parameters, server, streams, services and diagnostics.

unconfigured -configure-> inactive: parameters are read, the repository is opened, models load in
the background (configure waits for them a few seconds, not longer), publishers and services are
there.  inactive -activate-> active: the streams subscribe.  The way back releases in reverse.

Whatever a transition raises is logged, kept for /diagnostics and answered as a failure; rclpy
itself would swallow it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from triton_ros.core.errors import ConfigError, TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.core.server_options import ServerOptions
from triton_ros.ros import diagnostics, parameters, startup
from triton_ros.ros.bond import Bond
from triton_ros.ros.diagnostics import Reporter
from triton_ros.ros.interrupt import Interrupt
from triton_ros.ros.live_parameters import LiveParameters
from triton_ros.ros.log_bridge import bridged
from triton_ros.ros.model_services import ModelServices
from triton_ros.ros.network import Network, StartFrontends
from triton_ros.ros.parameters import with_types
from triton_ros.ros.streams import Streams
from triton_ros.ros.transitions import FAILED, FAILURES, STATES

MakeServer = Callable[[Sequence[Path], ServerOptions], InferenceServer]


class TritonNode(LifecycleNode):
    """Hosts one inference server; `make_server` builds it for the given repositories and options.

    `start_frontends` opens the network servers; `interrupt` ends the wait for models in configure.
    """

    def __init__(
        self,
        make_server: MakeServer,
        start_frontends: StartFrontends = lambda *_: None,
        interrupt: Interrupt | None = None,
        **node_arguments: Any,
    ) -> None:
        super().__init__(
            "triton_ros",
            automatically_declare_parameters_from_overrides=True,
            allow_undeclared_parameters=True,  # refused by us, who can say which there are
            **node_arguments,
        )
        self._make_server = make_server
        self._network = Network(start_frontends, self.get_logger())
        self._interrupt = interrupt or Interrupt()
        self._acquired = ExitStack()
        self._server: InferenceServer | None = None
        self._model_services: ModelServices | None = None
        self._streams: Streams | None = None
        self._state = "unconfigured"
        self._parameters_here = LiveParameters(self, lambda: self._streams)
        self._problem = "; ".join(self._parameters_here.refused.values())
        if self._problem:
            self.get_logger().error(self._problem)
        self._reporter = Reporter(self, self._statuses)
        self._bond = Bond(self)

    # transitions -----------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("configure", self._configure, undo=self._release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("activate", self._activate, undo=self._deactivate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("deactivate", self._deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("shutdown", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("error", self._release)

    def shut_down(self) -> None:
        """Finalize, from whatever state; nothing to do where a client did it before."""
        if self._state != "finalized":
            self.trigger_shutdown()

    def destroy_node(self) -> None:
        """As rclpy's, which forgets the state machine: that would keep the middleware's
        participant, and its shared memory, for as long as anybody has a reference to the node.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def _transition(
        self, name: str, work: Callable[[], None], undo: Callable[[], None] = lambda: None
    ) -> TransitionCallbackReturn:
        result = TransitionCallbackReturn.SUCCESS
        try:
            work()
        except Exception as error:  # rclpy would swallow it; see above
            self._tell(name, error)
            result, self._state = FAILURES.get(name, (FAILED, self._state))
            undo()
        else:
            if name != "error":  # what led there stays to be read
                self._problem = ""
            self._state = STATES[name]
        self._reporter.report()
        return result

    def _tell(self, name: str, error: Exception) -> None:
        self._problem = f"{name}: {error}"
        self.get_logger().error(self._problem)
        if not isinstance(error, TritonError):
            self.get_logger().error("".join(traceback.format_exception(error)))

    def _configure(self) -> None:
        if refused := self._parameters_here.refused:
            raise ConfigError("; ".join(refused.values()))
        settings = parameters.read_node(self)
        streams = parameters.read_streams(self)
        self._acquired.enter_context(bridged(self.get_logger()))
        options = startup.plan(settings, [stream.model for stream in streams.values()])
        self._server = server = self._make_server(settings.model_repository, options)
        self._acquired.callback(server.close)
        self._streams = Streams(self, server, streams.values())
        self._acquired.callback(self._streams.destroy)
        self._model_services = ModelServices(self, server, self._streams.announce)
        self._acquired.callback(self._model_services.destroy)
        self._acquired.callback(self._streams.stop)
        self._acquired.callback(self._bond.stop)
        self._acquired.enter_context(
            self._network.opened(server, settings.frontends, self._streams.figures)
        )
        self._reporter.set_period(settings.diagnostics_period_s)
        loads = startup.start_loading(server, self.get_logger(), self._streams.announce)
        startup.wait(loads, settings.configure_wait_s, self.get_logger(), self._interrupt)

    def _activate(self) -> None:
        if self._streams is not None:
            self._streams.start()
        self._bond.start(self.get_parameter("bond_heartbeat_period").value)

    def _deactivate(self) -> None:
        self._bond.stop()
        if self._streams is not None:
            self._streams.stop()

    def _release(self) -> None:
        """Everything that configure acquired, in reverse, to the end; parts may be missing."""
        try:
            self._acquired.close()
        finally:
            self._server = self._model_services = self._streams = None

    # parameters ------------------------------------------------------------------------------

    def declare_parameters(self, namespace: str, parameters: Any, *others: Any, **more: Any) -> Any:
        """As rclpy's, which would not start with an empty list in a parameter file."""
        return super().declare_parameters(namespace, with_types(parameters), *others, **more)

    # seeing it -------------------------------------------------------------------------------

    def _statuses(self) -> list[DiagnosticStatus]:
        """For /diagnostics; follows what is on disk, too."""
        # With the namespace: several nodes of this kind share the topic.
        name = self.get_fully_qualified_name().removeprefix("/")
        problem, refused, statuses = self._problem, {}, []
        if self._server is not None and self._model_services is not None:
            try:
                self._model_services.refresh()
                models = diagnostics.known_models(self._server)
                statuses += diagnostics.model_statuses(name, models)
                budget = self._server.options.cpu_thread_budget
                statuses.append(diagnostics.scheduler_status(name, models, budget))
            except OSError as error:
                problem = problem or f"model repository: {error}"
            refused = self._model_services.refused
        if self._streams is not None:
            statuses += self._streams.statuses(name, self._state == "active")
        addresses = self._network.addresses
        node = diagnostics.node_status(name, self._state, problem, refused, addresses)
        return [node, *statuses]
