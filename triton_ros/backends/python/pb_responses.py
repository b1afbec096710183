# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The responses of a call, for whoever waits in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import queue
from typing import Any


class ResponseIterator:
    """The responses of one call, as they come."""

    def __init__(self) -> None:
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ended = False

    def put(self, response: Any, last: bool) -> None:
        """For the host, from any thread."""
        self._responses.put((response, last))

    def __iter__(self) -> ResponseIterator:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        response, self._ended = self._responses.get()
        return response

    def __aiter__(self) -> ResponseIterator:
        return self

    async def __anext__(self) -> Any:
        if self._ended:
            raise StopAsyncIteration
        loop = asyncio.get_running_loop()
        response, self._ended = await loop.run_in_executor(None, self._responses.get)
        return response
