# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A short-lived ROS client of a running node: its diagnostics and its services."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from triton_ros.core.errors import TimeoutExpiredError, UnavailableError

Statuses = dict[str, dict[str, str]]
"""Key to value by a status's name without the node's; `level` and `message` among them."""


class NodeClient:
    """One node by its full name."""

    def __init__(self, context: Context, name: str, discovery_s: float) -> None:
        self._name = f"/{name.strip('/')}"
        self._discovery_s = discovery_s
        self.node = rclpy.create_node("triton_ros_cli", context=context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)

    def statuses(self) -> Statuses:
        """What the node says in /diagnostics; raises `UnavailableError` when it says nothing."""
        prefix = f"{self._name.removeprefix('/')}: "
        found: Statuses = {}

        def heard(array: DiagnosticArray) -> None:
            for status in array.status:
                if status.name.startswith(prefix):
                    values = {pair.key: pair.value for pair in status.values}
                    values |= {"level": str(ord(status.level)), "message": status.message}
                    found[status.name.removeprefix(prefix)] = values

        self.node.create_subscription(DiagnosticArray, "/diagnostics", heard, 10)
        if not self._until(lambda: "node" in found, self._discovery_s):
            raise UnavailableError(self._absent())
        return found

    def trigger(self, service: str, timeout_s: float) -> tuple[bool, str]:
        """Success and message of a `Trigger` service below the node's name."""
        client: Any = self.node.create_client(Trigger, f"{self._name}/{service}")
        if not self._until(client.service_is_ready, self._discovery_s):
            raise UnavailableError(f"there is no service {self._name}/{service}: {self._absent()}")
        future = client.call_async(Trigger.Request())
        if not self._until(future.done, timeout_s):
            raise TimeoutExpiredError(f"no answer of {self._name}/{service} in {timeout_s:g} s")
        answer: Any = future.result()
        return bool(answer.success), str(answer.message)

    def _until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while not holds():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left, 0.1))
        return True

    def _absent(self) -> str:
        names = sorted(
            f"{space.rstrip('/')}/{name}"
            for name, space in self.node.get_node_names_and_namespaces()
            if name != self.node.get_name()
        )
        if self._name in names:
            return f"node {self._name} is there, but has nothing of that kind (is it configured?)"
        return f"no node {self._name}; there are: {', '.join(names) or 'none'}"

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()


@contextmanager
def connected(given: argparse.Namespace) -> Iterator[NodeClient]:
    """A client for a command's arguments."""
    context: Any = Context()
    rclpy.init(context=context)
    client = NodeClient(context, given.node, given.discovery)
    try:
        yield client
    finally:
        client.close()
        rclpy.shutdown(context=context)
