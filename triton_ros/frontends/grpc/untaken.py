# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers that clients have not taken yet, of calls with one answer.

grpc keeps an answer until its client takes it, and does not count it among the calls under way.  So
a client that asks and never reads would fill the memory: the next call of a connection waits until
its client has taken enough.  Such a call is one of `max_connections`, and these are all of them.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

MAX_BYTES = 64 << 20
"""Of one connection; with as much or more, its next call waits."""


class Untaken:
    """Counts by connection; thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._bytes: Counter[str] = Counter()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Calls that may not begin yet."""
        return self._waiting

    @property
    def total(self) -> int:
        """Bytes of all connections."""
        with self._changed:
            return self._bytes.total()

    def wait(self, context: Any) -> bool:
        """Until the client has taken enough; False if the call is over before that.

        The call's end has to `wake` whoever waits.
        """
        peer = context.peer()
        with self._changed:
            if self._bytes[peer] < self._max_bytes:
                return True
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._bytes[peer] < self._max_bytes or not context.is_active()
                )
            finally:
                self._waiting -= 1
        return bool(context.is_active())

    def wake(self) -> None:
        """A call is over: have those that wait look again."""
        with self._changed:
            self._changed.notify_all()

    def hold(self, context: Any, size: int) -> None:
        """Count an answer that is about to be sent, until it is taken or its client is gone."""
        peer = context.peer()
        self._add(peer, size)
        if not context.add_callback(lambda: self._add(peer, -size)):
            self._add(peer, -size)

    def _add(self, peer: str, size: int) -> None:
        with self._changed:
            self._bytes[peer] += size
            if not self._bytes[peer]:
                del self._bytes[peer]
            self._changed.notify_all()
