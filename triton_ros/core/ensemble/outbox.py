# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages of many threads that leave one at a time and in order, without a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Outbox:
    """What is put in is sent by the thread that calls `send`, or by the one that sends already.

    So a receiver that blocks holds up one thread, and none of those that bring it more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: deque[Callable[[], None]] = deque()
        self._sending = False

    def put(self, message: Callable[[], None]) -> None:
        """The order is that of these calls."""
        self._messages.append(message)

    def send(self) -> None:
        """Call what is in, until it is empty or another thread is at it."""
        while True:
            with self._lock:
                if self._sending or not self._messages:
                    return
                self._sending = True
                message = self._messages.popleft()
            try:
                message()
            finally:
                with self._lock:
                    self._sending = False
