# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`~/models/<model>/load` and `/unload` (`std_srvs/srv/Trigger`), one pair a model.

A service waits for its model without holding the executor: the load pool sends the answer.  Names
that ROS 2 cannot have are made valid; two models whose names become the same would answer for each
other, so the later one gets no services and a message that says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from concurrent.futures import Future as PoolFuture
from functools import partial

from rclpy.node import Node

from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer
from triton_ros.ros.deferred_trigger import DeferredTrigger, Reply

Action = Callable[[str], "PoolFuture[None]"]


def service_name(model: str) -> str:
    """A model's name as part of a ROS 2 name: letters, digits and single underscores."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", model)
    name = re.sub(r"__+", "_", name)
    return f"m{name}" if not name[:1].isalpha() and not name.startswith("_") else name


def plan_names(
    models: Iterable[str], served: Iterable[str] = ()
) -> tuple[dict[str, str], dict[str, str]]:
    """Model -> service name for those that get one, and model -> whose name it would take.

    Who has services keeps them; then come those whose names are valid as they are.
    """
    taken = {service_name(model): model for model in served}
    refused: dict[str, str] = {}
    for model in sorted(models, key=lambda m: (service_name(m) != m, m)):
        owner = taken.setdefault(service_name(model), model)
        if owner != model:
            refused[model] = owner
    return {model: name for name, model in taken.items()}, refused


class ModelServices:
    """The services of every model in the repository; `refresh` follows what is on disk."""

    def __init__(
        self, node: Node, server: InferenceServer, on_loaded: Callable[[str], None]
    ) -> None:
        self._node = node
        self._server = server
        self._on_loaded = on_loaded
        self._services: dict[str, list[DeferredTrigger]] = {}
        self.refused: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Make the services of models that are new; say once which ones cannot have any."""
        names, refused = plan_names(self._server.repository.names(), self._services)
        for model in names.keys() - self._services.keys():
            place = f"~/models/{names[model]}"
            load = partial(self._begin, model, "loaded", self._server.load_model)
            unload = partial(self._begin, model, "unloaded", self._server.unload_model)
            self._services[model] = [
                DeferredTrigger(self._node, f"{place}/load", load),
                DeferredTrigger(self._node, f"{place}/unload", unload),
            ]
        for model in refused.keys() - self.refused.keys():
            self._node.get_logger().error(
                f"model '{model}' gets no services: its name becomes '{service_name(model)}' in"
                f" ROS, which is that of model '{refused[model]}'; rename one of them"
            )
        self.refused = refused

    def destroy(self) -> None:
        """Answer who still waits, and take the services away."""
        for model, services in self._services.items():
            for service in services:
                service.destroy(f"model '{model}': the node was cleaned up meanwhile")
        self._services.clear()

    def _begin(self, model: str, done: str, action: Action, reply: Reply) -> None:
        try:
            work = action(model)
        except TritonError as error:
            reply(False, str(error))
            return
        work.add_done_callback(partial(self._finished, model, done, reply))

    def _finished(self, model: str, done: str, reply: Reply, work: PoolFuture[None]) -> None:
        """On the load pool's thread."""
        try:
            work.result(timeout=0)
        except CancelledError:  # the server closes, and `destroy` has answered
            return
        except Exception as error:  # a thread boundary: whatever it was, the client hears of it
            message = str(error) if isinstance(error, TritonError) else repr(error)
            self._node.get_logger().error(f"model '{model}' is not {done}: {message}")
            reply(False, message)
            return
        self._node.get_logger().info(f"model '{model}' is {done}")
        self._on_loaded(model)
        reply(True, f"model '{model}' is {done}")
