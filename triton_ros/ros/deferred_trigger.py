# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A `std_srvs/srv/Trigger` service that answers later, from any thread.

rclpy answers a request when its callback returns.  A coroutine as callback does not help: in
`EventsExecutor` it is never resumed, and the other executors resume it at their next event only.
So the callback returns at once, and the moment in which the executor would send the response is
when the work begins; whoever finishes the work sends it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

Reply = Callable[[bool, str], None]
"""Success and message; any thread, once."""


class DeferredTrigger:
    """`begin` runs on the executor for every request and must not block."""

    def __init__(self, node: Node, name: str, begin: Callable[[Reply], None]) -> None:
        self._node = node
        self._begin = begin
        self._lock = threading.Lock()
        self._pending: dict[int, Any] = {}
        self._numbers = itertools.count()
        create: Any = node.create_service  # one of its methods is replaced below
        self._service = create(Trigger, name, lambda _, response: response)
        self._send = self._service.send_response
        self._service.send_response = self._requested

    def destroy(self, reason: str) -> None:
        """Answer who still waits with `reason`; later replies go nowhere."""
        for number in list(self._pending):
            self._reply(number, False, reason)
        self._node.destroy_service(self._service)

    def _requested(self, _: Trigger.Response, header: Any) -> None:
        number = next(self._numbers)
        with self._lock:
            self._pending[number] = header
        self._begin(partial(self._reply, number))

    def _reply(self, number: int, success: bool, message: str) -> None:
        with self._lock:
            header = self._pending.pop(number, None)
            if header is not None:
                self._send(Trigger.Response(success=success, message=message), header)
