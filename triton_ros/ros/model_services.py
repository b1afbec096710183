# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`~/models/<model>/load` and `/unload` (`std_srvs/srv/Trigger`), one pair a model.

A service waits for its model without holding the executor: the callback is a coroutine, and the
load pool wakes it.  Names that ROS 2 cannot have are made valid; two models whose names become the
same would answer for each other, so the later one gets no services and a message that says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future as PoolFuture
from typing import Any

from rclpy.node import Node
from rclpy.service import Service
from rclpy.task import Future
from std_srvs.srv import Trigger

from triton_ros.core.errors import TritonError
from triton_ros.core.server import InferenceServer

Action = Callable[[str], PoolFuture[None]]
Handler = Callable[[Trigger.Request, Trigger.Response], Coroutine[Any, Any, Trigger.Response]]


def service_name(model: str) -> str:
    """A model's name as part of a ROS 2 name: letters, digits and single underscores."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", model)
    name = re.sub(r"__+", "_", name)
    return f"m{name}" if not name[:1].isalpha() and not name.startswith("_") else name


def plan_names(models: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Model -> service name for those that get one, and model -> whose name it would take."""
    taken: dict[str, str] = {}
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
        self._services: dict[str, list[Service[Any, Any]]] = {}
        self.refused: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Make the services of models that are new; say once which ones cannot have any."""
        names, refused = plan_names({*self._server.repository.names(), *self._services})
        for model in names.keys() - self._services.keys():
            place = f"~/models/{names[model]}"
            self._services[model] = [
                self._node.create_service(
                    Trigger, f"{place}/load", self._handler(model, "loaded", self._load)
                ),
                self._node.create_service(
                    Trigger, f"{place}/unload", self._handler(model, "unloaded", self._unload)
                ),
            ]
        for model in refused.keys() - self.refused.keys():
            self._node.get_logger().error(
                f"model '{model}' gets no services: its name becomes '{service_name(model)}' in"
                f" ROS, which is that of model '{refused[model]}'; rename one of them"
            )
        self.refused = refused

    def destroy(self) -> None:
        for services in self._services.values():
            for service in services:
                self._node.destroy_service(service)
        self._services.clear()

    def _load(self, model: str) -> PoolFuture[None]:
        return self._server.load_model(model)

    def _unload(self, model: str) -> PoolFuture[None]:
        return self._server.unload_model(model)

    def _handler(self, model: str, done: str, action: Action) -> Handler:
        async def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                await self._finished(action(model))
            except TritonError as error:
                response.success, response.message = False, str(error)
                self._node.get_logger().error(f"model '{model}' is not {done}: {error}")
            else:
                response.success, response.message = True, f"model '{model}' is {done}"
                self._node.get_logger().info(response.message)
                self._on_loaded(model)
            return response

        return handle

    async def _finished(self, work: PoolFuture[None]) -> None:
        """Wait for the load pool without blocking; raises what the work raised."""
        awaited: Future[None] = Future(executor=self._node.executor)
        work.add_done_callback(lambda _: awaited.set_result(None))
        await awaited
        work.result(timeout=0)
